#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "virtio_net.h"

// Linux 6.2; absent from the headers of Debian 12.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace tartan {
namespace {

ifreq Request(const std::string& name) {
  ifreq request;
  std::memset(&request, 0, sizeof request);
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  return request;
}

// For ioctls that are about a device: a socket of any kind.
Descriptor AnySocket() {
  Descriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return any.valid() ? std::move(any) : Descriptor(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

SystemError SetMtu(const std::string& name, int mtu_bytes) {
  Descriptor any = AnySocket();
  if (!any.valid()) return {errno, "socket"};
  ifreq request = Request(name);
  request.ifr_mtu = mtu_bytes;
  return ioctl(any.get(), SIOCSIFMTU, &request) == 0 ? SystemError{} : SystemError{errno, "SIOCSIFMTU"};
}

// The call takes all or nothing; what is not named is switched off.
void SetOffloads(int fd, Features* features) {
  bool tso = features->On(Feature::kTunTso), uso = features->On(Feature::kTunUso);
  unsigned tso_bits = tso ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
  unsigned uso_bits = uso ? TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6 : 0;
  if (ioctl(fd, TUNSETOFFLOAD, tso_bits | uso_bits) == 0) return;
  if (uso) features->TurnOff(Feature::kTunUso, Reason::kTunSetOffload, errno);
  if (uso && ioctl(fd, TUNSETOFFLOAD, tso_bits) == 0) return;
  if (tso) features->TurnOff(Feature::kTunTso, Reason::kTunSetOffload, errno);
  ioctl(fd, TUNSETOFFLOAD, 0);
}

}  // namespace

SystemError OpenTunQueue(const std::string& name, int mtu_bytes, Features* features, Descriptor* queue) {
  bool made = if_nametoindex(name.c_str()) == 0;
  Descriptor fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return {errno, "open /dev/net/tun"};
  ifreq request = Request(name);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return {errno, "TUNSETIFF"};
  int header_bytes = sizeof(VirtioNetHeader);
  if (ioctl(fd.get(), TUNSETVNETHDRSZ, &header_bytes) != 0) return {errno, "TUNSETVNETHDRSZ"};
  SetOffloads(fd.get(), features);
  if (made) {
    if (SystemError failed = SetMtu(name, mtu_bytes)) return failed;
  }
  // Last, so that a device that could not be set up does not stay.
  if (ioctl(fd.get(), TUNSETPERSIST, 1) != 0) return {errno, "TUNSETPERSIST"};
  *queue = std::move(fd);
  return {};
}

SystemError CheckLeftDevice(const std::string& name, int ifindex) {
  if (static_cast<int>(if_nametoindex(name.c_str())) != ifindex) return {ENODEV, "if_nametoindex"};
  Descriptor any = AnySocket();
  if (!any.valid()) return {errno, "socket"};
  ifreq request = Request(name);
  if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return {errno, "SIOCGIFFLAGS"};
  if ((request.ifr_flags & IFF_UP) == 0) return {ENETDOWN, "SIOCGIFFLAGS"};
  // A TUN has a carrier while at least one queue is attached (__tun_detach and tun_attach in drivers/net/tun.c, v6.1).
  ethtool_value link{ETHTOOL_GLINK, 0};
  request = Request(name);
  request.ifr_data = reinterpret_cast<char*>(&link);
  if (ioctl(any.get(), SIOCETHTOOL, &request) != 0) return {errno, "ETHTOOL_GLINK"};
  return link.data == 0 ? SystemError{} : SystemError{EBUSY, "ETHTOOL_GLINK"};
}

}  // namespace tartan
