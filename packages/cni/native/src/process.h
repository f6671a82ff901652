// A program run to its end, without a shell.
#pragma once

#include <string>
#include <vector>

namespace tartan {

struct ProcessOutcome {
  // As a shell shows it: 128 + signal for a program that was killed.
  int exit_code;
  std::string output;
  // Last part of what it said on standard error; all of that went to our own as well.
  std::string complaint;
};

// Runs `program` with `environment` ("NAME=value") and `input` on standard input. Throws CniError with kInternal when it cannot be
// started.
ProcessOutcome RunProgram(const std::string& program, const std::vector<std::string>& environment, const std::string& input);

}  // namespace tartan
