// Counters of one thread: written by it alone, read by any, summed on demand. No cache line is shared between writers, and adding is
// a plain load and store.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tartan {

enum class Count : size_t { kTxPackets, kTxBytes, kRxPackets, kRxBytes, kTunReads, kTunWrites, kUdpSends, kUdpReceives };
// In the order of Count, as in PacketLoopStats.
constexpr const char* kCountNames[] = {"txPackets", "txBytes",   "rxPackets", "rxBytes",
                                       "tunReads",  "tunWrites", "udpSends",  "udpReceives"};
constexpr size_t kCounts = sizeof kCountNames / sizeof kCountNames[0];

enum class Drop : size_t {
  kNoRoute,
  // The kernel's own, such as router solicitations on the TUN: there is nobody to send them to.
  kMulticast,
  kTtl,
  kTooBig,
  kMalformed,
  kTruncated,
  kUnknownPeer,
  kSpoofedSource,
  kSendBuffer,
  kUnreachable,
  kSendFailed,
  kTunFull,
  kTunDown,
};
// In the order of Drop. These names are seen by operators.
constexpr const char* kDropNames[] = {"no-route",       "multicast",   "ttl",         "too-big",     "malformed", "truncated", "unknown-peer",
                                      "spoofed-source", "send-buffer", "unreachable", "send-failed", "tun-full",  "tun-down"};
constexpr size_t kDrops = sizeof kDropNames / sizeof kDropNames[0];
static_assert(static_cast<size_t>(Drop::kTunDown) + 1 == kDrops, "a name for every cause");

class alignas(64) Counters {
 public:
  void Add(Count count, uint64_t amount) { Raise(static_cast<size_t>(count), amount); }
  void Add(Drop drop, uint64_t packets = 1) { Raise(kCounts + static_cast<size_t>(drop), packets); }

  // kCounts + kDrops numbers.
  void AddTo(uint64_t* totals) const {
    for (size_t i = 0; i < kCounts + kDrops; i++) totals[i] += values_[i].load(std::memory_order_relaxed);
  }

 private:
  void Raise(size_t index, uint64_t amount) {
    values_[index].store(values_[index].load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::atomic<uint64_t> values_[kCounts + kDrops] = {};
};

}  // namespace tartan
