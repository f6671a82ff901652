#include "../src/thread_priority.h"

#include "check.h"

using namespace tartan;

TEST(the_thread_comes_first_but_for_masses_of_small_packets) {
  constexpr uint64_t kMillisecond = 1000000;
  constexpr size_t kWindow = ThreadPriority::kWindow;
  const int ordinary = getpriority(PRIO_PROCESS, 0), first = std::min(ordinary, ThreadPriority::kNice);
  uint64_t time = 0;
  auto clock = [&] { return time += kMillisecond; };
  ThreadPriority priority;
  priority.Start(time);
  CHECK(priority.wanted() == first);
  priority.Count(kWindow, kWindow * 60000, clock);
  CHECK(priority.wanted() == first);
  priority.Count(kWindow, kWindow * 92, clock);
  CHECK(priority.wanted() == ordinary);
  priority.Count(kWindow - 1, (kWindow - 1) * 60000, clock);
  CHECK(priority.wanted() == ordinary);
  priority.Count(1, 92, clock);
  CHECK(priority.wanted() == first);
  time += ThreadPriority::kMassesNanoseconds;
  priority.Count(kWindow, kWindow * 92, clock);
  CHECK(priority.wanted() == first);
}
