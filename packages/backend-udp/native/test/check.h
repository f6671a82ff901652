// As much of a test framework as these tests need: registration, checks that say where, a random source with a printed seed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace tartan_test {

struct Test {
  const char* name;
  void (*body)();
  Test* next;
};

inline Test*& Tests() {
  static Test* first = nullptr;
  return first;
}

struct Registration {
  Registration(const char* name, void (*body)()) : test{name, body, Tests()} { Tests() = &test; }
  Test test;
};

// xorshift64*; the same numbers in every run.
class Random {
 public:
  explicit Random(uint64_t seed = 0x9e3779b97f4a7c15ull) : state_(seed) {}
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dull;
  }
  // 0 .. limit - 1.
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>((Next() >> 33) % limit); }
  bool OneIn(uint32_t chances) { return Below(chances) == 0; }

 private:
  uint64_t state_;
};

}  // namespace tartan_test

#define TEST(name)                                                          \
  static void Test_##name();                                                \
  static tartan_test::Registration registration_##name(#name, Test_##name); \
  static void Test_##name()

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
      std::abort();                                                            \
    }                                                                          \
  } while (0)
