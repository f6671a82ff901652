// A rate limit: `rate` a second on average, `burst` at once.
#pragma once

#include <cstdint>

namespace tartan {

class TokenBucket {
 public:
  TokenBucket(uint64_t rate, uint64_t burst) : cost_(1000000000 / rate), limit_(cost_ * burst), credit_(limit_) {}

  // `now` in nanoseconds of a clock that never goes back.
  bool Take(uint64_t now) {
    uint64_t passed = now - last_;
    credit_ = passed > limit_ - credit_ ? limit_ : credit_ + passed;
    last_ = now;
    if (credit_ < cost_) return false;
    credit_ -= cost_;
    return true;
  }

 private:
  const uint64_t cost_;
  const uint64_t limit_;
  uint64_t credit_;
  uint64_t last_ = 0;
};

}  // namespace tartan
