// IP addresses and UDP endpoints of either family.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "byte_order.h"

namespace tartan {

struct IpAddress {
  // 4 or 6; 0: none.
  uint8_t family = 0;
  // Network order; IPv4 in the first four, zeros behind.
  uint8_t bytes[16] = {};

  bool operator==(const IpAddress& other) const {
    return family == other.family && std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  bool operator==(const Endpoint& other) const { return port == other.port && address == other.address; }
};

// An endpoint in the form of the kernel.
struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
  };
  socklen_t length;
};

inline SocketAddress ToSocketAddress(const Endpoint& endpoint) {
  SocketAddress result;
  std::memset(&result, 0, sizeof result);
  if (endpoint.address.family == 4) {
    result.ipv4.sin_family = AF_INET;
    result.ipv4.sin_port = htons(endpoint.port);
    std::memcpy(&result.ipv4.sin_addr, endpoint.address.bytes, 4);
    result.length = sizeof result.ipv4;
  } else {
    result.ipv6.sin6_family = AF_INET6;
    result.ipv6.sin6_port = htons(endpoint.port);
    std::memcpy(&result.ipv6.sin6_addr, endpoint.address.bytes, 16);
    result.length = sizeof result.ipv6;
  }
  return result;
}

inline Endpoint ToEndpoint(const SocketAddress& from) {
  Endpoint result;
  if (from.any.sa_family == AF_INET) {
    result.address.family = 4;
    std::memcpy(result.address.bytes, &from.ipv4.sin_addr, 4);
    result.port = ntohs(from.ipv4.sin_port);
  } else if (from.any.sa_family == AF_INET6) {
    result.address.family = 6;
    std::memcpy(result.address.bytes, &from.ipv6.sin6_addr, 16);
    result.port = ntohs(from.ipv6.sin6_port);
  }
  return result;
}

}  // namespace tartan
