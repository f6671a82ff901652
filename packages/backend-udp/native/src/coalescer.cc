#include "coalescer.h"

#include <cstring>

#include "byte_order.h"
#include "checksum.h"

namespace tartan {
namespace {

uint32_t FlowHash(const Packet& packet) {
  uint64_t sum = ChecksumAdd(packet.source(), packet.address_bytes() * 2);
  uint32_t ports;
  std::memcpy(&ports, packet.upper(), sizeof ports);
  return static_cast<uint32_t>(sum) * 31 + ports + packet.protocol;
}

bool SameAddresses(const Packet& a, const Packet& b) {
  return a.version == b.version && std::memcmp(a.source(), b.source(), a.address_bytes() * 2) == 0;
}

bool SameFlow(const Packet& a, const Packet& b) {
  return a.protocol == b.protocol && SameAddresses(a, b) && std::memcmp(a.upper(), b.upper(), 4) == 0;
}

// All of the IP header but lengths, identification and checksum.
bool SameIpHeader(const Packet& a, const Packet& b) {
  if (a.version == 6) return std::memcmp(a.data, b.data, 4) == 0 && a.data[7] == b.data[7];
  return a.data[1] == b.data[1] && std::memcmp(a.data + 6, b.data + 6, 3) == 0;
}

// Packets that may be fragmented need the identifications that segmentation would give them; atomic ones have none (RFC 6864).
bool IdentificationFits(const Packet& first, const Packet& next, size_t index) {
  if (first.dont_fragment()) return true;
  return LoadBe16(next.data + 4) == static_cast<uint16_t>(LoadBe16(first.data + 4) + index);
}

}  // namespace

Coalescer::Coalescer(PacketSink* sink, Options options) : sink_(sink), options_(options), storage_(kRuns) {
  for (size_t i = 0; i < kRuns; i++) {
    storage_[i].payloads.reserve(kPacketsPerRun);
    runs_[i] = &storage_[i];
  }
  pieces_.reserve(kPacketsPerRun + 2);
}

bool Coalescer::Candidate(const Packet& packet, size_t* header_bytes) const {
  if (packet.fragment || !packet.plain) return false;
  if (packet.protocol == kProtocolTcp && options_.tcp) {
    size_t tcp = TcpHeaderLength(packet);
    if (tcp == 0) return false;
    *header_bytes = packet.upper_offset + tcp;
    uint8_t flags = packet.upper()[13];
    return (flags & ~(kTcpPsh | kTcpEce)) == kTcpAck && packet.length > *header_bytes;
  }
  if (packet.protocol == kProtocolUdp && options_.udp && packet.upper_length() > kUdpHeaderBytes) {
    *header_bytes = packet.upper_offset + kUdpHeaderBytes;
    return LoadBe16(packet.upper() + 4) == packet.upper_length();
  }
  return false;
}

void Coalescer::Add(const Packet& packet) {
  size_t header_bytes = 0;
  bool candidate = Candidate(packet, &header_bytes) && (packet.version == 6 || Ipv4HeaderChecksumHolds(packet)) && UpperChecksumHolds(packet);
  if (!candidate) {
    FlushBetween(packet);
    WriteSingle(packet, false);
    return;
  }
  uint32_t hash = FlowHash(packet);
  for (size_t i = 0; i < used_; i++) {
    if (runs_[i]->flow_hash != hash || !SameFlow(runs_[i]->first, packet)) continue;
    if (Join(runs_[i], packet, header_bytes)) return;
    FlushThrough(i + 1);
    break;
  }
  if (used_ == kRuns) FlushThrough(1);
  StartRun(packet, header_bytes, hash);
}

void Coalescer::StartRun(const Packet& packet, size_t header_bytes, uint32_t hash) {
  Run* run = runs_[used_++];
  bool tcp = packet.protocol == kProtocolTcp;
  run->first = packet;
  run->header_bytes = header_bytes;
  run->piece_bytes = packet.length - header_bytes;
  run->total_bytes = packet.length;
  run->next_sequence = tcp ? LoadBe32(packet.upper() + 4) + static_cast<uint32_t>(run->piece_bytes) : 0;
  run->flow_hash = hash;
  run->push = tcp && (packet.upper()[13] & kTcpPsh) != 0;
  run->closed = false;
  run->payloads.clear();
  run->payloads.push_back({packet.data + header_bytes, run->piece_bytes});
}

bool Coalescer::Join(Run* run, const Packet& packet, size_t header_bytes) {
  size_t payload_bytes = packet.length - header_bytes;
  bool tcp = packet.protocol == kProtocolTcp;
  const uint8_t* first = run->first.upper();
  const uint8_t* next = packet.upper();
  if (run->closed || header_bytes != run->header_bytes || payload_bytes > run->piece_bytes) return false;
  if (run->total_bytes + payload_bytes > 0xffff || run->payloads.size() == (tcp ? kPacketsPerRun : kUdpPacketsPerRun)) return false;
  if (!SameIpHeader(run->first, packet) || !IdentificationFits(run->first, packet, run->payloads.size())) return false;
  if (tcp) {
    if (LoadBe32(next + 4) != run->next_sequence) return false;
    // Acknowledgement and data offset, flags but PSH, window.
    if (std::memcmp(first + 8, next + 8, 5) != 0 || ((first[13] ^ next[13]) & ~kTcpPsh) != 0) return false;
    if (std::memcmp(first + 14, next + 14, 2) != 0) return false;
    // The urgent pointer, which means nothing without URG but must come out again, and the options.
    if (std::memcmp(first + 18, next + 18, header_bytes - packet.upper_offset - 18) != 0) return false;
    run->push |= (next[13] & kTcpPsh) != 0;
  }
  run->payloads.push_back({packet.data + header_bytes, payload_bytes});
  run->total_bytes += payload_bytes;
  run->next_sequence += static_cast<uint32_t>(payload_bytes);
  run->closed = payload_bytes < run->piece_bytes;
  return true;
}

// A packet that joins nothing goes out behind all that its hosts sent each other before: a fragment has no ports to tell more.
void Coalescer::FlushBetween(const Packet& packet) {
  for (size_t i = used_; i > 0; i--) {
    if (!SameAddresses(runs_[i - 1]->first, packet)) continue;
    FlushThrough(i);
    return;
  }
}

void Coalescer::FlushThrough(size_t count) {
  for (size_t i = 0; i < count; i++) Write(runs_[i]);
  Run* freed[kRuns];
  std::memcpy(freed, runs_, count * sizeof *runs_);
  std::memmove(runs_, runs_ + count, (used_ - count) * sizeof *runs_);
  used_ -= count;
  std::memcpy(runs_ + used_, freed, count * sizeof *runs_);
}

void Coalescer::Flush() { FlushThrough(used_); }

void Coalescer::Write(Run* run) {
  if (run->payloads.size() == 1) {
    WriteSingle(run->first, true);
  } else {
    WriteJoined(run);
  }
}

void Coalescer::WriteSingle(const Packet& packet, bool verified) {
  VirtioNetHeader virtio{};
  if (verified) virtio.flags = kVirtioDataValid;
  iovec pieces[2] = {{&virtio, sizeof virtio}, {packet.data, packet.length}};
  sink_->Write(pieces, 2, packet.length, 1);
}

void Coalescer::WriteJoined(Run* run) {
  const Packet& first = run->first;
  bool tcp = first.protocol == kProtocolTcp;
  uint32_t upper_bytes = static_cast<uint32_t>(run->total_bytes - first.upper_offset);
  VirtioNetHeader virtio{};
  virtio.flags = kVirtioNeedsChecksum;
  virtio.gso_type = !tcp ? kVirtioGsoUdpL4 : first.version == 4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6;
  virtio.hdr_len = static_cast<uint16_t>(run->header_bytes);
  virtio.gso_size = static_cast<uint16_t>(run->piece_bytes);
  virtio.csum_start = static_cast<uint16_t>(first.upper_offset);
  virtio.csum_offset = tcp ? 16 : 6;
  if (first.version == 4) {
    StoreBe16(first.data + 2, static_cast<uint16_t>(run->total_bytes));
    std::memset(first.data + 10, 0, 2);
    uint16_t checksum = ChecksumFinish(ChecksumAdd(first.data, first.upper_offset));
    std::memcpy(first.data + 10, &checksum, sizeof checksum);
  } else {
    StoreBe16(first.data + 4, static_cast<uint16_t>(upper_bytes));
  }
  if (tcp && run->push) first.upper()[13] |= kTcpPsh;
  if (!tcp) StoreBe16(first.upper() + 4, static_cast<uint16_t>(upper_bytes));
  uint16_t partial = ChecksumFold(PseudoHeaderSumOf(first, upper_bytes));
  std::memcpy(first.upper() + virtio.csum_offset, &partial, sizeof partial);
  pieces_.clear();
  pieces_.push_back({&virtio, sizeof virtio});
  pieces_.push_back({first.data, run->header_bytes});
  pieces_.insert(pieces_.end(), run->payloads.begin(), run->payloads.end());
  sink_->Write(pieces_.data(), static_cast<int>(pieces_.size()), run->total_bytes, run->payloads.size());
}

}  // namespace tartan
