#include "route_table.h"

namespace tartan {

std::unique_ptr<RouteTable> RouteTable::Build(const std::vector<RouteRecord>& records, const RouteTable* previous) {
  auto table = std::make_unique<RouteTable>();
  std::vector<PrefixTable<Ipv4Key>::Entry> ipv4;
  std::vector<PrefixTable<Ipv6Key>::Entry> ipv6;
  table->endpoints_.Reserve(records.size());
  table->routes_.reserve(records.size());
  for (const RouteRecord& record : records) {
    int32_t index = static_cast<int32_t>(table->routes_.size());
    table->routes_.push_back({table->AddPeer(record.endpoint, previous), record.icmp_source});
    if (record.prefix.family == 4) {
      ipv4.push_back({Ipv4Key::Load(record.prefix.bytes), record.prefix_length, index});
    } else {
      ipv6.push_back({Ipv6Key::Load(record.prefix.bytes), record.prefix_length, index});
    }
  }
  table->ipv4_.Build(ipv4);
  table->ipv6_.Build(ipv6);
  return table;
}

Peer* RouteTable::AddPeer(const Endpoint& endpoint, const RouteTable* previous) {
  int32_t& index = endpoints_[EndpointKey{endpoint}];
  if (index != HashIndex<EndpointKey>::kAbsent) return peers_[static_cast<size_t>(index)].get();
  index = static_cast<int32_t>(peers_.size());
  const int32_t* known = previous == nullptr ? nullptr : previous->endpoints_.Find(EndpointKey{endpoint});
  peers_.push_back(known == nullptr ? std::make_shared<Peer>(endpoint) : previous->peers_[static_cast<size_t>(*known)]);
  return peers_.back().get();
}

Peer* RouteTable::PeerAt(const Endpoint& endpoint) const {
  const int32_t* index = endpoints_.Find(EndpointKey{endpoint});
  return index == nullptr ? nullptr : peers_[static_cast<size_t>(*index)].get();
}

bool RouteTable::IsHeld(const Endpoint& endpoint, uint64_t since) const {
  for (const auto& peer : peers_) {
    if (peer->Holds(endpoint, since)) return true;
  }
  return false;
}

}  // namespace tartan
