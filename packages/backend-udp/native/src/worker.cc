#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "byte_order.h"
#include "tun.h"
#include "udp_socket.h"

namespace tartan {
namespace {

// One read may take a virtio-net header and the largest IP packet.
constexpr size_t kReadMax = sizeof(VirtioNetHeader) + 65536;
// Collected before a flush: a TCP super-packet is 45 pieces of 1,432 bytes, and only 44 fit into a message, so that several together
// fill messages better. And the fewer the bursts, the seldomer threads on the way have to be woken, which is dear on virtual machines.
constexpr size_t kRoundBytes = 800 * 1024;
constexpr int kRoundReads = 256;
constexpr int kReceiveRounds = 2;

// As the kernel's own limit, net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst.
constexpr uint64_t kIcmpErrorsPerSecond = 1000;
constexpr uint64_t kIcmpErrorsBurst = 50;

// A peer that roams makes us look at all peers; strangers must not make us do nothing else.
constexpr uint64_t kRoamsPerSecond = 1000;
constexpr uint64_t kRoamsBurst = 1000;
// So many keep-alives without a packet, and the place where a peer was learned to be is free for another one: translators give a port
// that is no longer used to somebody else.
constexpr uint64_t kHeldForKeepalives = 3;

constexpr uint64_t kNanoseconds = 1000000000;
constexpr uint64_t kReopenInterval = kNanoseconds / 5;
constexpr uint16_t kIpv6MinimumMtu = 1280;

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNanoseconds + static_cast<uint64_t>(now.tv_nsec);
}

// The device was deleted (tun_chr_read_iter, tun_chr_write_iter).
bool IsGone(int error) { return error == EBADFD || error == ENODEV; }

}  // namespace

Worker::Worker(WorkerOptions options, TableHolder* tables, Features* features)
    : options_(std::move(options)),
      tables_(tables),
      features_(features),
      batch_(features, &counters_, this),
      coalescer_(this, {features->On(Feature::kCoalesce), features->On(Feature::kCoalesce) && features->On(Feature::kTunUso)}),
      arena_(kRoundBytes + kReadMax),
      icmp_limit_(kIcmpErrorsPerSecond, kIcmpErrorsBurst),
      roam_limit_(kRoamsPerSecond, kRoamsBurst) {
  batch_.SetSockets({options_.ipv4.get(), options_.ipv6.get()});
}

Worker::~Worker() { Stop(); }

SystemError Worker::Start() {
  wake_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return {errno, "eventfd"};
  // Signals are for Node's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread_, nullptr, Main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return {error, "pthread_create"};
  running_ = true;
  char name[16];
  std::snprintf(name, sizeof name, "tartan-udp-%u", static_cast<unsigned>(options_.index % 1000));
  pthread_setname_np(thread_, name);
  return {};
}

void Worker::Stop() {
  if (!running_) return;
  stopping_.store(true);
  uint64_t one = 1;
  ssize_t written = write(wake_.get(), &one, sizeof one);
  (void)written;
  pthread_join(thread_, nullptr);
  running_ = false;
}

void* Worker::Main(void* self) {
  static_cast<Worker*>(self)->Run();
  return nullptr;
}

void Worker::Run() {
  keepalive_at_ = Now();
  priority_.Start(keepalive_at_);
  unsigned ready = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (ready == 0) tables_->Leave(options_.index);
    ready |= Wait(ready == 0);
    table_ = &tables_->Enter(options_.index);
    if ((ready & kTun) != 0 && !MoveOut()) ready &= ~kTun;
    if ((ready & kIpv4) != 0 && !MoveIn(options_.ipv4.get())) ready &= ~kIpv4;
    if ((ready & kIpv6) != 0 && !MoveIn(options_.ipv6.get())) ready &= ~kIpv6;
    if (options_.keepalive_seconds > 0) SendKeepalives();
    if (!options_.tun.valid()) ReopenTun();
  }
  tables_->Leave(options_.index);
}

unsigned Worker::Wait(bool sleep) {
  // Closed descriptors are -1, which poll(2) skips.
  pollfd waiting[] = {{options_.tun.get(), POLLIN, 0},
                      {options_.ipv4.get(), POLLIN, 0},
                      {options_.ipv6.get(), POLLIN, 0},
                      {wake_.get(), POLLIN, 0}};
  if (poll(waiting, 4, sleep ? SleepMilliseconds() : 0) <= 0) return 0;
  unsigned ready = 0;
  for (unsigned i = 0; i < 3; i++) {
    if (waiting[i].revents != 0) ready |= 1u << i;
  }
  return ready;
}

int Worker::SleepMilliseconds() const {
  uint64_t until = UINT64_MAX;
  if (options_.keepalive_seconds > 0) until = keepalive_at_;
  if (!options_.tun.valid()) until = std::min(until, reopen_at_);
  if (until == UINT64_MAX) return -1;
  uint64_t now = Now();
  return until <= now ? 0 : static_cast<int>(std::min<uint64_t>((until - now) / 1000000 + 1, 60000));
}

bool Worker::MoveOut() {
  size_t used = 0;
  int reads = 0;
  bool more = true;
  for (; more && reads < kRoundReads && used < kRoundBytes; reads++) {
    uint8_t* at = arena_.data() + used;
    ssize_t got = read(options_.tun.get(), at, kReadMax);
    counters_.Add(Count::kTunReads, 1);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (IsGone(errno)) LoseTun();
      more = false;
    } else if (static_cast<size_t>(got) <= sizeof(VirtioNetHeader)) {
      counters_.Add(Drop::kMalformed);
    } else {
      Forward(at, static_cast<size_t>(got));
      // Cache lines are not shared between packets; the start stays off powers of two by itself.
      used += (static_cast<size_t>(got) + 63) & ~size_t{63};
    }
  }
  batch_.Send();
  priority_.Count(static_cast<size_t>(reads), used, Now);
  return more;
}

void Worker::Forward(uint8_t* data, size_t bytes) {
  VirtioNetHeader virtio;
  std::memcpy(&virtio, data, sizeof virtio);
  Packet packet;
  ParseResult parsed = ParsePacket(data + sizeof virtio, bytes - sizeof virtio, &packet);
  if (parsed != ParseResult::kOk) {
    return counters_.Add(parsed == ParseResult::kTruncated ? Drop::kTruncated : Drop::kMalformed);
  }
  const Route* route = table_->To(packet, packet.destination());
  if (route == nullptr) return counters_.Add(packet.to_multicast() ? Drop::kMulticast : Drop::kNoRoute);
  if (*packet.hops() <= 1) {
    if (MayReportNow(packet, *route)) WriteError(packet, *route, IcmpError::kTimeExceeded, 0);
    return counters_.Add(Drop::kTtl);
  }
  DecrementHops(&packet);
  Segmenter segmenter;
  if (!segmenter.Start(packet, virtio)) return counters_.Add(Drop::kMalformed);
  while (segmenter.More()) {
    if (batch_.Full()) batch_.Send();
    batch_.Add(route, segmenter.Next(batch_.HeaderRoom()));
  }
}

// An IPv6 link carries 1,280 bytes in any case (RFC 8200 section 5), and IPv4 without DF may be fragmented; these go in outer fragments.
bool Worker::OnTooBig(const Datagram& datagram) {
  uint8_t head[kIcmpErrorMax];
  size_t copied = 0;
  for (const iovec& piece : datagram.pieces) {
    size_t part = std::min(piece.iov_len, sizeof head - copied);
    std::memcpy(head + copied, piece.iov_base, part);
    copied += part;
  }
  Packet packet{};
  packet.data = head;
  packet.version = head[0] >> 4;
  int overhead = (datagram.route->peer->configured().address.family == 4 ? 20 : 40) + 8;
  if (!packet.dont_fragment() || (packet.version == 6 && datagram.bytes <= kIpv6MinimumMtu)) return false;
  counters_.Add(Drop::kTooBig);
  // Only the quoted part is at hand: the length in the header may be larger than what is here.
  packet.length = static_cast<uint32_t>(copied);
  packet.protocol = packet.version == 4 ? head[9] : head[6];
  packet.upper_offset = packet.version == 4 ? (head[0] & 0x0f) * 4u : static_cast<uint32_t>(kIpv6HeaderBytes);
  packet.later_fragment = packet.version == 4 && (LoadBe16(head + 6) & 0x1fff) != 0;
  if (!MayReportNow(packet, *datagram.route)) return true;
  int path = PathMtu(datagram.route->peer->Address());
  int mtu = path > overhead ? path - overhead : 0;
  if (packet.version == 6) mtu = std::max<int>(mtu, kIpv6MinimumMtu);
  if (mtu > 0) WriteError(packet, *datagram.route, IcmpError::kTooBig, static_cast<uint16_t>(std::min(mtu, 0xffff)));
  return true;
}

bool Worker::MayReportNow(const Packet& packet, const Route& route) {
  return route.icmp_source.family == packet.version && MayReport(packet) && icmp_limit_.Take(Now());
}

void Worker::WriteError(const Packet& packet, const Route& route, IcmpError error, uint16_t mtu_bytes) {
  uint8_t message[kIcmpErrorMax];
  size_t bytes = WriteIcmpError(packet, error, mtu_bytes, route.icmp_source, message);
  VirtioNetHeader virtio{};
  iovec pieces[2] = {{&virtio, sizeof virtio}, {message, bytes}};
  WriteTun(pieces, 2, 1);
}

bool Worker::MoveIn(int fd) {
  for (int round = 0; round < kReceiveRounds; round++) {
    int got = received_.Receive(fd);
    counters_.Add(Count::kUdpReceives, 1);
    if (options_.keepalive_seconds > 0) received_at_ = Now();
    // Errors of earlier sends may be reported here; they were counted there.
    if (got < 0) return errno == EINTR;
    for (int i = 0; i < got; i++) Receive(received_.At(static_cast<size_t>(i)));
    coalescer_.Flush();
    priority_.Count(static_cast<size_t>(got), received_.bytes(), Now);
    if (!received_.MayHaveMore()) return false;
  }
  return true;
}

void Worker::Receive(const ReceivedMessage& message) {
  if (message.truncated) return counters_.Add(Drop::kTruncated);
  Peer* sender = table_->PeerAt(message.source);
  size_t size = std::max<size_t>(message.datagram_bytes, 1);
  for (size_t at = 0; at < message.bytes; at += size) {
    ReceiveDatagram(message.data + at, std::min(size, message.bytes - at), message.source, sender);
  }
}

void Worker::ReceiveDatagram(uint8_t* data, size_t bytes, const Endpoint& source, Peer* sender) {
  if (sender == nullptr && options_.keepalive_seconds == 0) return counters_.Add(Drop::kUnknownPeer);
  Packet packet;
  ParseResult parsed = ParsePacket(data, bytes, &packet);
  if (parsed != ParseResult::kOk) {
    return counters_.Add(parsed == ParseResult::kTruncated ? Drop::kTruncated : Drop::kMalformed);
  }
  if (MayCome(packet, source, sender)) coalescer_.Add(packet);
}

// The inner source must belong to the lease of the host that sent it. A host that roams is recognised by the lease alone, and only when
// no other host is at this endpoint, by its lease or because it was heard there.
bool Worker::MayCome(const Packet& packet, const Endpoint& source, Peer* sender) {
  const Route* back = table_->To(packet, packet.source());
  if (sender == nullptr) {
    if (back == nullptr || back->peer->configured().address.family != source.address.family) {
      counters_.Add(Drop::kUnknownPeer);
      return false;
    }
    return MayRoam(back->peer, source);
  }
  if (back == nullptr || back->peer != sender) {
    counters_.Add(Drop::kSpoofedSource);
    return false;
  }
  if (options_.keepalive_seconds > 0) sender->Forget();
  return true;
}

bool Worker::MayRoam(Peer* peer, const Endpoint& source) {
  if (!peer->IsAt(source)) {
    if (!roam_limit_.Take(received_at_)) {
      counters_.Add(Drop::kUnknownPeer);
      return false;
    }
    uint64_t held_for = kHeldForKeepalives * static_cast<uint64_t>(options_.keepalive_seconds) * kNanoseconds;
    if (table_->IsHeld(source, received_at_ > held_for ? received_at_ - held_for : 0)) {
      counters_.Add(Drop::kSpoofedSource);
      return false;
    }
    peer->Learn(source);
  }
  peer->Hear(received_at_);
  return true;
}

void Worker::Write(const iovec* pieces, int count, size_t bytes, size_t packets) {
  if (!WriteTun(pieces, count, packets)) return;
  counters_.Add(Count::kRxPackets, packets);
  counters_.Add(Count::kRxBytes, bytes + (packets - 1) * pieces[1].iov_len);
}

bool Worker::WriteTun(const iovec* pieces, int count, size_t packets) {
  ssize_t written;
  do {
    written = writev(options_.tun.get(), pieces, count);
  } while (written < 0 && errno == EINTR);
  counters_.Add(Count::kTunWrites, 1);
  if (written >= 0) return true;
  if (!options_.tun.valid() || errno == EIO || IsGone(errno)) {
    counters_.Add(Drop::kTunDown, packets);
  } else {
    counters_.Add(errno == EINVAL ? Drop::kMalformed : Drop::kTunFull, packets);
  }
  return false;
}

void Worker::SendKeepalives() {
  if (options_.index != 0 || Now() < keepalive_at_) return;
  keepalive_at_ = Now() + static_cast<uint64_t>(options_.keepalive_seconds) * kNanoseconds;
  for (const auto& peer : table_->peers()) {
    SocketAddress to = peer->Address();
    int fd = to.any.sa_family == AF_INET ? options_.ipv4.get() : options_.ipv6.get();
    // An empty datagram: no IP packet, so that every receiver drops it.
    if (fd != -1) sendto(fd, nullptr, 0, MSG_DONTWAIT, &to.any, to.length);
  }
}

void Worker::LoseTun() {
  options_.tun.Close();
  reopen_at_ = 0;
}

// Somebody deleted the device. The backend's reconciler can give it addresses and routes, but only we can make it.
void Worker::ReopenTun() {
  uint64_t now = Now();
  if (now < reopen_at_) return;
  reopen_at_ = now + kReopenInterval;
  OpenTunQueue(options_.tun_name, options_.mtu_bytes, features_, &options_.tun);
}

}  // namespace tartan
