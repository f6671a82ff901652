// A map from small keys to indices: open addressing with linear probing, at most half full, built once and then only read.
// `Key` has operator== and a member Hash().
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tartan {

inline uint64_t MixHash(uint64_t value) {  // The finalizer of MurmurHash3.
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdull;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ull;
  return value ^ (value >> 33);
}

template <typename Key>
class HashIndex {
 public:
  static constexpr int32_t kAbsent = -1;

  void Reserve(size_t entries) {
    size_t size = 4;
    while (size < entries * 2) size *= 2;
    slots_.assign(size, Slot{});
    mask_ = size - 1;
  }

  // Adds or finds. No more distinct keys than were reserved.
  int32_t& operator[](const Key& key) {
    for (size_t at = key.Hash() & mask_;; at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.used && !(slot.key == key)) continue;
      slot.used = true;
      slot.key = key;
      return slot.value;
    }
  }

  // The slot's value, or nullptr. Values may be kAbsent: a key that is there without meaning anything.
  const int32_t* Find(const Key& key) const {
    if (slots_.empty()) return nullptr;
    for (size_t at = key.Hash() & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (!slot.used) return nullptr;
      if (slot.key == key) return &slot.value;
    }
  }

 private:
  struct Slot {
    Key key{};
    int32_t value = kAbsent;
    bool used = false;
  };
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace tartan
