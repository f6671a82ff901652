#include "datagram_batch.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>

#include <cstring>

#include "udp_socket.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace tartan {
namespace {

// How long, and how often in one Send(), a full send buffer holds the thread up before packets are dropped. It slows the sender of a
// bulk transfer down to what the wire takes; longer would let received packets, and stop(), wait too long.
constexpr int kSendWaitMilliseconds = 5;
constexpr int kSendWaits = 4;

}  // namespace

size_t GroupLength(const Datagram* datagrams, size_t count) {
  size_t total = datagrams[0].bytes;
  size_t length = 1;
  while (length < count && length < kSegmentsMax) {
    const Datagram& next = datagrams[length];
    total += next.bytes;
    if (next.route->peer != datagrams[0].route->peer || next.bytes > datagrams[0].bytes || total > kDatagramMax) break;
    length++;
    if (next.bytes < datagrams[0].bytes) break;
  }
  return length;
}

DatagramBatch::DatagramBatch(Features* features, Counters* counters, TooBigHandler* handler)
    : features_(features), counters_(counters), handler_(handler), headers_(kCapacity * kSegmentHeaderMax) {
  datagrams_.reserve(kCapacity);
  messages_.reserve(kCapacity);
  kernel_messages_.resize(kCapacity);
  addresses_.resize(kCapacity);
  pieces_.resize(kCapacity * 2);
  controls_.resize(kCapacity);
}

void DatagramBatch::Add(const Route* route, const Segment& segment) {
  Datagram datagram{route, {}, static_cast<uint32_t>(segment.bytes())};
  datagram.pieces[0] = {const_cast<uint8_t*>(segment.header), segment.header_bytes};
  datagram.pieces[1] = {const_cast<uint8_t*>(segment.payload), segment.payload_bytes};
  datagrams_.push_back(datagram);
}

bool DatagramBatch::WaitForRoom(int fd) {
  if (waits_left_ == 0) return false;
  waits_left_--;
  pollfd waiting{fd, POLLOUT, 0};
  return poll(&waiting, 1, kSendWaitMilliseconds) > 0;
}

void DatagramBatch::Send() {
  waits_left_ = kSendWaits;
  size_t count = datagrams_.size();
  for (size_t first = 0; first < count;) {
    int family = datagrams_[first].route->peer->configured().address.family;
    size_t end = first + 1;
    while (end < count && datagrams_[end].route->peer->configured().address.family == family) end++;
    Pack(first, end);
    SendMessages(sockets_.For(family), 0, messages_.size());
    first = end;
  }
  datagrams_.clear();
}

void DatagramBatch::Pack(size_t first, size_t end) {
  messages_.clear();
  bool segment = features_->On(Feature::kUdpSegment);
  while (first < end) {
    size_t count = segment ? GroupLength(&datagrams_[first], end - first) : 1;
    messages_.push_back({first, count});
    Prepare(messages_.back(), messages_.size() - 1);
    first += count;
  }
}

void DatagramBatch::Prepare(const Message& message, size_t index) {
  msghdr& header = kernel_messages_[index].msg_hdr;
  header = {};
  addresses_[index] = datagrams_[message.first].route->peer->Address();
  header.msg_name = &addresses_[index].any;
  header.msg_namelen = addresses_[index].length;
  // Pieces are numbered like datagrams, two each; a datagram in one piece leaves its second out.
  iovec* pieces = &pieces_[message.first * 2];
  size_t used = 0;
  for (size_t i = message.first; i < message.first + message.count; i++) {
    pieces[used++] = datagrams_[i].pieces[0];
    if (datagrams_[i].pieces[1].iov_len > 0) pieces[used++] = datagrams_[i].pieces[1];
  }
  header.msg_iov = pieces;
  header.msg_iovlen = used;
  if (message.count == 1) return;
  header.msg_control = controls_[index].bytes;
  header.msg_controllen = sizeof controls_[index].bytes;
  cmsghdr* control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = IPPROTO_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  uint16_t size = static_cast<uint16_t>(datagrams_[message.first].bytes);
  std::memcpy(CMSG_DATA(control), &size, sizeof size);
}

void DatagramBatch::SendMessages(int fd, size_t first, size_t end) {
  while (first < end) {
    int sent = fd == -1 ? -1 : sendmmsg(fd, &kernel_messages_[first], static_cast<unsigned>(end - first), MSG_DONTWAIT);
    int error = fd == -1 ? EAFNOSUPPORT : errno;
    counters_->Add(Count::kUdpSends, 1);
    if (sent > 0) {
      for (int i = 0; i < sent; i++) CountSent(messages_[first + static_cast<size_t>(i)]);
      first += static_cast<size_t>(sent);
      continue;
    }
    if (error == EINTR) continue;
    if (error == EAGAIN && WaitForRoom(fd)) continue;
    OnFailure(fd, messages_[first], error);
    first++;
  }
}

void DatagramBatch::OnFailure(int fd, const Message& message, int error) {
  bool refused = error == EMSGSIZE || error == EINVAL;
  if (message.count > 1 && (refused || error == EIO)) {
    // No checksum offload on the way out (net/ipv4/udp.c, udp_send_skb): this will not change by itself.
    if (error == EIO) features_->TurnOff(Feature::kUdpSegment, Reason::kSendWithSegments, EIO);
    SendSingly(fd, message);
  } else if (error == EMSGSIZE) {
    SendSingly(fd, message);
  } else {
    CountLost(message.count, error);
  }
}

void DatagramBatch::SendSingly(int fd, const Message& message) {
  for (size_t i = message.first; i < message.first + message.count; i++) {
    const Datagram& datagram = datagrams_[i];
    int error = 0;
    if (SendOne(fd, datagram, &error)) {
      CountSent({i, 1});
    } else if (error != EMSGSIZE) {
      CountLost(1, error);
    } else if (!handler_->OnTooBig(datagram)) {
      SendFragmented(fd, datagram);
    }
  }
}

void DatagramBatch::SendFragmented(int fd, const Datagram& datagram) {
  int family = datagram.route->peer->configured().address.family;
  int error = 0;
  AllowOuterFragments(fd, family, true);
  bool sent = SendOne(fd, datagram, &error);
  AllowOuterFragments(fd, family, false);
  if (sent) {
    counters_->Add(Count::kTxPackets, 1);
    counters_->Add(Count::kTxBytes, datagram.bytes);
  } else if (error == EMSGSIZE) {
    counters_->Add(Drop::kTooBig);
  } else {
    CountLost(1, error);
  }
}

bool DatagramBatch::SendOne(int fd, const Datagram& datagram, int* error) {
  SocketAddress to = datagram.route->peer->Address();
  msghdr header{};
  header.msg_name = &to.any;
  header.msg_namelen = to.length;
  header.msg_iov = const_cast<iovec*>(datagram.pieces);
  header.msg_iovlen = datagram.pieces[1].iov_len > 0 ? 2 : 1;
  for (;;) {
    counters_->Add(Count::kUdpSends, 1);
    if (sendmsg(fd, &header, MSG_DONTWAIT) >= 0) return true;
    *error = errno;
    if (*error == EINTR) continue;
    if (*error != EAGAIN || !WaitForRoom(fd)) return false;
  }
}

void DatagramBatch::CountSent(const Message& message) {
  uint64_t bytes = 0;
  for (size_t i = message.first; i < message.first + message.count; i++) bytes += datagrams_[i].bytes;
  counters_->Add(Count::kTxPackets, message.count);
  counters_->Add(Count::kTxBytes, bytes);
}

void DatagramBatch::CountLost(size_t packets, int error) {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return counters_->Add(Drop::kSendBuffer, packets);
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
      return counters_->Add(Drop::kUnreachable, packets);
    default:
      return counters_->Add(Drop::kSendFailed, packets);
  }
}

}  // namespace tartan
