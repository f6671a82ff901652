// Whatever bytes arrive, from the network or from a TUN: no access outside of the packet (AddressSanitizer), no undefined behaviour,
// nothing larger than an IP packet comes out, every piece is a packet again, and what was joined falls into as many packets.
//
// Input: records of a kind byte, two bytes of length, and so many bytes. An odd kind is a datagram from the network, an even one a
// virtio-net header and a packet out of a TUN. `make libfuzzer` runs it under libFuzzer, from the seeds in corpus/.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../src/byte_order.h"
#include "../src/coalescer.h"
#include "../src/icmp_error.h"
#include "../src/segmenter.h"

namespace {

void Demand(bool condition) {
  if (!condition) std::abort();
}

struct CheckedSink : tartan::PacketSink {
  void Write(const iovec* pieces, int count, size_t bytes, size_t packets) override {
    std::vector<uint8_t> packet;
    for (int i = 1; i < count; i++) {
      const uint8_t* from = static_cast<const uint8_t*>(pieces[i].iov_base);
      packet.insert(packet.end(), from, from + pieces[i].iov_len);
    }
    tartan::Packet parsed;
    Demand(packet.size() == bytes && bytes <= 0xffff + tartan::kIpv6HeaderBytes && packets >= 1);
    Demand(tartan::ParsePacket(packet.data(), packet.size(), &parsed) == tartan::ParseResult::kOk);
    tartan::VirtioNetHeader virtio;
    std::memcpy(&virtio, pieces[0].iov_base, sizeof virtio);
    if (packets > 1) DemandPieces(parsed, virtio, packets);
    written += packets;
  }

  static void DemandPieces(const tartan::Packet& packet, const tartan::VirtioNetHeader& virtio, size_t pieces) {
    tartan::Segmenter segmenter;
    Demand(segmenter.Start(packet, virtio));
    uint8_t room[tartan::kSegmentHeaderMax];
    for (; pieces > 0; pieces--) {
      Demand(segmenter.More());
      segmenter.Next(room);
    }
    Demand(!segmenter.More());
  }

  size_t written = 0;
};

void FromTun(uint8_t* data, size_t length) {
  tartan::VirtioNetHeader virtio;
  if (length < sizeof virtio) return;
  std::memcpy(&virtio, data, sizeof virtio);
  tartan::Packet packet;
  if (tartan::ParsePacket(data + sizeof virtio, length - sizeof virtio, &packet) != tartan::ParseResult::kOk) return;
  if (tartan::MayReport(packet)) {
    uint8_t error[tartan::kIcmpErrorMax];
    tartan::IpAddress source;
    Demand(tartan::WriteIcmpError(packet, tartan::IcmpError::kTooBig, 1280, source, error) <= sizeof error);
  }
  tartan::DecrementHops(&packet);
  tartan::Segmenter segmenter;
  if (!segmenter.Start(packet, virtio)) return;
  uint8_t room[tartan::kSegmentHeaderMax];
  while (segmenter.More()) {
    tartan::Segment segment = segmenter.Next(room);
    std::vector<uint8_t> piece(segment.header, segment.header + segment.header_bytes);
    piece.insert(piece.end(), segment.payload, segment.payload + segment.payload_bytes);
    tartan::Packet parsed;
    Demand(tartan::ParsePacket(piece.data(), piece.size(), &parsed) == tartan::ParseResult::kOk);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  CheckedSink sink;
  tartan::Coalescer coalescer(&sink, {});
  // Every record in a block of its own, so that reading past its end is seen.
  std::vector<std::vector<uint8_t>> records;
  size_t added = 0;
  while (size >= 3) {
    size_t length = tartan::LoadBe16(data + 1);
    if (length > size - 3) length = size - 3;
    records.emplace_back(data + 3, data + 3 + length);
    tartan::Packet packet;
    std::vector<uint8_t>& record = records.back();
    if ((data[0] & 1) == 0) {
      FromTun(record.data(), record.size());
    } else if (tartan::ParsePacket(record.data(), record.size(), &packet) == tartan::ParseResult::kOk) {
      coalescer.Add(packet);
      added++;
    }
    data += 3 + length;
    size -= 3 + length;
  }
  coalescer.Flush();
  Demand(sink.written == added);
  return 0;
}
