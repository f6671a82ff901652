// A host behind an endpoint, and where it really is.
//
// The endpoint comes from the lease. With keep-alives on, a peer may sit behind a translator: then the source of its datagrams is
// learned here, by any thread, and read by all of them on every send. Peers outlive route tables, and with them what was learned.
#pragma once

#include <atomic>

#include "address.h"

namespace tartan {

class Peer {
 public:
  explicit Peer(const Endpoint& configured) : configured_(configured), address_(ToSocketAddress(configured)) {}

  const Endpoint& configured() const { return configured_; }

  // Where to send to.
  SocketAddress Address() const {
    Endpoint learned;
    return has_learned_.load(std::memory_order_acquire) && ReadLearned(&learned) ? ToSocketAddress(learned) : address_;
  }

  // True when datagrams from `source` are known to be this peer's.
  bool IsAt(const Endpoint& source) const {
    Endpoint learned;
    return has_learned_.load(std::memory_order_acquire) && ReadLearned(&learned) && learned == source;
  }

  // True when this was new. A thread that meets another one here lets it win: the next packet will tell again.
  bool Learn(const Endpoint& source) {
    if (IsAt(source)) return false;
    uint32_t sequence = sequence_.load(std::memory_order_relaxed);
    if ((sequence & 1) != 0 || !sequence_.compare_exchange_strong(sequence, sequence + 1)) return false;
    uint64_t high = LoadBe64(source.address.bytes), low = LoadBe64(source.address.bytes + 8);
    high_.store(high);
    low_.store(low);
    rest_.store(source.address.family * 0x10000u + source.port);
    sequence_.store(sequence + 2);
    has_learned_.store(true);
    return true;
  }

  // A packet of this peer came from where it was learned to be, at `now` (nanoseconds of the monotonic clock).
  void Hear(uint64_t now) { heard_.store(now, std::memory_order_relaxed); }

  // True when this peer was heard at `source` after `since`: then nobody else is there.
  bool Holds(const Endpoint& source, uint64_t since) const { return IsAt(source) && heard_.load(std::memory_order_relaxed) > since; }

  // The peer sends from its lease's endpoint again.
  void Forget() {
    if (has_learned_.load(std::memory_order_relaxed)) has_learned_.store(false);
  }

 private:
  // A sequence lock whose data is atomic, too: a torn read is noticed, and it is no data race.
  bool ReadLearned(Endpoint* endpoint) const {
    uint32_t before = sequence_.load();
    uint64_t high = high_.load(), low = low_.load();
    uint32_t rest = rest_.load();
    if ((before & 1) != 0 || sequence_.load() != before) return false;
    endpoint->address.family = static_cast<uint8_t>(rest >> 16);
    endpoint->port = static_cast<uint16_t>(rest);
    high = __builtin_bswap64(high);
    low = __builtin_bswap64(low);
    std::memcpy(endpoint->address.bytes, &high, 8);
    std::memcpy(endpoint->address.bytes + 8, &low, 8);
    return true;
  }

  const Endpoint configured_;
  const SocketAddress address_;
  std::atomic<bool> has_learned_{false};
  std::atomic<uint32_t> sequence_{0};
  std::atomic<uint64_t> high_{0};
  std::atomic<uint64_t> low_{0};
  std::atomic<uint32_t> rest_{0};
  std::atomic<uint64_t> heard_{0};
};

}  // namespace tartan
