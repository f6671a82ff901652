#include "../src/coalescer.h"

#include <map>
#include <string>

#include "../src/segmenter.h"
#include "check.h"
#include "packets.h"

using namespace tartan;
using namespace tartan_test;

namespace {

struct Written {
  VirtioNetHeader virtio;
  Bytes packet;
  size_t joined;
};

struct Collector : PacketSink {
  void Write(const iovec* pieces, int count, size_t bytes, size_t packets) override {
    Written written;
    CHECK(pieces[0].iov_len == sizeof written.virtio);
    std::memcpy(&written.virtio, pieces[0].iov_base, sizeof written.virtio);
    for (int i = 1; i < count; i++) {
      const uint8_t* from = static_cast<const uint8_t*>(pieces[i].iov_base);
      written.packet.insert(written.packet.end(), from, from + pieces[i].iov_len);
    }
    CHECK(written.packet.size() == bytes);
    written.joined = packets;
    all.push_back(written);
  }
  std::vector<Written> all;
};

std::vector<Written> Coalesce(std::vector<Bytes> packets, Coalescer::Options options = {}) {
  Collector collector;
  Coalescer coalescer(&collector, options);
  for (Bytes& bytes : packets) {
    Packet packet;
    CHECK(ParsePacket(bytes.data(), bytes.size(), &packet) == ParseResult::kOk);
    coalescer.Add(packet);
  }
  coalescer.Flush();
  return collector.all;
}

// Cuts super-packets up again: what the kernel does where it cannot carry them further.
std::vector<Bytes> Uncoalesce(std::vector<Written> all) {
  std::vector<Bytes> result;
  for (Written& written : all) {
    Packet packet;
    CHECK(ParsePacket(written.packet.data(), written.packet.size(), &packet) == ParseResult::kOk);
    if (written.joined == 1) {
      result.push_back(written.packet);
      continue;
    }
    Segmenter segmenter;
    CHECK(segmenter.Start(packet, written.virtio));
    CHECK(written.virtio.hdr_len == written.packet.size() - written.virtio.gso_size * (written.joined - 1) -
                                        ((written.packet.size() - written.virtio.hdr_len - 1) % written.virtio.gso_size + 1));
    uint8_t room[kSegmentHeaderMax];
    size_t pieces = 0;
    for (; segmenter.More(); pieces++) {
      Segment segment = segmenter.Next(room);
      Bytes piece(segment.header, segment.header + segment.header_bytes);
      piece.insert(piece.end(), segment.payload, segment.payload + segment.payload_bytes);
      result.push_back(piece);
    }
    CHECK(pieces == written.joined);
  }
  return result;
}

std::vector<Bytes> Stream(Shape shape, size_t count) {
  std::vector<Bytes> packets;
  for (size_t i = 0; i < count; i++) {
    packets.push_back(MakePacket(shape));
    shape.sequence += static_cast<uint32_t>(shape.payload);
    shape.identification++;
    shape.fill++;
  }
  return packets;
}

std::string FlowOf(const Bytes& packet) {
  size_t ip = packet[0] >> 4 == 4 ? (packet[0] & 15) * 4u : 40;
  std::string flow(packet.begin(), packet.begin() + 1);
  flow.append(packet.begin() + (ip == 40 ? 8 : 12), packet.begin() + (ip == 40 ? 40 : 20));
  flow.append(packet.begin() + static_cast<long>(ip), packet.begin() + static_cast<long>(ip) + 4);
  return flow;
}

// Atomic IPv4 packets have no identification (RFC 6864 section 4.1).
void DropIdentification(Bytes* packet) {
  if ((*packet)[0] >> 4 != 4 || ((*packet)[6] & 0x40) == 0) return;
  Put16(packet, 4, 0);
  Put16(packet, 10, 0);
}

// PSH may move to the end of its run. The checksum is patched, so that a wrong one stays wrong.
void DropPush(Bytes* packet) {
  size_t ip = (*packet)[0] >> 4 == 4 ? ((*packet)[0] & 15) * 4u : 40;
  int protocol = (*packet)[ip == 40 ? 6 : 9];
  if (protocol != 6 || ((*packet)[ip + 13] & 0x08) == 0) return;
  (*packet)[ip + 13] &= static_cast<uint8_t>(~0x08);
  uint32_t checksum = NaiveFold(Get16(*packet, ip + 16) + 8);
  Put16(packet, ip + 16, checksum == 0xffff ? 0 : checksum);
}

std::map<std::string, std::vector<Bytes>> ByFlow(const std::vector<Bytes>& packets) {
  std::map<std::string, std::vector<Bytes>> flows;
  for (Bytes packet : packets) {
    std::string flow = FlowOf(packet);
    DropIdentification(&packet);
    DropPush(&packet);
    flows[flow].push_back(packet);
  }
  return flows;
}

size_t JoinedInto(const std::vector<Bytes>& packets) { return Coalesce(packets).size(); }

}  // namespace

TEST(a_tcp_stream_becomes_one_super_packet) {
  for (int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    shape.payload = 1420;
    auto packets = Stream(shape, 40);
    auto all = Coalesce(packets);
    CHECK(all.size() == 1 && all[0].joined == 40);
    CHECK(all[0].virtio.flags == kVirtioNeedsChecksum && all[0].virtio.gso_size == 1420);
    CHECK(all[0].virtio.gso_type == (version == 4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6));
    CHECK(Uncoalesce(all) == packets);
  }
}

TEST(a_super_packet_is_never_larger_than_an_ip_packet) {
  Shape shape;
  shape.payload = 1420;
  auto all = Coalesce(Stream(shape, 100));
  CHECK(all.size() == 3);
  for (const Written& written : all) CHECK(written.packet.size() <= 65535);
}

TEST(udp_joins_up_to_64_packets_of_one_size) {
  Shape shape;
  shape.protocol = 17;
  auto packets = Stream(shape, 130);
  auto all = Coalesce(packets);
  CHECK(all.size() == 3 && all[0].joined == 64 && all[0].virtio.gso_type == kVirtioGsoUdpL4);
  CHECK(Uncoalesce(all) == packets);
  CHECK(Coalesce(packets, {true, false}).size() == 130);
  CHECK(Coalesce(Stream({}, 9), {false, true}).size() == 9);
}

TEST(a_smaller_packet_ends_a_run) {
  Shape shape;
  auto packets = Stream(shape, 3);
  shape.sequence += 300;
  shape.payload = 50;
  packets.push_back(MakePacket(shape));
  shape.sequence += 50;
  packets.push_back(MakePacket(shape));
  auto all = Coalesce(packets);
  CHECK(all.size() == 2 && all[0].joined == 4 && all[1].joined == 1);
}

TEST(push_of_any_packet_becomes_push_of_the_whole) {
  for (size_t pushed = 0; pushed < 4; pushed++) {
    auto packets = Stream({}, 3);
    if (pushed < 3) {
      Shape shape;
      shape.sequence += static_cast<uint32_t>(pushed) * 100;
      shape.identification = static_cast<uint16_t>(shape.identification + pushed);
      shape.fill = static_cast<uint8_t>(shape.fill + pushed);
      shape.flags = 0x18;
      packets[pushed] = MakePacket(shape);
    }
    auto all = Coalesce(packets);
    CHECK(all.size() == 1 && all[0].joined == 3);
    auto pieces = Uncoalesce(all);
    CHECK((pieces[0][33] & 0x08) == 0 && (pieces[1][33] & 0x08) == 0);
    CHECK(((pieces[2][33] & 0x08) != 0) == (pushed < 3));
    CHECK(ByFlow(pieces) == ByFlow(packets));
  }
}

TEST(what_differs_never_joins) {
  void (*const changes[])(Shape*) = {
      [](Shape* s) { s->sequence++; },         [](Shape* s) { s->acknowledgement++; }, [](Shape* s) { s->window++; },
      [](Shape* s) { s->flags = 0x11; },       [](Shape* s) { s->flags = 0x12; },      [](Shape* s) { s->flags = 0x14; },
      [](Shape* s) { s->flags = 0x30; },       [](Shape* s) { s->flags = 0x90; },      [](Shape* s) { s->flags = 0x50; },
      [](Shape* s) { s->hops--; },             [](Shape* s) { s->traffic_class = 8; }, [](Shape* s) { s->tcp_options = 16; },
      [](Shape* s) { s->payload = 101; },      [](Shape* s) { s->source_port++; },     [](Shape* s) { s->destination_port++; },
      [](Shape* s) { s->source_host++; },      [](Shape* s) { s->payload = 0; },       [](Shape* s) { s->destination_host++; },
  };
  for (int version : {4, 6}) {
    for (auto change : changes) {
      Shape shape;
      shape.version = version;
      auto packets = Stream(shape, 1);
      shape.sequence += 100;
      change(&shape);
      packets.push_back(MakePacket(shape));
      CHECK(JoinedInto(packets) == 2);
    }
  }
  Shape shape;
  auto urgent = Stream(shape, 2);
  Put16(&urgent[1], 38, 7);
  Put16(&urgent[1], 36, 0);
  Put16(&urgent[1], 36, ~UpperSum(urgent[1], 4, 20, 6));
  CHECK(JoinedInto(urgent) == 2);
  shape.dont_fragment = false;
  CHECK(JoinedInto(Stream(shape, 2)) == 1);
  auto packets = Stream(shape, 1);
  shape.sequence += 100;
  shape.identification += 2;
  packets.push_back(MakePacket(shape));
  CHECK(JoinedInto(packets) == 2);
}

TEST(options_fragments_and_missing_checksums_never_join) {
  Shape options;
  options.ip_options = 4;
  CHECK(JoinedInto(Stream(options, 2)) == 2);
  auto fragments = Stream({}, 2);
  for (Bytes& packet : fragments) packet[6] = 0x20, Put16(&packet, 10, 0), Put16(&packet, 10, ~NaiveSum(packet, 0, 20));
  CHECK(JoinedInto(fragments) == 2);
  Shape udp;
  udp.protocol = 17;
  auto unchecked = Stream(udp, 2);
  for (Bytes& packet : unchecked) Put16(&packet, 26, 0);
  auto all = Coalesce(unchecked);
  CHECK(all.size() == 2 && all[0].virtio.flags == 0);
}

TEST(corruption_is_handed_on_and_never_laundered) {
  for (size_t at = 0; at < 152; at++) {
    auto packets = Stream({}, 3);
    packets[1][at] ^= 0x10;
    Packet packet;
    if (ParsePacket(packets[1].data(), packets[1].size(), &packet) != ParseResult::kOk) continue;
    auto all = Coalesce(packets);
    bool found = false;
    for (const Written& written : all) found |= written.joined == 1 && written.packet == packets[1] && written.virtio.flags == 0;
    CHECK(found);
  }
}

// Random mixtures of flows, gaps, corruption and odd packets: cut up again, every flow is what it was, in its order.
TEST(flows_survive_coalescing_byte_by_byte) {
  Random random;
  for (int round = 0; round < 150; round++) {
    std::vector<Shape> flows(1 + random.Below(24));
    for (Shape& flow : flows) {
      flow.version = random.OneIn(2) ? 4 : 6;
      flow.protocol = random.OneIn(3) ? 17 : 6;
      flow.source_host = static_cast<uint8_t>(random.Below(3));
      flow.source_port = static_cast<uint16_t>(random.Next());
      flow.payload = 1 + random.Below(1400);
      flow.dont_fragment = random.OneIn(2);
      flow.tcp_options = random.Below(4) * 4;
    }
    std::vector<Bytes> packets;
    for (size_t count = random.Below(400); count > 0; count--) {
      Shape& flow = flows[random.Below(static_cast<uint32_t>(flows.size()))];
      for (uint32_t burst = 1 + random.Below(20); burst > 0 && count > 0; burst--) {
        Shape shape = flow;
        if (random.OneIn(12)) shape.flags |= 0x08;
        if (random.OneIn(40)) shape.flags |= 0x01;
        if (random.OneIn(30)) shape.payload = random.Below(static_cast<uint32_t>(flow.payload) + 10);
        if (random.OneIn(40)) shape.hops--;
        if (random.OneIn(40) && shape.version == 4) shape.ip_options = 4;
        packets.push_back(MakePacket(shape));
        if (random.OneIn(40)) packets.back().back() ^= 0x80;
        flow.sequence += static_cast<uint32_t>(shape.payload) + (random.OneIn(50) ? 1 : 0);
        flow.identification++;
        flow.fill++;
        if (random.OneIn(30)) flow.acknowledgement++;
      }
    }
    auto all = Coalesce(packets);
    CHECK(ByFlow(Uncoalesce(all)) == ByFlow(packets));
  }
}

TEST(a_pure_acknowledgement_does_not_overtake_its_flow) {
  auto packets = Stream({}, 4);
  Shape ack;
  ack.sequence += 400;
  ack.payload = 0;
  packets.push_back(MakePacket(ack));
  auto all = Coalesce(packets);
  CHECK(all.size() == 2 && all[0].joined == 4 && all[1].joined == 1 && all[1].packet == packets[4]);
}
