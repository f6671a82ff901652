#include "segmenter.h"

#include <cstring>

#include "byte_order.h"
#include "checksum.h"

namespace tartan {

bool Segmenter::CompleteChecksum(const VirtioNetHeader& virtio) {
  size_t field = size_t{virtio.csum_start} + virtio.csum_offset;
  if (virtio.csum_start < kIpv4HeaderBytes || field + 2 > packet_.length) return false;
  // The field holds the sum of the pseudo-header already (VIRTIO 1.2 section 5.1.6.2).
  uint16_t checksum = ChecksumFinish(ChecksumAdd(packet_.data + virtio.csum_start, packet_.length - virtio.csum_start));
  // Zero would mean "none" to UDP (RFC 768).
  if (checksum == 0 && packet_.protocol == kProtocolUdp) checksum = 0xffff;
  std::memcpy(packet_.data + field, &checksum, sizeof checksum);
  return true;
}

bool Segmenter::Start(const Packet& packet, const VirtioNetHeader& virtio) {
  packet_ = packet;
  split_ = false;
  more_ = false;
  uint8_t type = virtio.gso_type & ~kVirtioGsoEcn;
  if (type == kVirtioGsoNone) {
    if ((virtio.flags & kVirtioNeedsChecksum) != 0 && !CompleteChecksum(virtio)) return false;
    more_ = true;
    return true;
  }
  bool tcp = (type == kVirtioGsoTcp4 && packet.version == 4) || (type == kVirtioGsoTcp6 && packet.version == 6);
  bool udp = type == kVirtioGsoUdpL4;
  if ((!tcp && !udp) || packet.fragment || packet.protocol != (tcp ? kProtocolTcp : kProtocolUdp)) return false;
  if (udp && packet.upper_length() < kUdpHeaderBytes) return false;
  size_t upper = tcp ? TcpHeaderLength(packet) : kUdpHeaderBytes;
  header_bytes_ = packet.upper_offset + upper;
  if (upper == 0 || header_bytes_ > kSegmentHeaderMax || header_bytes_ >= packet.length || virtio.gso_size == 0) return false;
  piece_bytes_ = virtio.gso_size;
  offset_ = header_bytes_;
  index_ = 0;
  split_ = true;
  more_ = true;
  return true;
}

Segment Segmenter::Next(uint8_t* header_room) {
  if (!split_) {
    more_ = false;
    return {packet_.data, packet_.length, nullptr, 0};
  }
  size_t left = packet_.length - offset_;
  size_t payload_bytes = left < piece_bytes_ ? left : piece_bytes_;
  const uint8_t* payload = packet_.data + offset_;
  bool last = payload_bytes == left;
  std::memcpy(header_room, packet_.data, header_bytes_);
  WriteIpHeader(header_room, payload_bytes);
  WriteUpperHeader(header_room, payload, payload_bytes, last);
  offset_ += payload_bytes;
  index_++;
  more_ = !last;
  return {header_room, header_bytes_, payload, payload_bytes};
}

void Segmenter::WriteIpHeader(uint8_t* header, size_t payload_bytes) {
  size_t total = header_bytes_ + payload_bytes;
  if (packet_.version == 6) {
    StoreBe16(header + 4, static_cast<uint16_t>(total - kIpv6HeaderBytes));
    return;
  }
  StoreBe16(header + 2, static_cast<uint16_t>(total));
  StoreBe16(header + 4, static_cast<uint16_t>(LoadBe16(header + 4) + index_));
  std::memset(header + 10, 0, 2);
  uint16_t checksum = ChecksumFinish(ChecksumAdd(header, packet_.upper_offset));
  std::memcpy(header + 10, &checksum, sizeof checksum);
}

void Segmenter::WriteUpperHeader(uint8_t* header, const uint8_t* payload, size_t payload_bytes, bool last) {
  uint8_t* upper = header + packet_.upper_offset;
  size_t upper_header = header_bytes_ - packet_.upper_offset;
  size_t upper_bytes = upper_header + payload_bytes;
  bool tcp = packet_.protocol == kProtocolTcp;
  uint8_t* field = upper + (tcp ? 16 : 6);
  if (tcp) {
    StoreBe32(upper + 4, LoadBe32(upper + 4) + static_cast<uint32_t>(offset_ - header_bytes_));
    if (!last) upper[13] &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
    // One window reduction is told once (RFC 3168 section 6.1.2).
    if (index_ > 0) upper[13] &= static_cast<uint8_t>(~kTcpCwr);
  } else {
    StoreBe16(upper + 4, static_cast<uint16_t>(upper_bytes));
  }
  std::memset(field, 0, 2);
  uint64_t sum = PseudoHeaderSumOf(packet_, static_cast<uint32_t>(upper_bytes));
  sum = ChecksumAdd(upper, upper_header, sum);
  uint16_t checksum = ChecksumFinish(ChecksumAdd(payload, payload_bytes, sum));
  if (checksum == 0 && !tcp) checksum = 0xffff;
  std::memcpy(field, &checksum, sizeof checksum);
}

}  // namespace tartan
