// Where the parts of an IP packet lie. Everything that later code reads through a Packet was checked here to be inside of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tartan {

constexpr uint8_t kProtocolIcmp = 1;
constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kProtocolIcmp6 = 58;
// "No next header" (RFC 8200 section 4.7): also what a packet gets whose extension headers run out of it.
constexpr uint8_t kProtocolNone = 59;

constexpr size_t kIpv4HeaderBytes = 20;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kTcpHeaderBytes = 20;

constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpAck = 0x10;
constexpr uint8_t kTcpEce = 0x40;
constexpr uint8_t kTcpCwr = 0x80;

enum class ParseResult {
  kOk,
  // Not IP, or a header that contradicts itself or the number of bytes.
  kMalformed,
  // The packet says that it is longer than what came.
  kTruncated,
};

struct Packet {
  uint8_t* data;
  uint32_t length;
  // 4 or 6.
  uint8_t version;
  // Of the upper layer, behind IPv6 extension headers.
  uint8_t protocol;
  // First byte of the upper layer; `length` when there is none.
  uint32_t upper_offset;
  // Any fragment, the first one too.
  bool fragment;
  // A fragment that does not hold the upper layer's header.
  bool later_fragment;
  // Neither IPv4 options nor IPv6 extension headers.
  bool plain;

  const uint8_t* source() const { return data + (version == 4 ? 12 : 8); }
  const uint8_t* destination() const { return data + (version == 4 ? 16 : 24); }
  size_t address_bytes() const { return version == 4 ? 4 : 16; }
  uint8_t* upper() const { return data + upper_offset; }
  uint32_t upper_length() const { return length - upper_offset; }
  bool to_multicast() const { return version == 4 ? (data[16] & 0xf0) == 0xe0 : data[24] == 0xff; }
  // TTL or hop limit.
  uint8_t* hops() const { return data + (version == 4 ? 8 : 7); }
  bool dont_fragment() const { return version == 6 || (data[6] & 0x40) != 0; }
};

// `length` must be the whole of the packet: fewer bytes than the header says are kTruncated, more are kMalformed. Checksums are not
// looked at.
ParseResult ParsePacket(uint8_t* data, size_t length, Packet* packet);

// One router hop. IPv4's header checksum is patched (RFC 1624). The caller has checked that more than one is left.
void DecrementHops(Packet* packet);

// Both need the fixed header of the protocol to be inside of the packet, and return false when the checksum is wrong. A UDP checksum
// of zero, which means none, is false too.
bool Ipv4HeaderChecksumHolds(const Packet& packet);
bool UpperChecksumHolds(const Packet& packet);

// Sum over addresses, protocol and `upper_length`.
uint64_t PseudoHeaderSumOf(const Packet& packet, uint32_t upper_length);

// Length of the TCP header, or 0 when it does not fit into the packet.
size_t TcpHeaderLength(const Packet& packet);

}  // namespace tartan
