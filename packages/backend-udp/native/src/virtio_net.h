// The header that IFF_VNET_HDR puts before every packet of a TUN: VIRTIO 1.2 section 5.1.6, include/uapi/linux/virtio_net.h. The short
// form of ten bytes, in the byte order of the machine (TUNSETVNETLE is off).
#pragma once

#include <cstdint>

namespace tartan {

struct VirtioNetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
static_assert(sizeof(VirtioNetHeader) == 10, "the kernel's layout");

constexpr uint8_t kVirtioNeedsChecksum = 1;
constexpr uint8_t kVirtioDataValid = 2;

constexpr uint8_t kVirtioGsoNone = 0;
constexpr uint8_t kVirtioGsoTcp4 = 1;
constexpr uint8_t kVirtioGsoTcp6 = 4;
constexpr uint8_t kVirtioGsoUdpL4 = 5;
constexpr uint8_t kVirtioGsoEcn = 0x80;

}  // namespace tartan
