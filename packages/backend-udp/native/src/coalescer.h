// Joins received packets of one flow into super-packets, so that the kernel carries 64 KiB through its stack as one.
//
// A run is a packet and those that follow it without a gap. TCP (RFC 9293): same addresses, ports, acknowledgement, window, options,
// TTL and traffic class, the next sequence number, the same size (the last may be smaller), nothing but ACK, PSH and ECE set. PSH of
// any of them becomes PSH of the whole: it marks no record, and may be collapsed (RFC 9293 section 3.9.1.2, SHLD-27); a bulk sender
// sets it after each write, which would end most runs half full. UDP: same addresses, ports, TTL and traffic class, the same size (the
// last may be smaller), not more than 64.
// Fragments, IP options, extension headers and UDP without checksum never join. Checksums of IP and the upper layer are verified
// before a packet joins, since the kernel will make new ones: else corruption would be laundered.
//
// Within a flow packets leave in the order in which they came. Between flows runs leave in the order of their first packets.
//
// Packets are not copied: they must stay where they are until Flush(). Nothing is allocated after construction.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "packet.h"
#include "virtio_net.h"

namespace tartan {

class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // A virtio-net header and a packet; `packets` is how many were joined into it. Nothing may be kept.
  virtual void Write(const iovec* pieces, int count, size_t bytes, size_t packets) = 0;
};

class Coalescer {
 public:
  struct Options {
    bool tcp = true;
    // Needs a kernel that takes GSO_UDP_L4 from a TUN.
    bool udp = true;
  };

  Coalescer(PacketSink* sink, Options options);

  // A packet that was parsed. May change its headers.
  void Add(const Packet& packet);

  // Writes out all that waits.
  void Flush();

 private:
  static constexpr size_t kRuns = 16;
  static constexpr size_t kPacketsPerRun = 512;
  static constexpr size_t kUdpPacketsPerRun = 64;

  struct Run {
    Packet first;
    size_t header_bytes = 0;
    // Payload of every packet but the last.
    size_t piece_bytes = 0;
    size_t total_bytes = 0;
    uint32_t next_sequence = 0;
    uint32_t flow_hash = 0;
    // The last packet was a smaller one.
    bool closed = false;
    bool push = false;
    std::vector<iovec> payloads;
  };

  bool Candidate(const Packet& packet, size_t* header_bytes) const;
  bool Join(Run* run, const Packet& packet, size_t header_bytes);
  void StartRun(const Packet& packet, size_t header_bytes, uint32_t hash);
  void Write(Run* run);
  void WriteSingle(const Packet& packet, bool verified);
  void WriteJoined(Run* run);
  void FlushBetween(const Packet& packet);
  void FlushThrough(size_t count);

  PacketSink* const sink_;
  const Options options_;
  // The first `used_` wait, in the order of their age; a ring is not worth it for sixteen.
  std::vector<Run> storage_;
  Run* runs_[kRuns];
  size_t used_ = 0;
  std::vector<iovec> pieces_;
};

}  // namespace tartan
