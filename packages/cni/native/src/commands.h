// The commands of the CNI specification 1.1.0, section 2. Each returns what goes to standard output, and throws CniError or
// DelegateError.
#pragma once

#include <string>

#include "invocation.h"

namespace tartan {

std::string RunCommand(const Invocation& call);

}  // namespace tartan
