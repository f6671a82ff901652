#include "../src/datagram_batch.h"

#include "check.h"

using namespace tartan;
using namespace tartan_test;

namespace {

std::vector<Datagram> Sizes(const Route* route, std::vector<uint32_t> sizes) {
  std::vector<Datagram> result;
  for (uint32_t size : sizes) result.push_back({route, {}, size});
  return result;
}

size_t Group(const std::vector<Datagram>& datagrams) { return GroupLength(datagrams.data(), datagrams.size()); }

}  // namespace

TEST(datagrams_of_one_size_and_a_smaller_last_one_share_a_message) {
  Peer here({}), there({});
  Route to_here{&here, {}}, also_here{&here, {}}, to_there{&there, {}};
  CHECK(Group(Sizes(&to_here, {100})) == 1);
  CHECK(Group(Sizes(&to_here, {100, 100, 100})) == 3);
  CHECK(Group(Sizes(&to_here, {100, 100, 60, 100})) == 3);
  CHECK(Group(Sizes(&to_here, {100, 101})) == 1);
  auto two = Sizes(&to_here, {100, 100});
  two[1].route = &to_there;
  CHECK(Group(two) == 1);
  two[1].route = &also_here;
  CHECK(Group(two) == 2);
}

TEST(a_message_stays_within_64_segments_and_65507_bytes) {
  Peer peer({});
  Route route{&peer, {}};
  CHECK(Group(Sizes(&route, std::vector<uint32_t>(200, 40))) == 64);
  CHECK(Group(Sizes(&route, std::vector<uint32_t>(60, 1472))) == 44);
  CHECK(Group(Sizes(&route, {65507, 1})) == 1);
}
