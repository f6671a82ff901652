#include "icmp_error.h"

#include <algorithm>
#include <cstring>

#include "byte_order.h"
#include "checksum.h"

namespace tartan {
namespace {

constexpr size_t kIcmpHeaderBytes = 8;
constexpr size_t kIpv4ErrorMax = 576;
constexpr uint8_t kHops = 64;

bool IsSingleHost4(const uint8_t* address) { return address[0] != 0 && address[0] != 127 && address[0] < 224; }

bool IsSingleHost6(const uint8_t* address) {
  static constexpr uint8_t kUnspecified[16] = {};
  return address[0] != 0xff && std::memcmp(address, kUnspecified, sizeof kUnspecified) != 0;
}

// Echo, timestamp and the like may be reported, errors and what is not known may not.
bool IsIcmpError(const Packet& packet) {
  if (packet.protocol == kProtocolIcmp && packet.version == 4) {
    if (packet.upper_length() < 1) return true;
    uint8_t type = *packet.upper();
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
  }
  if (packet.protocol == kProtocolIcmp6 && packet.version == 6) {
    // Below 128 are errors; 137 is a redirect.
    return packet.upper_length() < 1 || *packet.upper() < 128 || *packet.upper() == 137;
  }
  return false;
}

void WriteIpv4Header(const Packet& about, const IpAddress& source, size_t total, uint8_t* header) {
  std::memset(header, 0, kIpv4HeaderBytes);
  header[0] = 0x45;
  // Internetwork control (RFC 1812 section 4.3.2.5).
  header[1] = 0xc0;
  StoreBe16(header + 2, static_cast<uint16_t>(total));
  header[8] = kHops;
  header[9] = kProtocolIcmp;
  std::memcpy(header + 12, source.bytes, 4);
  std::memcpy(header + 16, about.source(), 4);
  uint16_t checksum = ChecksumFinish(ChecksumAdd(header, kIpv4HeaderBytes));
  std::memcpy(header + 10, &checksum, sizeof checksum);
}

void WriteIpv6Header(const Packet& about, const IpAddress& source, size_t total, uint8_t* header) {
  std::memset(header, 0, 8);
  header[0] = 0x60;
  StoreBe16(header + 4, static_cast<uint16_t>(total - kIpv6HeaderBytes));
  header[6] = kProtocolIcmp6;
  header[7] = kHops;
  std::memcpy(header + 8, source.bytes, 16);
  std::memcpy(header + 24, about.source(), 16);
}

}  // namespace

bool MayReport(const Packet& packet) {
  if (packet.later_fragment || IsIcmpError(packet)) return false;
  auto single = packet.version == 4 ? IsSingleHost4 : IsSingleHost6;
  return single(packet.source()) && single(packet.destination());
}

size_t WriteIcmpError(const Packet& packet, IcmpError error, uint16_t mtu_bytes, const IpAddress& source, uint8_t* into) {
  bool ipv4 = packet.version == 4;
  size_t ip_bytes = ipv4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  size_t room = (ipv4 ? kIpv4ErrorMax : kIcmpErrorMax) - ip_bytes - kIcmpHeaderBytes;
  size_t quoted = std::min<size_t>(packet.length, room);
  size_t total = ip_bytes + kIcmpHeaderBytes + quoted;
  uint8_t* icmp = into + ip_bytes;
  std::memset(icmp, 0, kIcmpHeaderBytes);
  if (error == IcmpError::kTimeExceeded) {
    icmp[0] = ipv4 ? 11 : 3;
  } else if (ipv4) {
    icmp[0] = 3;
    icmp[1] = 4;
    StoreBe16(icmp + 6, mtu_bytes);
  } else {
    icmp[0] = 2;
    StoreBe32(icmp + 4, mtu_bytes);
  }
  std::memcpy(icmp + kIcmpHeaderBytes, packet.data, quoted);
  uint32_t icmp_bytes = static_cast<uint32_t>(total - ip_bytes);
  uint64_t sum = 0;
  if (ipv4) {
    WriteIpv4Header(packet, source, total, into);
  } else {
    WriteIpv6Header(packet, source, total, into);
    sum = PseudoHeaderSum(into + 8, 32, kProtocolIcmp6, icmp_bytes);
  }
  uint16_t checksum = ChecksumFinish(ChecksumAdd(icmp, icmp_bytes, sum));
  std::memcpy(icmp + 2, &checksum, sizeof checksum);
  return total;
}

}  // namespace tartan
