#include "../src/prefix_table.h"

#include "check.h"

using namespace tartan;
using namespace tartan_test;

namespace {

template <typename Key>
int32_t NaiveLookup(const std::vector<typename PrefixTable<Key>::Entry>& entries, const Key& key) {
  int best_length = -1;
  int32_t best = PrefixTable<Key>::kNoMatch;
  for (const auto& entry : entries) {
    if (entry.length < best_length || !(key.Truncate(entry.length) == entry.key.Truncate(entry.length))) continue;
    best_length = entry.length;
    best = entry.value;
  }
  return best;
}

Ipv4Key RandomKey(Random* random, Ipv4Key) {
  // Few distinct high bits, so that prefixes nest.
  return {static_cast<uint32_t>(random->Next()) & 0x0f0f00ff};
}

Ipv6Key RandomKey(Random* random, Ipv6Key) {
  return {random->Next() & 0xf00000000000000full, random->Next() & 0xc000000000000003ull};
}

template <typename Key>
void AgreesWithNaive() {
  Random random;
  for (int round = 0; round < 300; round++) {
    std::vector<typename PrefixTable<Key>::Entry> entries(random.Below(60));
    int32_t value = 0;
    for (auto& entry : entries) entry = {RandomKey(&random, Key{}), static_cast<int>(random.Below(Key::kBits + 1)), value++};
    PrefixTable<Key> table;
    table.Build(entries);
    for (int look = 0; look < 200; look++) {
      Key key = RandomKey(&random, Key{});
      CHECK(table.Lookup(key) == NaiveLookup<Key>(entries, key));
    }
  }
}

}  // namespace

TEST(longest_prefix_match_agrees_with_a_linear_search_ipv4) { AgreesWithNaive<Ipv4Key>(); }
TEST(longest_prefix_match_agrees_with_a_linear_search_ipv6) { AgreesWithNaive<Ipv6Key>(); }

TEST(an_empty_table_matches_nothing) {
  PrefixTable<Ipv4Key> table;
  CHECK(table.Lookup({0}) == -1);
  table.Build({});
  CHECK(table.Lookup({0}) == -1);
}

TEST(ten_thousand_routes_of_every_length) {
  std::vector<PrefixTable<Ipv6Key>::Entry> entries;
  Random random;
  for (int32_t i = 0; i < 10000; i++) entries.push_back({{random.Next(), random.Next()}, i % 129, i});
  PrefixTable<Ipv6Key> table;
  table.Build(entries);
  for (size_t i = 0; i < entries.size(); i += 50) {
    CHECK(table.Lookup(entries[i].key) == NaiveLookup<Ipv6Key>(entries, entries[i].key));
  }
}
