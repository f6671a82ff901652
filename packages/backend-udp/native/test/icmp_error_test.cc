#include "../src/icmp_error.h"

#include "../src/token_bucket.h"
#include "check.h"
#include "packets.h"

using namespace tartan;
using namespace tartan_test;

namespace {

Bytes ErrorAbout(Bytes* bytes, IcmpError error, uint16_t mtu) {
  Packet packet;
  CHECK(ParsePacket(bytes->data(), bytes->size(), &packet) == ParseResult::kOk && MayReport(packet));
  IpAddress source;
  source.family = packet.version;
  source.bytes[0] = 9;
  Bytes result(kIcmpErrorMax);
  result.resize(WriteIcmpError(packet, error, mtu, source, result.data()));
  return result;
}

bool MayReportIt(Bytes bytes) {
  Packet packet;
  CHECK(ParsePacket(bytes.data(), bytes.size(), &packet) == ParseResult::kOk);
  return MayReport(packet);
}

}  // namespace

TEST(icmp_errors_quote_the_packet_and_have_valid_checksums) {
  for (size_t payload : {size_t{0}, size_t{10}, size_t{1401}}) {
    Shape shape;
    shape.payload = payload;
    Bytes about = MakePacket(shape);
    Bytes error = ErrorAbout(&about, IcmpError::kTooBig, 1400);
    CHECK(error.size() <= 576 && error[20] == 3 && error[21] == 4 && Get16(error, 26) == 1400);
    CHECK(error[12] == 9 && std::memcmp(&error[16], &about[12], 4) == 0);
    CHECK(NaiveFold(NaiveSum(error, 0, 20)) == 0xffff && NaiveFold(NaiveSum(error, 20, error.size())) == 0xffff);
    CHECK(std::memcmp(&error[28], about.data(), error.size() - 28) == 0);
    Bytes expired = ErrorAbout(&about, IcmpError::kTimeExceeded, 0);
    CHECK(expired[20] == 11 && expired[21] == 0 && Get32(expired, 24) == 0);

    shape.version = 6;
    about = MakePacket(shape);
    error = ErrorAbout(&about, IcmpError::kTooBig, 1300);
    CHECK(error.size() <= 1280 && error[40] == 2 && error[41] == 0 && Get32(error, 44) == 1300);
    CHECK(UpperSum(error, 6, 40, 58) == 0xffff && error[8] == 9 && std::memcmp(&error[24], &about[8], 16) == 0);
    CHECK(ErrorAbout(&about, IcmpError::kTimeExceeded, 0)[40] == 3);
  }
}

TEST(no_error_about_errors_fragments_or_groups) {
  Shape shape;
  Bytes bytes = MakePacket(shape);
  CHECK(MayReportIt(bytes));
  Bytes later = bytes;
  later[7] = 3;
  CHECK(!MayReportIt(later));
  Bytes icmp = bytes;
  icmp[9] = 1;
  icmp[20] = 8;
  CHECK(MayReportIt(icmp));
  icmp[20] = 11;
  CHECK(!MayReportIt(icmp));
  Bytes group = bytes;
  group[16] = 224;
  CHECK(!MayReportIt(group));
  Bytes loopback = bytes;
  loopback[12] = 127;
  CHECK(!MayReportIt(loopback));
  Bytes nobody = bytes;
  std::memset(&nobody[12], 0, 4);
  CHECK(!MayReportIt(nobody));
  shape.version = 6;
  bytes = MakePacket(shape);
  bytes[6] = 58;
  bytes[40] = 128;
  CHECK(MayReportIt(bytes));
  bytes[40] = 1;
  CHECK(!MayReportIt(bytes));
}

TEST(a_token_bucket_gives_its_burst_and_then_its_rate) {
  TokenBucket bucket(1000, 50);
  uint64_t now = 123456789;
  int taken = 0;
  for (int i = 0; i < 100; i++) taken += bucket.Take(now);
  CHECK(taken == 50);
  for (int i = 0; i < 1000; i++) taken += bucket.Take(now += 500000);
  CHECK(taken == 550);
  now += 3600ull * 1000000000;
  for (int i = 0; i < 100; i++) taken += bucket.Take(now);
  CHECK(taken == 600);
}
