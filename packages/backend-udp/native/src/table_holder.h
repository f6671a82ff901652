// Swaps the route table under running threads: epoch-based reclamation, without a lock and without a shared write on the packet path.
//
// A reader notes the epoch before it takes the table and clears the note before it sleeps. The writer publishes a new table, then
// raises the epoch; the old table goes when no reader is awake with an older epoch. All accesses are sequentially consistent: a
// reader whose note the writer did not see yet takes the table only after that look, hence the new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "route_table.h"

namespace tartan {

class TableHolder {
 public:
  explicit TableHolder(size_t readers) : notes_(readers), current_(RouteTable::Build({}, nullptr).release()) {}

  // No reader may be awake.
  ~TableHolder() {
    delete current_.load();
    for (const Retired& retired : retired_) delete retired.table;
  }

  TableHolder(const TableHolder&) = delete;
  TableHolder& operator=(const TableHolder&) = delete;

  // Reader `index` is awake, and may use the table until Leave() or its next Enter().
  const RouteTable& Enter(size_t index) {
    notes_[index].epoch.store(epoch_.load());
    return *current_.load();
  }

  void Leave(size_t index) { notes_[index].epoch.store(kAsleep); }

  // The writer's own view. All that follows is for one writer at a time.
  const RouteTable& Latest() const { return *current_.load(); }

  void Publish(std::unique_ptr<RouteTable> table) {
    const RouteTable* old = current_.exchange(table.release());
    retired_.push_back({old, epoch_.fetch_add(1) + 1});
    Reclaim();
  }

  // Frees what nobody can see any more; returns how many tables still wait.
  size_t Reclaim() {
    uint64_t oldest = UINT64_MAX;
    for (const Note& note : notes_) {
      uint64_t epoch = note.epoch.load();
      if (epoch != kAsleep && epoch < oldest) oldest = epoch;
    }
    size_t kept = 0;
    for (const Retired& retired : retired_) {
      if (retired.epoch <= oldest) {
        delete retired.table;
      } else {
        retired_[kept++] = retired;
      }
    }
    retired_.resize(kept);
    return kept;
  }

 private:
  static constexpr uint64_t kAsleep = 0;
  struct alignas(64) Note {
    std::atomic<uint64_t> epoch{kAsleep};
  };
  struct Retired {
    const RouteTable* table;
    // Readers that woke in this epoch or later cannot have it.
    uint64_t epoch;
  };

  std::vector<Note> notes_;
  std::atomic<uint64_t> epoch_{1};
  std::atomic<const RouteTable*> current_;
  std::vector<Retired> retired_;
};

}  // namespace tartan
