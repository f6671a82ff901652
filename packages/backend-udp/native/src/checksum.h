// The Internet checksum (RFC 1071): a one's complement sum of 16-bit words. The sum does not depend on the byte order of the
// machine as long as words are loaded and the result is stored in the same order, so nothing is swapped here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tartan {

// Sum of `length` bytes (at most 16 MiB), not folded; a last odd byte counts as the first of its word. Sums of pieces may be added
// when every piece but the last has an even length.
uint64_t ChecksumAdd(const uint8_t* data, size_t length, uint64_t sum = 0);

// 16 bits in memory order, not complemented: the form of a partial checksum in a virtio-net packet.
uint16_t ChecksumFold(uint64_t sum);

// What goes into the packet.
inline uint16_t ChecksumFinish(uint64_t sum) { return static_cast<uint16_t>(~ChecksumFold(sum)); }

// Pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1). `addresses` are source and destination as they
// lie in the IP header: 8 bytes for IPv4, 32 for IPv6.
uint64_t PseudoHeaderSum(const uint8_t* addresses, size_t address_bytes, uint8_t protocol, uint32_t length);

}  // namespace tartan
