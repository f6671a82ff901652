// The whole loop: opens the TUN and the sockets, runs the workers, swaps the table, adds the counters up.
//
// Sockets are opened first: a second loop on the same port fails before it touches the TUN of the first one. Every method may be
// called from any thread; none is on the packet path.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker.h"

namespace tartan {

struct PacketLoopConfig {
  std::string tun_name;
  int mtu_bytes = 0;
  // Family 0: no socket of that family.
  IpAddress listen_ipv4;
  IpAddress listen_ipv6;
  uint16_t port = 0;
  size_t queues = 1;
  // In the order of Feature.
  bool wanted[kFeatures] = {};
  int keepalive_seconds = 0;
  // Not 0: only on this device, which nobody uses (CheckLeftDevice).
  int left_ifindex = 0;
};

class PacketLoop {
 public:
  explicit PacketLoop(PacketLoopConfig config);
  ~PacketLoop();

  // Once. When it fails everything is released.
  SystemError Start();
  // Before, while and after it runs.
  void SetRoutes(const std::vector<RouteRecord>& records);
  // Blocks until all threads have ended (one round each) and closes all descriptors. Counters stay. Idempotent.
  void Stop();
  // kCounts + kDrops numbers.
  void ReadCounters(uint64_t* totals);
  const Features& features() const { return features_; }

 private:
  SystemError OpenSocket(const IpAddress& address, Descriptor* socket);
  SystemError StartAll();
  void StopWorkers();

  const PacketLoopConfig config_;
  Features features_;
  std::mutex mutex_;
  TableHolder tables_;
  std::vector<std::unique_ptr<Worker>> workers_;
  uint64_t ended_[kCounts + kDrops] = {};
};

}  // namespace tartan
