#include "../src/table_holder.h"

#include <thread>

#include "check.h"

using namespace tartan;
using namespace tartan_test;

namespace {

Endpoint EndpointOf(uint8_t host, uint16_t port) {
  Endpoint endpoint;
  endpoint.address.family = 4;
  endpoint.address.bytes[0] = 192;
  endpoint.address.bytes[3] = host;
  endpoint.port = port;
  return endpoint;
}

// 10.5.N.0/24 for N below `count`, all by way of peers whose port is `port`.
std::vector<RouteRecord> Records(uint8_t count, uint16_t port) {
  std::vector<RouteRecord> records;
  for (uint8_t i = 0; i < count; i++) {
    RouteRecord record;
    record.prefix.family = 4;
    record.prefix.bytes[0] = 10;
    record.prefix.bytes[1] = 5;
    record.prefix.bytes[2] = i;
    record.prefix_length = 24;
    record.endpoint = EndpointOf(i, port);
    record.icmp_source = record.prefix;
    records.push_back(record);
  }
  return records;
}

const Route* Look(const RouteTable& table, uint8_t net) {
  uint8_t address[4] = {10, 5, net, 9};
  Packet packet{};
  packet.version = 4;
  return table.To(packet, address);
}

}  // namespace

// Built with ThreadSanitizer, too: readers that sleep and wake while tables come and go see one table whole, and never a freed one.
TEST(readers_see_whole_tables_while_they_are_swapped) {
  constexpr size_t kReaders = 3;
  TableHolder holder(kReaders);
  holder.Publish(RouteTable::Build(Records(50, 1), nullptr));
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> looks{0};
  std::vector<std::thread> readers;
  for (size_t index = 0; index < kReaders; index++) {
    readers.emplace_back([&, index] {
      Random random(index + 1);
      while (!stop.load()) {
        const RouteTable& table = holder.Enter(index);
        uint16_t port = Look(table, 0)->peer->configured().port;
        for (uint8_t net = 0; net < 50; net++) CHECK(Look(table, net)->peer->configured().port == port);
        Look(table, 3)->peer->Learn(EndpointOf(static_cast<uint8_t>(random.Below(200)), 77));
        SocketAddress address = Look(table, 3)->peer->Address();
        CHECK(ntohs(address.ipv4.sin_port) == 77 || ntohs(address.ipv4.sin_port) == port);
        if (random.OneIn(4)) holder.Leave(index);
        looks++;
      }
      holder.Leave(index);
    });
  }
  for (uint16_t swap = 2; swap < 400 || looks.load() < 300; swap++) {
    holder.Publish(RouteTable::Build(Records(50, swap), &holder.Latest()));
    std::this_thread::yield();
  }
  stop.store(true);
  for (auto& reader : readers) reader.join();
  CHECK(holder.Reclaim() == 0);
}

TEST(a_sleeping_reader_keeps_no_table) {
  TableHolder holder(2);
  holder.Enter(0);
  holder.Enter(1);
  holder.Publish(RouteTable::Build(Records(1, 1), nullptr));
  CHECK(holder.Reclaim() == 1);
  holder.Leave(0);
  CHECK(holder.Reclaim() == 1);
  holder.Enter(1);
  CHECK(holder.Reclaim() == 0);
}

TEST(peers_that_stay_keep_what_was_learned) {
  auto first = RouteTable::Build(Records(2, 8285), nullptr);
  Look(*first, 1)->peer->Learn(EndpointOf(99, 4000));
  auto second = RouteTable::Build(Records(3, 8285), first.get());
  first.reset();
  CHECK(Look(*second, 1)->peer->IsAt(EndpointOf(99, 4000)));
  CHECK(!Look(*second, 0)->peer->IsAt(EndpointOf(99, 4000)));
  CHECK(second->peers().size() == 3);
  Look(*second, 1)->peer->Forget();
  CHECK(ntohs(Look(*second, 1)->peer->Address().ipv4.sin_port) == 8285);
}

TEST(peers_are_found_by_address_and_port) {
  auto table = RouteTable::Build(Records(3, 8285), nullptr);
  CHECK(table->PeerAt(EndpointOf(2, 8285)) == Look(*table, 2)->peer);
  CHECK(table->PeerAt(EndpointOf(2, 8286)) == nullptr);
  CHECK(table->PeerAt(EndpointOf(3, 8285)) == nullptr);
  CHECK(Look(*table, 3) == nullptr);
}
