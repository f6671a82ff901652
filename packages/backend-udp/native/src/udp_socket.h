// A bound UDP socket of one family, with what makes large transfers cheap.
#pragma once

#include "address.h"
#include "features.h"
#include "system_error.h"

namespace tartan {

struct UdpSocketOptions {
  // Address to bind to and its port.
  Endpoint local;
  // Several threads with a socket each on the same port.
  bool share_port = false;
};

// Probes the features udpSegment and udpGro and turns off what the kernel refuses.
SystemError OpenUdpSocket(const UdpSocketOptions& options, Features* features, Descriptor* socket);

// Oversized datagrams are refused (EMSGSIZE, the default) or fragmented outside.
void AllowOuterFragments(int fd, int family, bool allow);

// What one datagram on the way to `to` may have at most, IP header included; 0: unknown. Opens a socket of its own: for rare cases.
int PathMtu(const SocketAddress& to);

}  // namespace tartan
