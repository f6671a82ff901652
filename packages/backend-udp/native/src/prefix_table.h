// Longest-prefix match by binary search over prefix lengths (Waldvogel, Varghese, Turner, Plattner: "Scalable High Speed IP Routing
// Lookups", SIGCOMM 1997).
//
// One hash table for every prefix length that occurs. A look-up starts at the middle length: a hit says that something of this length
// or longer may match, so it goes on among the longer ones, a miss among the shorter ones. For that a long prefix leaves markers in
// the tables through which the search for it passes, and every marker knows the best shorter match, so that the search never has to
// come back. Time: one probe when all prefixes have one length, which is the usual cluster, and at most log2(33) = 6 or
// log2(129) = 8, however many routes there are. Memory: at most 7 markers a route; a trie of a v6 prefix would take 16 nodes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "address.h"
#include "byte_order.h"
#include "hash_index.h"

namespace tartan {

struct Ipv4Key {
  static constexpr int kBits = 32;
  uint32_t value = 0;

  static Ipv4Key Load(const uint8_t* address) { return {LoadBe32(address)}; }
  Ipv4Key Truncate(int length) const { return {length == 0 ? 0 : value & (~uint32_t{0} << (32 - length))}; }
  bool operator==(const Ipv4Key& other) const { return value == other.value; }
  uint64_t Hash() const { return MixHash(value); }
};

struct Ipv6Key {
  static constexpr int kBits = 128;
  uint64_t high = 0;
  uint64_t low = 0;

  static Ipv6Key Load(const uint8_t* address) { return {LoadBe64(address), LoadBe64(address + 8)}; }
  Ipv6Key Truncate(int length) const { return {Mask(high, length), Mask(low, length - 64)}; }
  bool operator==(const Ipv6Key& other) const { return high == other.high && low == other.low; }
  uint64_t Hash() const { return MixHash(high ^ MixHash(low)); }

 private:
  static uint64_t Mask(uint64_t value, int length) {
    if (length <= 0) return 0;
    return length >= 64 ? value : value & (~uint64_t{0} << (64 - length));
  }
};

template <typename Key>
class PrefixTable {
 public:
  static constexpr int32_t kNoMatch = -1;

  struct Entry {
    Key key;
    int length;
    int32_t value;
  };

  // Host bits are ignored. Of equal prefixes the last one counts.
  void Build(const std::vector<Entry>& entries) {
    FindLengths(entries);
    ReserveTables(entries);
    for (const Entry& entry : entries) {
      tables_[LevelOf(entry.length)][entry.key.Truncate(entry.length)] = entry.value;
    }
    AddMarkers(entries);
  }

  int32_t Lookup(const Key& key) const {
    int32_t best = kNoMatch;
    int low = 0;
    int high = static_cast<int>(lengths_.size()) - 1;
    while (low <= high) {
      int middle = (low + high) / 2;
      const int32_t* found = tables_[middle].Find(key.Truncate(lengths_[middle]));
      if (found == nullptr) {
        high = middle - 1;
        continue;
      }
      if (*found != kNoMatch) best = *found;
      low = middle + 1;
    }
    return best;
  }

 private:
  void FindLengths(const std::vector<Entry>& entries) {
    bool present[Key::kBits + 1] = {};
    for (const Entry& entry : entries) present[entry.length] = true;
    lengths_.clear();
    for (int length = 0; length <= Key::kBits; length++) {
      if (present[length]) lengths_.push_back(length);
    }
  }

  size_t LevelOf(int length) const {
    return static_cast<size_t>(std::lower_bound(lengths_.begin(), lengths_.end(), length) - lengths_.begin());
  }

  // Calls `visit` for each shorter level through which the search for level `target` passes.
  template <typename Visit>
  void OnTheWayTo(int target, Visit visit) const {
    int low = 0;
    int high = static_cast<int>(lengths_.size()) - 1;
    for (int middle = (low + high) / 2; middle != target; middle = (low + high) / 2) {
      if (middle < target) {
        visit(middle);
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
  }

  void ReserveTables(const std::vector<Entry>& entries) {
    std::vector<size_t> counts(lengths_.size(), 0);
    for (const Entry& entry : entries) {
      int level = static_cast<int>(LevelOf(entry.length));
      counts[level]++;
      OnTheWayTo(level, [&](int marker) { counts[marker]++; });
    }
    tables_.assign(lengths_.size(), HashIndex<Key>{});
    for (size_t level = 0; level < counts.size(); level++) tables_[level].Reserve(counts[level]);
  }

  // From short to long, so that the best match of a shorter marker is final when a longer one asks for it.
  void AddMarkers(const std::vector<Entry>& entries) {
    std::vector<std::vector<Key>> markers(lengths_.size());
    for (const Entry& entry : entries) {
      OnTheWayTo(static_cast<int>(LevelOf(entry.length)),
                 [&](int level) { markers[level].push_back(entry.key.Truncate(lengths_[level])); });
    }
    for (size_t level = 0; level < markers.size(); level++) {
      for (const Key& key : markers[level]) {
        int32_t& value = tables_[level][key];
        if (value == kNoMatch) value = BestShorter(key, static_cast<int>(level));
      }
    }
  }

  int32_t BestShorter(const Key& key, int level) const {
    for (int shorter = level - 1; shorter >= 0; shorter--) {
      const int32_t* found = tables_[shorter].Find(key.Truncate(lengths_[shorter]));
      if (found != nullptr && *found != kNoMatch) return *found;
    }
    return kNoMatch;
  }

  std::vector<int> lengths_;
  std::vector<HashIndex<Key>> tables_;
};

}  // namespace tartan
