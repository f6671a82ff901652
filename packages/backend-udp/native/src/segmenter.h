// Cuts what a TUN hands out into packets as they may be on a wire: completes the partial checksum of one packet, or splits a
// super-packet (TSO, USO) into pieces of gso_size, each with its own length, IP identification, sequence number, flags and
// checksums (net/ipv4/tcp_offload.c, net/ipv4/udp_offload.c of Linux 6.12 do the same).
//
// The payload is not copied: a piece is a new header and a slice of the super-packet.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet.h"
#include "virtio_net.h"

namespace tartan {

// Room for the largest headers that are split: IPv4 with options (60) or IPv6 with some extension headers, and TCP with options (60).
constexpr size_t kSegmentHeaderMax = 192;

struct Segment {
  // In the caller's buffer for a piece of a super-packet; the whole packet itself otherwise.
  const uint8_t* header;
  size_t header_bytes;
  const uint8_t* payload;
  size_t payload_bytes;
  size_t bytes() const { return header_bytes + payload_bytes; }
};

class Segmenter {
 public:
  // False when the virtio-net header does not fit the packet. hdr_len is not looked at: it is a hint that may be wrong.
  bool Start(const Packet& packet, const VirtioNetHeader& virtio);

  // True while Next() has something to give.
  bool More() const { return more_; }

  // Writes headers into `header_room`, which has kSegmentHeaderMax bytes.
  Segment Next(uint8_t* header_room);

 private:
  bool CompleteChecksum(const VirtioNetHeader& virtio);
  void WriteIpHeader(uint8_t* header, size_t payload_bytes);
  void WriteUpperHeader(uint8_t* header, const uint8_t* payload, size_t payload_bytes, bool last);

  Packet packet_;
  bool split_ = false;
  bool more_ = false;
  size_t header_bytes_ = 0;
  size_t piece_bytes_ = 0;
  size_t offset_ = 0;
  uint16_t index_ = 0;
};

}  // namespace tartan
