#include "checksum.h"

#include <cstring>

namespace tartan {

uint64_t ChecksumAdd(const uint8_t* data, size_t length, uint64_t sum) {
  // 32-bit words into 64-bit lanes: the compiler turns this loop into vector instructions, and no carry can be lost.
  size_t words = length / 4;
  uint64_t lanes = 0;
  for (size_t i = 0; i < words; i++) {
    uint32_t word;
    std::memcpy(&word, data + i * 4, sizeof word);
    lanes += word;
  }
  uint32_t tail = 0;
  if (length % 4 != 0) std::memcpy(&tail, data + words * 4, length % 4);
  lanes += tail;
  return sum + (lanes & 0xffffffff) + (lanes >> 32);
}

uint16_t ChecksumFold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint64_t PseudoHeaderSum(const uint8_t* addresses, size_t address_bytes, uint8_t protocol, uint32_t length) {
  uint64_t sum = ChecksumAdd(addresses, address_bytes);
  sum += __builtin_bswap16(protocol);
  sum += __builtin_bswap32(length);
  return sum;
}

}  // namespace tartan
