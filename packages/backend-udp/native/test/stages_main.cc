// Gives single stages of the packet loop to whoever asks in text, for tests that compare them with a slow implementation of the same
// (../../test/oracle). One question a line, one answer a line, bytes in hexadecimal, V a virtio-net header and a packet:
//
//   out V                             TUN to network: one hop, then segmentation; the packets, or "refused"
//   in TCP UDP PACKET...              network to TUN: coalesced; TCP and UDP are 0 or 1; "N:V" for each write, N packets in it
//   time-exceeded SOURCE PACKET       the ICMP error, or "silent"
//   too-big MTU SOURCE PACKET         the same
//
// A packet that does not parse is answered with "malformed" or "truncated".
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "../src/coalescer.h"
#include "../src/icmp_error.h"
#include "../src/segmenter.h"
#include "packets.h"

using namespace tartan;
using tartan_test::Bytes;

namespace {

Bytes FromHex(const std::string& text) {
  Bytes bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(std::stoul(text.substr(i * 2, 2), nullptr, 16));
  return bytes;
}

void AppendHex(std::string* text, const void* data, size_t length) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < length; i++) (*text += kDigits[bytes[i] >> 4]) += kDigits[bytes[i] & 15];
}

// nullptr, or what is wrong.
const char* Parse(Bytes* bytes, size_t from, Packet* packet) {
  if (bytes->size() <= from) return "malformed";
  ParseResult result = ParsePacket(bytes->data() + from, bytes->size() - from, packet);
  return result == ParseResult::kOk ? nullptr : result == ParseResult::kTruncated ? "truncated" : "malformed";
}

std::string Out(std::istream& question) {
  std::string hex;
  question >> hex;
  Bytes bytes = FromHex(hex);
  VirtioNetHeader virtio;
  Packet packet;
  if (const char* wrong = Parse(&bytes, sizeof virtio, &packet)) return wrong;
  std::memcpy(&virtio, bytes.data(), sizeof virtio);
  DecrementHops(&packet);
  Segmenter segmenter;
  if (!segmenter.Start(packet, virtio)) return "refused";
  std::string answer;
  uint8_t room[kSegmentHeaderMax];
  while (segmenter.More()) {
    Segment segment = segmenter.Next(room);
    if (!answer.empty()) answer += ' ';
    AppendHex(&answer, segment.header, segment.header_bytes);
    AppendHex(&answer, segment.payload, segment.payload_bytes);
  }
  return answer;
}

struct TextSink : PacketSink {
  void Write(const iovec* pieces, int count, size_t, size_t packets) override {
    if (!answer.empty()) answer += ' ';
    answer += std::to_string(packets) + ':';
    for (int i = 0; i < count; i++) AppendHex(&answer, pieces[i].iov_base, pieces[i].iov_len);
  }
  std::string answer;
};

std::string In(std::istream& question) {
  Coalescer::Options options;
  question >> options.tcp >> options.udp;
  TextSink sink;
  Coalescer coalescer(&sink, options);
  // A block each, so that reading past the end of one is seen; they stay until Flush().
  std::vector<Bytes> packets;
  for (std::string hex; question >> hex;) packets.push_back(FromHex(hex));
  for (Bytes& bytes : packets) {
    Packet packet;
    if (const char* wrong = Parse(&bytes, 0, &packet)) return wrong;
    coalescer.Add(packet);
  }
  coalescer.Flush();
  return sink.answer;
}

std::string Error(std::istream& question, IcmpError error) {
  unsigned mtu_bytes = 0;
  std::string source_hex, hex;
  if (error == IcmpError::kTooBig) question >> mtu_bytes;
  question >> source_hex >> hex;
  Bytes source_bytes = FromHex(source_hex), bytes = FromHex(hex);
  Packet packet;
  if (const char* wrong = Parse(&bytes, 0, &packet)) return wrong;
  if (!MayReport(packet)) return "silent";
  IpAddress source;
  source.family = packet.version;
  std::memcpy(source.bytes, source_bytes.data(), std::min(source_bytes.size(), sizeof source.bytes));
  Bytes message(kIcmpErrorMax);
  std::string answer;
  AppendHex(&answer, message.data(), WriteIcmpError(packet, error, static_cast<uint16_t>(mtu_bytes), source, message.data()));
  return answer;
}

std::string Answer(const std::string& line) {
  std::istringstream question(line);
  std::string stage;
  question >> stage;
  if (stage == "out") return Out(question);
  if (stage == "in") return In(question);
  if (stage == "time-exceeded") return Error(question, IcmpError::kTimeExceeded);
  if (stage == "too-big") return Error(question, IcmpError::kTooBig);
  std::cerr << "no stage " << stage << '\n';
  std::exit(2);
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << Answer(line) << std::endl;
  return 0;
}
