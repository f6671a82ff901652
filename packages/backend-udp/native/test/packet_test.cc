#include "../src/packet.h"

#include "../src/checksum.h"
#include "check.h"
#include "packets.h"

using namespace tartan;
using namespace tartan_test;

TEST(checksum_agrees_with_the_naive_one) {
  Random random;
  for (int round = 0; round < 2000; round++) {
    Bytes bytes(random.Below(3000));
    for (auto& byte : bytes) byte = random.OneIn(3) ? 0xff : static_cast<uint8_t>(random.Next());
    uint16_t folded = ChecksumFold(ChecksumAdd(bytes.data(), bytes.size()));
    CHECK(__builtin_bswap16(folded) == NaiveFold(NaiveSum(bytes, 0, bytes.size())));
  }
}

TEST(checksum_of_64_kib_of_ones_loses_no_carry) {
  Bytes bytes(65535, 0xff);
  CHECK(ChecksumFold(ChecksumAdd(bytes.data(), bytes.size())) == __builtin_bswap16(NaiveFold(NaiveSum(bytes, 0, bytes.size()))));
}

static ParseResult Parse(Bytes* bytes, Packet* packet) { return ParsePacket(bytes->data(), bytes->size(), packet); }

TEST(parse_finds_the_parts_and_checksums_hold) {
  for (int version : {4, 6}) {
    for (int protocol : {6, 17}) {
      Shape shape;
      shape.version = version;
      shape.protocol = protocol;
      Bytes bytes = MakePacket(shape);
      Packet packet;
      CHECK(Parse(&bytes, &packet) == ParseResult::kOk);
      CHECK(packet.version == version && packet.protocol == protocol && packet.plain && !packet.fragment);
      CHECK(packet.upper_offset == IpBytes(shape));
      CHECK(UpperChecksumHolds(packet));
      CHECK(version == 6 || Ipv4HeaderChecksumHolds(packet));
      bytes.back() ^= 1;
      CHECK(!UpperChecksumHolds(packet));
    }
  }
}

TEST(parse_refuses_lengths_that_contradict_the_bytes) {
  for (int version : {4, 6}) {
    Shape shape;
    shape.version = version;
    Packet packet;
    Bytes longer = MakePacket(shape);
    longer.push_back(0);
    CHECK(Parse(&longer, &packet) == ParseResult::kMalformed);
    Bytes whole = MakePacket(shape);
    for (size_t bytes = 1; bytes < whole.size(); bytes++) {
      Bytes shorter(whole.begin(), whole.begin() + static_cast<long>(bytes));
      CHECK(Parse(&shorter, &packet) == ParseResult::kTruncated);
    }
  }
  Bytes wrong = MakePacket({});
  Packet packet;
  wrong[0] = 0x44;
  CHECK(Parse(&wrong, &packet) == ParseResult::kMalformed);
  wrong[0] = 0x55;
  CHECK(Parse(&wrong, &packet) == ParseResult::kMalformed);
  CHECK(ParsePacket(wrong.data(), 0, &packet) == ParseResult::kMalformed);
}

TEST(parse_tells_fragments_and_options) {
  Shape shape;
  shape.ip_options = 8;
  Bytes bytes = MakePacket(shape);
  Packet packet;
  CHECK(Parse(&bytes, &packet) == ParseResult::kOk && !packet.plain && packet.upper_offset == 28);
  bytes[6] = 0x20;
  CHECK(Parse(&bytes, &packet) == ParseResult::kOk && packet.fragment && !packet.later_fragment);
  bytes[7] = 1;
  CHECK(Parse(&bytes, &packet) == ParseResult::kOk && packet.later_fragment);
}

TEST(parse_walks_ipv6_extension_headers) {
  Shape shape;
  shape.version = 6;
  shape.protocol = 17;
  Bytes inner = MakePacket(shape);
  Bytes bytes(inner.begin(), inner.begin() + 40);
  bytes[6] = 0;
  bytes.insert(bytes.end(), {44, 0, 1, 4, 0, 0, 0, 0});
  bytes.insert(bytes.end(), {17, 0, 0, 1, 0, 0, 0, 9});
  bytes.insert(bytes.end(), inner.begin() + 40, inner.end());
  Put16(&bytes, 4, static_cast<uint32_t>(bytes.size() - 40));
  Packet packet;
  CHECK(Parse(&bytes, &packet) == ParseResult::kOk);
  CHECK(packet.protocol == 17 && packet.upper_offset == 56 && packet.fragment && !packet.later_fragment && !packet.plain);
  // A header that claims to be longer than the packet: no upper layer, but no reason to drop.
  bytes[41] = 255;
  CHECK(Parse(&bytes, &packet) == ParseResult::kOk && packet.protocol == kProtocolNone && packet.upper_length() == 0);
}

TEST(one_hop_less_keeps_the_header_checksum_right) {
  for (unsigned hops = 2; hops < 256; hops++) {
    for (uint32_t identification = 0; identification < 65536; identification += 1021) {
      Shape shape;
      shape.hops = static_cast<uint8_t>(hops);
      shape.identification = static_cast<uint16_t>(identification);
      shape.payload = 0;
      Bytes bytes = MakePacket(shape);
      Packet packet;
      CHECK(Parse(&bytes, &packet) == ParseResult::kOk);
      DecrementHops(&packet);
      CHECK(bytes[8] == hops - 1 && Ipv4HeaderChecksumHolds(packet));
    }
  }
}
