// Runs the tests whose names are given, or all. `--list` prints the names.
#include <cstring>

#include "check.h"

int main(int count, char** names) {
  if (count == 2 && std::strcmp(names[1], "--list") == 0) {
    for (auto* test = tartan_test::Tests(); test != nullptr; test = test->next) std::puts(test->name);
    return 0;
  }
  int run = 0;
  for (auto* test = tartan_test::Tests(); test != nullptr; test = test->next) {
    bool wanted = count == 1;
    for (int i = 1; i < count; i++) wanted |= std::strcmp(names[i], test->name) == 0;
    if (!wanted) continue;
    std::fprintf(stderr, "%s\n", test->name);
    test->body();
    run++;
  }
  return run > 0 ? 0 : 2;
}
