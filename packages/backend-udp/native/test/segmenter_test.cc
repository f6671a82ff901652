#include "../src/segmenter.h"

#include "check.h"
#include "packets.h"

using namespace tartan;
using namespace tartan_test;

namespace {

VirtioNetHeader Gso(const Shape& shape, uint16_t size) {
  VirtioNetHeader virtio{};
  virtio.flags = kVirtioNeedsChecksum;
  virtio.gso_type = shape.protocol == 17 ? kVirtioGsoUdpL4 : shape.version == 4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6;
  virtio.gso_size = size;
  // A lie, as kernels have told.
  virtio.hdr_len = 9999;
  virtio.csum_start = static_cast<uint16_t>(IpBytes(shape));
  virtio.csum_offset = shape.protocol == 17 ? 6 : 16;
  return virtio;
}

std::vector<Bytes> Split(Bytes bytes, const VirtioNetHeader& virtio) {
  Packet packet;
  CHECK(ParsePacket(bytes.data(), bytes.size(), &packet) == ParseResult::kOk);
  Segmenter segmenter;
  std::vector<Bytes> result;
  if (!segmenter.Start(packet, virtio)) return result;
  std::vector<uint8_t> room(kSegmentHeaderMax);
  while (segmenter.More()) {
    Segment segment = segmenter.Next(room.data());
    Bytes piece(segment.header, segment.header + segment.header_bytes);
    piece.insert(piece.end(), segment.payload, segment.payload + segment.payload_bytes);
    result.push_back(piece);
  }
  return result;
}

// What the segments must be: built one by one from their own shapes.
std::vector<Bytes> Expected(const Shape& whole, const Bytes& bytes, size_t size) {
  std::vector<Bytes> result;
  size_t header = bytes.size() - whole.payload;
  size_t ip = IpBytes(whole);
  for (size_t at = 0; at < whole.payload; at += size) {
    size_t payload = std::min(size, whole.payload - at);
    Bytes piece(bytes.begin(), bytes.begin() + static_cast<long>(header));
    piece.insert(piece.end(), bytes.begin() + static_cast<long>(header + at), bytes.begin() + static_cast<long>(header + at + payload));
    if (whole.version == 4) {
      Put16(&piece, 2, static_cast<uint32_t>(piece.size()));
      Put16(&piece, 4, whole.identification + static_cast<uint32_t>(at / size));
      Put16(&piece, 10, 0);
      Put16(&piece, 10, ~NaiveSum(piece, 0, ip));
    } else {
      Put16(&piece, 4, static_cast<uint32_t>(piece.size() - 40));
    }
    bool last = at + payload == whole.payload;
    if (whole.protocol == 6) {
      uint32_t sequence = whole.sequence + static_cast<uint32_t>(at);
      Put16(&piece, ip + 4, sequence >> 16);
      Put16(&piece, ip + 6, sequence);
      uint8_t flags = whole.flags;
      if (!last) flags &= static_cast<uint8_t>(~0x09);
      if (at > 0) flags &= 0x7f;
      piece[ip + 13] = flags;
    } else {
      Put16(&piece, ip + 4, static_cast<uint32_t>(8 + payload));
    }
    size_t field = ip + (whole.protocol == 6 ? 16 : 6);
    Put16(&piece, field, 0);
    uint32_t checksum = ~UpperSum(piece, whole.version, ip, whole.protocol) & 0xffff;
    Put16(&piece, field, checksum == 0 && whole.protocol == 17 ? 0xffff : checksum);
    result.push_back(piece);
  }
  return result;
}

}  // namespace

TEST(segments_are_what_a_naive_split_makes) {
  Random random;
  for (int round = 0; round < 600; round++) {
    Shape shape;
    shape.version = random.OneIn(2) ? 4 : 6;
    shape.protocol = random.OneIn(3) ? 17 : 6;
    shape.tcp_options = random.Below(11) * 4;
    if (shape.version == 4) shape.ip_options = random.OneIn(4) ? random.Below(11) * 4 : 0;
    shape.flags = static_cast<uint8_t>(0x10 | (random.Below(2) * 0x01) | (random.Below(2) * 0x08) | (random.Below(2) * 0x80));
    shape.identification = static_cast<uint16_t>(random.Next());
    shape.sequence = static_cast<uint32_t>(random.Next());
    shape.payload = 1 + random.Below(random.OneIn(3) ? 65000 - 200 : 6000);
    shape.fill = static_cast<uint8_t>(random.Next());
    uint16_t size = static_cast<uint16_t>(1 + random.Below(random.OneIn(5) ? 40 : 9000));
    Bytes bytes = MakePacket(shape);
    CHECK(Split(bytes, Gso(shape, size)) == Expected(shape, bytes, size));
  }
}

TEST(segments_have_valid_checksums) {
  Shape shape;
  shape.payload = 64000;
  for (int version : {4, 6}) {
    shape.version = version;
    auto pieces = Split(MakePacket(shape), Gso(shape, 1420));
    CHECK(pieces.size() == 46);
    for (const Bytes& piece : pieces) CHECK(ChecksumsHold(piece, 6));
  }
}

TEST(a_partial_checksum_is_completed) {
  for (int protocol : {6, 17}) {
    Shape shape;
    shape.protocol = protocol;
    Bytes whole = MakePacket(shape), partial = whole;
    size_t field = protocol == 6 ? 36 : 26;
    // The sum over the pseudo-header alone, not complemented.
    Put16(&partial, field, 0);
    uint32_t pseudo = NaiveFold(NaiveSum(partial, 12, 20) + static_cast<uint32_t>(protocol) + static_cast<uint32_t>(partial.size() - 20));
    Put16(&partial, field, pseudo);
    VirtioNetHeader virtio{};
    virtio.flags = kVirtioNeedsChecksum;
    virtio.csum_start = 20;
    virtio.csum_offset = static_cast<uint16_t>(field - 20);
    CHECK(Split(partial, virtio) == std::vector<Bytes>{whole});
  }
}

TEST(what_needs_nothing_passes_untouched) {
  Bytes bytes = MakePacket({});
  bytes[36] ^= 0x55;
  CHECK(Split(bytes, {}) == std::vector<Bytes>{bytes});
}

TEST(virtio_headers_that_do_not_fit_are_refused) {
  Shape shape;
  Bytes tcp = MakePacket(shape);
  VirtioNetHeader virtio = Gso(shape, 50);
  virtio.gso_size = 0;
  CHECK(Split(tcp, virtio).empty());
  virtio = Gso(shape, 50);
  virtio.gso_type = kVirtioGsoUdpL4;
  CHECK(Split(tcp, virtio).empty());
  virtio.gso_type = kVirtioGsoTcp6;
  CHECK(Split(tcp, virtio).empty());
  virtio.gso_type = 77;
  CHECK(Split(tcp, virtio).empty());
  virtio = Gso(shape, 50);
  shape.payload = 0;
  CHECK(Split(MakePacket(shape), virtio).empty());
  VirtioNetHeader outside{};
  outside.flags = kVirtioNeedsChecksum;
  outside.csum_start = static_cast<uint16_t>(tcp.size() - 1);
  CHECK(Split(tcp, outside).empty());
  outside.csum_start = 2;
  outside.csum_offset = 0;
  CHECK(Split(tcp, outside).empty());
}
