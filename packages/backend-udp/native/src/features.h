// Which offloads are in use, and why one is not. Threads read it on every round and may give a feature up for good.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tartan {

enum class Feature : size_t { kTunTso, kTunUso, kUdpSegment, kUdpGro, kCoalesce };
// In the order of Feature, as in PacketLoopOffloads.
constexpr const char* kFeatureNames[] = {"tunTso", "tunUso", "udpSegment", "udpGro", "coalesce"};
constexpr size_t kFeatures = sizeof kFeatureNames / sizeof kFeatureNames[0];

enum class Reason : uint32_t {
  kNone,
  kSwitchedOff,
  kNeedsTunTso,
  // An errno from the system call or option named here.
  kTunSetOffload,
  kUdpSegmentOption,
  kUdpGroOption,
  kSendWithSegments,
};
// What stands after "EIO from".
constexpr const char* kReasonTexts[] = {"", "switched off", "needs tunTso", "TUNSETOFFLOAD", "setsockopt UDP_SEGMENT", "setsockopt UDP_GRO",
                                        "sendmsg with UDP_SEGMENT"};

class Features {
 public:
  bool On(Feature feature) const { return Load(feature) == 0; }
  Reason WhyOff(Feature feature) const { return static_cast<Reason>(Load(feature) >> 16); }
  // 0 for reasons that have none.
  int ErrnoOf(Feature feature) const { return static_cast<int>(Load(feature) & 0xffff); }

  void TurnOff(Feature feature, Reason reason, int error = 0) {
    states_[static_cast<size_t>(feature)].store(static_cast<uint32_t>(reason) << 16 | static_cast<uint32_t>(error),
                                                std::memory_order_relaxed);
  }

 private:
  uint32_t Load(Feature feature) const { return states_[static_cast<size_t>(feature)].load(std::memory_order_relaxed); }

  // Reason in the upper half, errno in the lower; 0: on.
  std::atomic<uint32_t> states_[kFeatures] = {};
};

}  // namespace tartan
