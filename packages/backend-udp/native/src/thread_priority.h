// How far the calling thread comes before others, by what it moves.
//
// Of every packet's processor time the loop needs a multiple of what the sending program needs. With equal shares it is the loop that
// falls behind, TCP fills the queues before it, and all else waits there: 4 to 10 ms beside one stream on two busy processors, 0.3 ms
// at nice -10. But a thread that takes the processor from the sender of each small packet has nothing to batch, and carried 0.6 to 0.7
// of what it carried at nice 0. So it is -10, and 0 while small packets come in masses. Not -20: others must keep a tenth.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tartan {

class ThreadPriority {
 public:
  static constexpr int kNice = -10;
  // Decided anew after so many reads and received messages. Small is less than this on average; masses are a window within its time.
  static constexpr size_t kWindow = 256;
  static constexpr size_t kSmallBytes = 2048;
  static constexpr uint64_t kMassesNanoseconds = 25000000;

  // On the thread that it is for. Of this thread alone (setpriority(2), "BUGS").
  void Start(uint64_t now) {
    ordinary_ = wanted_ = getpriority(PRIO_PROCESS, 0);
    since_ = now;
    Apply(std::min(ordinary_, kNice));
  }

  // `bytes` in `messages`, just moved. `now` is asked for the time in nanoseconds, once in a window.
  template <typename Clock>
  void Count(size_t messages, size_t bytes, Clock now) {
    messages_ += messages;
    bytes_ += bytes;
    if (messages_ < kWindow) return;
    uint64_t at = now();
    bool gather = bytes_ < messages_ * kSmallBytes && at - since_ < kMassesNanoseconds;
    Apply(gather ? ordinary_ : std::min(ordinary_, kNice));
    since_ = at;
    messages_ = bytes_ = 0;
  }

  int wanted() const { return wanted_; }

 private:
  // Without CAP_SYS_NICE, or room in RLIMIT_NICE, the kernel says no, and packets flow all the same.
  void Apply(int nice) {
    if (nice != wanted_) setpriority(PRIO_PROCESS, 0, nice);
    wanted_ = nice;
  }

  int ordinary_ = 0;
  int wanted_ = 0;
  size_t messages_ = 0;
  size_t bytes_ = 0;
  uint64_t since_ = 0;
};

}  // namespace tartan
