// Unaligned loads and stores of numbers in network order.
#pragma once

#include <cstdint>
#include <cstring>

namespace tartan {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "TUN headers are read in the byte order of the machine: port with care");

inline uint16_t LoadBe16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap16(value);
}

inline uint32_t LoadBe32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

inline uint64_t LoadBe64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap64(value);
}

inline void StoreBe16(uint8_t* at, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(at, &value, sizeof value);
}

inline void StoreBe32(uint8_t* at, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace tartan
