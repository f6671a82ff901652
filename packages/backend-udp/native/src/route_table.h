// Everything that a packet's way depends on, built whole and then never changed.
#pragma once

#include <memory>
#include <vector>

#include "hash_index.h"
#include "packet.h"
#include "peer.h"
#include "prefix_table.h"

namespace tartan {

// One route as JavaScript gives it.
struct RouteRecord {
  IpAddress prefix;
  int prefix_length = 0;
  Endpoint endpoint;
  IpAddress icmp_source;
};

struct Route {
  Peer* peer;
  IpAddress icmp_source;
};

class RouteTable {
 public:
  // `previous`, if any, hands on the peers that stay, with what was learned about them.
  static std::unique_ptr<RouteTable> Build(const std::vector<RouteRecord>& records, const RouteTable* previous);

  // The route to, or back to, an address of the family of `packet`; nullptr: none.
  const Route* To(const Packet& packet, const uint8_t* address) const {
    int32_t index = packet.version == 4 ? ipv4_.Lookup(Ipv4Key::Load(address)) : ipv6_.Lookup(Ipv6Key::Load(address));
    return index == PrefixTable<Ipv4Key>::kNoMatch ? nullptr : &routes_[static_cast<size_t>(index)];
  }

  // The peer whose lease says `endpoint`; nullptr: nobody's.
  Peer* PeerAt(const Endpoint& endpoint) const;

  // True when some peer was heard at `endpoint` after `since`, which is not in its lease. Looks at all peers.
  bool IsHeld(const Endpoint& endpoint, uint64_t since) const;

  const std::vector<std::shared_ptr<Peer>>& peers() const { return peers_; }

 private:
  struct EndpointKey {
    Endpoint endpoint;
    bool operator==(const EndpointKey& other) const { return endpoint == other.endpoint; }
    uint64_t Hash() const {
      uint64_t low = LoadBe64(endpoint.address.bytes + 8);
      return MixHash(LoadBe64(endpoint.address.bytes) ^ MixHash(low + endpoint.port));
    }
  };

  Peer* AddPeer(const Endpoint& endpoint, const RouteTable* previous);

  PrefixTable<Ipv4Key> ipv4_;
  PrefixTable<Ipv6Key> ipv6_;
  std::vector<Route> routes_;
  std::vector<std::shared_ptr<Peer>> peers_;
  HashIndex<EndpointKey> endpoints_;
};

}  // namespace tartan
