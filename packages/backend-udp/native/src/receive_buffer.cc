#include "receive_buffer.h"

#include <errno.h>
#include <netinet/udp.h>

#include <cstring>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace tartan {
namespace {

constexpr size_t kMessageMax = 65536;
constexpr size_t kStride = kMessageMax + 1088;
static_assert(kStride % ReceiveBuffer::kCacheLineBytes == 0, "every buffer begins with a cache line");
// At 64 KiB each: as much as one round of the other direction sends. Not more, so that neither holds up the other.
constexpr size_t kLargeMessages = 16;
constexpr size_t kLargeBytes = 8192;

}  // namespace

ReceiveBuffer::ReceiveBuffer()
    : arena_(kMessages * kStride / kCacheLineBytes), headers_(kMessages), pieces_(kMessages), sources_(kMessages), controls_(kMessages) {
  for (size_t i = 0; i < kMessages; i++) {
    pieces_[i] = {&arena_[i * kStride / kCacheLineBytes], kMessageMax};
    headers_[i].msg_hdr = {};
    headers_[i].msg_hdr.msg_iov = &pieces_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

int ReceiveBuffer::Receive(int fd) {
  asked_ = large_ ? kLargeMessages : kMessages;
  for (size_t i = 0; i < asked_; i++) {
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &sources_[i].any;
    header.msg_namelen = sizeof sources_[i];
    header.msg_control = controls_[i].bytes;
    header.msg_controllen = sizeof controls_[i].bytes;
  }
  int got = recvmmsg(fd, headers_.data(), static_cast<unsigned>(asked_), MSG_DONTWAIT, nullptr);
  got_ = got > 0 ? static_cast<size_t>(got) : 0;
  bytes_ = 0;
  for (size_t i = 0; i < got_; i++) bytes_ += headers_[i].msg_len;
  if (got > 0) large_ = bytes_ > got_ * kLargeBytes;
  return got;
}

ReceivedMessage ReceiveBuffer::At(size_t index) const {
  const msghdr& header = headers_[index].msg_hdr;
  ReceivedMessage message{static_cast<uint8_t*>(header.msg_iov->iov_base), headers_[index].msg_len, headers_[index].msg_len,
                          (header.msg_flags & MSG_TRUNC) != 0, ToEndpoint(sources_[index])};
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(const_cast<msghdr*>(&header), control)) {
    if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
    int size;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    if (size > 0) message.datagram_bytes = static_cast<size_t>(size);
  }
  return message;
}

}  // namespace tartan
