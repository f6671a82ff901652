#include "udp_socket.h"

#include <errno.h>
#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace tartan {
namespace {

// A restart of the reader, or a scheduling gap of 10 ms at 5 Gbit/s, fits.
constexpr int kReceiveBufferBytes = 8 << 20;
constexpr int kSendBufferBytes = 4 << 20;

bool Set(int fd, int level, int option, int value) { return setsockopt(fd, level, option, &value, sizeof value) == 0; }

// Beyond net.core.rmem_max with CAP_NET_ADMIN, up to it without.
void SetBuffers(int fd) {
  if (!Set(fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBufferBytes)) Set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBufferBytes);
  if (!Set(fd, SOL_SOCKET, SO_SNDBUFFORCE, kSendBufferBytes)) Set(fd, SOL_SOCKET, SO_SNDBUF, kSendBufferBytes);
}

void ProbeFeatures(int fd, Features* features) {
  // Zero is "no segmentation by default"; a kernel that does not know the option says so.
  if (features->On(Feature::kUdpSegment) && !Set(fd, IPPROTO_UDP, UDP_SEGMENT, 0)) {
    features->TurnOff(Feature::kUdpSegment, Reason::kUdpSegmentOption, errno);
  }
  if (features->On(Feature::kUdpGro) && !Set(fd, IPPROTO_UDP, UDP_GRO, 1)) {
    features->TurnOff(Feature::kUdpGro, Reason::kUdpGroOption, errno);
  }
}

}  // namespace

void AllowOuterFragments(int fd, int family, bool allow) {
  if (family == 4) {
    Set(fd, IPPROTO_IP, IP_MTU_DISCOVER, allow ? IP_PMTUDISC_WANT : IP_PMTUDISC_DO);
  } else {
    Set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, allow ? IPV6_PMTUDISC_WANT : IPV6_PMTUDISC_DO);
  }
}

SystemError OpenUdpSocket(const UdpSocketOptions& options, Features* features, Descriptor* opened) {
  SocketAddress local = ToSocketAddress(options.local);
  Descriptor fd(socket(local.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return {errno, "socket"};
  if (local.any.sa_family == AF_INET6 && !Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return {errno, "IPV6_V6ONLY"};
  if (options.share_port && !Set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return {errno, "SO_REUSEPORT"};
  SetBuffers(fd.get());
  AllowOuterFragments(fd.get(), options.local.address.family, false);
  ProbeFeatures(fd.get(), features);
  if (bind(fd.get(), &local.any, local.length) != 0) return {errno, "bind"};
  *opened = std::move(fd);
  return {};
}

int PathMtu(const SocketAddress& to) {
  Descriptor fd(socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() || connect(fd.get(), &to.any, to.length) != 0) return 0;
  bool ipv4 = to.any.sa_family == AF_INET;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  int failed = getsockopt(fd.get(), ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU, &mtu, &size);
  return failed == 0 ? mtu : 0;
}

}  // namespace tartan
