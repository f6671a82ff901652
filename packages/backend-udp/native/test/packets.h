// Packets for tests, made the slow and obvious way: nothing here uses the code under test.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace tartan_test {

using Bytes = std::vector<uint8_t>;

inline void Put16(Bytes* bytes, size_t at, uint32_t value) {
  (*bytes)[at] = static_cast<uint8_t>(value >> 8);
  (*bytes)[at + 1] = static_cast<uint8_t>(value);
}

inline uint32_t Get16(const Bytes& bytes, size_t at) { return bytes[at] * 256u + bytes[at + 1]; }
inline uint32_t Get32(const Bytes& bytes, size_t at) { return Get16(bytes, at) * 65536u + Get16(bytes, at + 2); }

// RFC 1071, word by word.
inline uint32_t NaiveSum(const Bytes& bytes, size_t from, size_t to) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; i += 2) {
    sum += bytes[i] * 256u + (i + 1 < to ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

inline uint32_t NaiveFold(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

struct Shape {
  int version = 4;
  // 6 or 17.
  int protocol = 6;
  uint8_t hops = 64;
  uint8_t traffic_class = 0;
  uint8_t source_host = 1;
  uint8_t destination_host = 2;
  uint16_t source_port = 1000;
  uint16_t destination_port = 2000;
  uint16_t identification = 7;
  bool dont_fragment = true;
  uint32_t sequence = 100;
  uint32_t acknowledgement = 5;
  uint8_t flags = 0x10;
  uint16_t window = 512;
  // Multiples of 4, at most 40.
  size_t tcp_options = 12;
  size_t ip_options = 0;
  size_t payload = 100;
  uint8_t fill = 1;
};

inline size_t IpBytes(const Shape& shape) { return shape.version == 4 ? 20 + shape.ip_options : 40; }

// Sum over pseudo-header and upper layer.
inline uint32_t UpperSum(const Bytes& packet, int version, size_t ip_bytes, int protocol) {
  size_t addresses = version == 4 ? 12 : 8;
  size_t address_bytes = version == 4 ? 8 : 32;
  uint32_t sum = NaiveSum(packet, addresses, addresses + address_bytes);
  sum += static_cast<uint32_t>(protocol) + static_cast<uint32_t>(packet.size() - ip_bytes);
  return NaiveFold(sum + NaiveSum(packet, ip_bytes, packet.size()));
}

inline Bytes MakePacket(const Shape& shape) {
  size_t ip = IpBytes(shape);
  bool tcp = shape.protocol == 6;
  size_t upper = tcp ? 20 + shape.tcp_options : 8;
  Bytes packet(ip + upper + shape.payload);
  if (shape.version == 4) {
    packet[0] = static_cast<uint8_t>(0x40 + ip / 4);
    packet[1] = shape.traffic_class;
    Put16(&packet, 2, static_cast<uint32_t>(packet.size()));
    Put16(&packet, 4, shape.identification);
    packet[6] = shape.dont_fragment ? 0x40 : 0;
    packet[8] = shape.hops;
    packet[9] = static_cast<uint8_t>(shape.protocol);
    packet[12] = 10, packet[13] = 5, packet[14] = 1, packet[15] = shape.source_host;
    packet[16] = 10, packet[17] = 5, packet[18] = 2, packet[19] = shape.destination_host;
    for (size_t i = 20; i < ip; i++) packet[i] = 1;
    Put16(&packet, 10, ~NaiveSum(packet, 0, ip));
  } else {
    packet[0] = static_cast<uint8_t>(0x60 | shape.traffic_class >> 4);
    packet[1] = static_cast<uint8_t>(shape.traffic_class << 4);
    Put16(&packet, 4, static_cast<uint32_t>(packet.size() - 40));
    packet[6] = static_cast<uint8_t>(shape.protocol);
    packet[7] = shape.hops;
    packet[8] = 0xfd, packet[23] = shape.source_host;
    packet[24] = 0xfd, packet[39] = shape.destination_host;
  }
  Put16(&packet, ip, shape.source_port);
  Put16(&packet, ip + 2, shape.destination_port);
  for (size_t i = 0; i < shape.payload; i++) packet[ip + upper + i] = static_cast<uint8_t>(shape.fill + i * 7);
  size_t field = ip + (tcp ? 16 : 6);
  if (tcp) {
    Put16(&packet, ip + 4, shape.sequence >> 16);
    Put16(&packet, ip + 6, shape.sequence);
    Put16(&packet, ip + 8, shape.acknowledgement >> 16);
    Put16(&packet, ip + 10, shape.acknowledgement);
    packet[ip + 12] = static_cast<uint8_t>(upper / 4 << 4);
    packet[ip + 13] = shape.flags;
    Put16(&packet, ip + 14, shape.window);
    for (size_t i = 0; i < shape.tcp_options; i++) packet[ip + 20 + i] = 1;
  } else {
    Put16(&packet, ip + 4, static_cast<uint32_t>(8 + shape.payload));
  }
  uint32_t checksum = ~UpperSum(packet, shape.version, ip, shape.protocol) & 0xffff;
  Put16(&packet, field, checksum == 0 && !tcp ? 0xffff : checksum);
  return packet;
}

inline bool ChecksumsHold(const Bytes& packet, int protocol) {
  int version = packet[0] >> 4;
  size_t ip = version == 4 ? (packet[0] & 15) * 4u : 40;
  if (version == 4 && NaiveFold(NaiveSum(packet, 0, ip)) != 0xffff) return false;
  return UpperSum(packet, version, ip, protocol) == 0xffff;
}

}  // namespace tartan_test
