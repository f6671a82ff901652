#include "packet_loop.h"

#include "tun.h"
#include "udp_socket.h"

namespace tartan {

PacketLoop::PacketLoop(PacketLoopConfig config) : config_(std::move(config)), tables_(config_.queues) {
  for (size_t i = 0; i < kFeatures; i++) {
    if (!config_.wanted[i]) features_.TurnOff(static_cast<Feature>(i), Reason::kSwitchedOff);
  }
}

PacketLoop::~PacketLoop() { Stop(); }

SystemError PacketLoop::Start() {
  std::lock_guard<std::mutex> lock(mutex_);
  SystemError failed = StartAll();
  if (failed) StopWorkers();
  return failed;
}

SystemError PacketLoop::OpenSocket(const IpAddress& address, Descriptor* socket) {
  if (address.family == 0) return {};
  return OpenUdpSocket({{address, config_.port}, config_.queues > 1}, &features_, socket);
}

SystemError PacketLoop::StartAll() {
  if (config_.left_ifindex != 0) {
    if (SystemError failed = CheckLeftDevice(config_.tun_name, config_.left_ifindex)) return failed;
  }
  std::vector<WorkerOptions> all;
  for (size_t i = 0; i < config_.queues; i++) {
    WorkerOptions one{i, config_.tun_name, config_.mtu_bytes, config_.keepalive_seconds, {}, {}, {}};
    if (SystemError failed = OpenSocket(config_.listen_ipv4, &one.ipv4)) return failed;
    if (SystemError failed = OpenSocket(config_.listen_ipv6, &one.ipv6)) return failed;
    all.push_back(std::move(one));
  }
  for (WorkerOptions& one : all) {
    if (SystemError failed = OpenTunQueue(config_.tun_name, config_.mtu_bytes, &features_, &one.tun)) return failed;
  }
  // The kernel takes super-packets without TUN_F_TSO too, but then the way back is slow and nothing is gained.
  if (features_.On(Feature::kCoalesce) && !features_.On(Feature::kTunTso)) {
    features_.TurnOff(Feature::kCoalesce, Reason::kNeedsTunTso);
  }
  for (WorkerOptions& one : all) {
    workers_.push_back(std::make_unique<Worker>(std::move(one), &tables_, &features_));
    if (SystemError failed = workers_.back()->Start()) return failed;
  }
  return {};
}

void PacketLoop::SetRoutes(const std::vector<RouteRecord>& records) {
  std::lock_guard<std::mutex> lock(mutex_);
  tables_.Publish(RouteTable::Build(records, &tables_.Latest()));
}

void PacketLoop::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  StopWorkers();
}

void PacketLoop::StopWorkers() {
  for (auto& worker : workers_) {
    worker->Stop();
    worker->counters().AddTo(ended_);
  }
  workers_.clear();
  tables_.Reclaim();
}

void PacketLoop::ReadCounters(uint64_t* totals) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t i = 0; i < kCounts + kDrops; i++) totals[i] = ended_[i];
  for (const auto& worker : workers_) worker->counters().AddTo(totals);
  tables_.Reclaim();
}

}  // namespace tartan
