// One thread, one queue of the TUN, one socket of each family.
//
//   TUN ─read─▶ parse, route, hop ─▶ Segmenter ─▶ DatagramBatch ─sendmmsg─▶ peer
//   peer ─recvmmsg─▶ parse, check sender ─▶ Coalescer ─writev─▶ TUN
//
// The thread sleeps in poll(2) until something can be read, then moves what is there in bounded rounds, one direction after the
// other, so that neither starves. One thread does both directions: on two cores a pair of threads was no faster.
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "coalescer.h"
#include "counters.h"
#include "datagram_batch.h"
#include "features.h"
#include "icmp_error.h"
#include "receive_buffer.h"
#include "system_error.h"
#include "table_holder.h"
#include "thread_priority.h"
#include "token_bucket.h"

namespace tartan {

struct WorkerOptions {
  size_t index;
  // Opened again under this name when somebody deletes the device.
  std::string tun_name;
  int mtu_bytes;
  // 0: none. Only the first worker sends them.
  int keepalive_seconds;
  Descriptor tun;
  Descriptor ipv4;
  Descriptor ipv6;
};

class Worker : private PacketSink, private DatagramBatch::TooBigHandler {
 public:
  Worker(WorkerOptions options, TableHolder* tables, Features* features);
  ~Worker() override;

  // 0 or an errno.
  SystemError Start();
  // Wakes the thread and waits until it has ended. Idempotent.
  void Stop();

  const Counters& counters() const { return counters_; }

 private:
  enum Ready : unsigned { kTun = 1, kIpv4 = 2, kIpv6 = 4, kStop = 8 };

  static void* Main(void* self);
  void Run();
  unsigned Wait(bool sleep);
  int SleepMilliseconds() const;

  // Each moves at most one round and returns false when nothing is left to read.
  bool MoveOut();
  bool MoveIn(int fd);

  void Forward(uint8_t* data, size_t bytes);
  void Receive(const ReceivedMessage& message);
  void ReceiveDatagram(uint8_t* data, size_t bytes, const Endpoint& source, Peer* sender);
  bool MayCome(const Packet& packet, const Endpoint& source, Peer* sender);
  bool MayRoam(Peer* peer, const Endpoint& source);
  bool OnTooBig(const Datagram& datagram) override;
  // Asks the rate limit, too: errors must not cost more than the packets that they are about.
  bool MayReportNow(const Packet& packet, const Route& route);
  void WriteError(const Packet& packet, const Route& route, IcmpError error, uint16_t mtu_bytes);
  void Write(const iovec* pieces, int count, size_t bytes, size_t packets) override;
  bool WriteTun(const iovec* pieces, int count, size_t packets);
  void SendKeepalives();
  void LoseTun();
  void ReopenTun();

  WorkerOptions options_;
  TableHolder* const tables_;
  Features* const features_;
  Counters counters_;
  DatagramBatch batch_;
  Coalescer coalescer_;
  ReceiveBuffer received_;
  std::vector<uint8_t> arena_;
  ThreadPriority priority_;
  TokenBucket icmp_limit_;
  TokenBucket roam_limit_;
  const RouteTable* table_ = nullptr;
  uint64_t keepalive_at_ = 0;
  // When the round of received datagrams began; with keep-alives only.
  uint64_t received_at_ = 0;
  uint64_t reopen_at_ = 0;
  Descriptor wake_;
  pthread_t thread_{};
  bool running_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace tartan
