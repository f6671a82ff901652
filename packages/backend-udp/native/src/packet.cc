#include "packet.h"

#include <cstring>

#include "byte_order.h"
#include "checksum.h"

namespace tartan {
namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;

ParseResult ParseIpv4(Packet* packet) {
  const uint8_t* header = packet->data;
  if (packet->length < kIpv4HeaderBytes) return ParseResult::kTruncated;
  uint32_t header_bytes = (header[0] & 0x0f) * 4u;
  uint32_t total = LoadBe16(header + 2);
  if (header_bytes < kIpv4HeaderBytes || total < header_bytes) return ParseResult::kMalformed;
  if (total > packet->length) return ParseResult::kTruncated;
  if (total < packet->length) return ParseResult::kMalformed;
  uint16_t fragment = LoadBe16(header + 6);
  packet->fragment = (fragment & 0x3fff) != 0;
  packet->later_fragment = (fragment & 0x1fff) != 0;
  packet->plain = header_bytes == kIpv4HeaderBytes;
  packet->protocol = header[9];
  packet->upper_offset = header_bytes;
  return ParseResult::kOk;
}

// Walks the extension headers (RFC 8200 section 4, RFC 4302 section 2.2). A chain that leaves the packet is no reason to drop it:
// that is for the receiver to say. It only has no upper layer for us.
void WalkExtensions(Packet* packet) {
  uint32_t at = kIpv6HeaderBytes;
  uint8_t next = packet->data[6];
  for (;;) {
    uint32_t bytes;
    if (next == kHopByHop || next == kRouting || next == kDestinationOptions || next == kAuthentication) {
      if (packet->length - at < 2) break;
      bytes = next == kAuthentication ? (packet->data[at + 1] + 2u) * 4 : (packet->data[at + 1] + 1u) * 8;
    } else if (next == kFragment) {
      if (packet->length - at < 8) break;
      bytes = 8;
      packet->fragment = true;
      packet->later_fragment = (LoadBe16(packet->data + at + 2) & 0xfff8) != 0;
    } else {
      packet->protocol = next;
      packet->upper_offset = at;
      return;
    }
    if (packet->length - at < bytes) break;
    next = packet->data[at];
    at += bytes;
    packet->plain = false;
    if (packet->later_fragment) {
      packet->protocol = next;
      packet->upper_offset = at;
      return;
    }
  }
  packet->plain = false;
  packet->protocol = kProtocolNone;
  packet->upper_offset = packet->length;
}

ParseResult ParseIpv6(Packet* packet) {
  if (packet->length < kIpv6HeaderBytes) return ParseResult::kTruncated;
  uint32_t total = kIpv6HeaderBytes + LoadBe16(packet->data + 4);
  if (total > packet->length) return ParseResult::kTruncated;
  if (total < packet->length) return ParseResult::kMalformed;
  packet->fragment = false;
  packet->later_fragment = false;
  packet->plain = true;
  WalkExtensions(packet);
  return ParseResult::kOk;
}

}  // namespace

ParseResult ParsePacket(uint8_t* data, size_t length, Packet* packet) {
  if (length == 0 || length > 0xffff + kIpv6HeaderBytes) return ParseResult::kMalformed;
  packet->data = data;
  packet->length = static_cast<uint32_t>(length);
  packet->version = data[0] >> 4;
  if (packet->version == 4) return ParseIpv4(packet);
  if (packet->version == 6) return ParseIpv6(packet);
  return ParseResult::kMalformed;
}

void DecrementHops(Packet* packet) {
  --*packet->hops();
  if (packet->version == 6) return;
  // TTL is the high byte of its word, so that taking one from it adds 0x0100 to the checksum, with end-around carry.
  uint16_t checksum = LoadBe16(packet->data + 10);
  uint32_t patched = checksum + 0x0100u;
  StoreBe16(packet->data + 10, static_cast<uint16_t>(patched + (patched >= 0xffff)));
}

bool Ipv4HeaderChecksumHolds(const Packet& packet) {
  return ChecksumFold(ChecksumAdd(packet.data, packet.upper_offset)) == 0xffff;
}

uint64_t PseudoHeaderSumOf(const Packet& packet, uint32_t upper_length) {
  return PseudoHeaderSum(packet.source(), packet.address_bytes() * 2, packet.protocol, upper_length);
}

bool UpperChecksumHolds(const Packet& packet) {
  if (packet.protocol == kProtocolUdp && LoadBe16(packet.upper() + 6) == 0) return false;
  uint64_t sum = PseudoHeaderSumOf(packet, packet.upper_length());
  return ChecksumFold(ChecksumAdd(packet.upper(), packet.upper_length(), sum)) == 0xffff;
}

size_t TcpHeaderLength(const Packet& packet) {
  if (packet.upper_length() < kTcpHeaderBytes) return 0;
  size_t bytes = (packet.upper()[12] >> 4) * 4u;
  return bytes < kTcpHeaderBytes || bytes > packet.upper_length() ? 0 : bytes;
}

}  // namespace tartan
