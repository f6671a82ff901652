// Puts this program and a conflist in place on a node, and takes them away again. An init container needs nothing but this program.
#pragma once

#include <string>
#include <vector>

namespace tartan {

// Arguments without the program's name; the first one is `install` or `uninstall`. Returns the exit code: 0, 1 for a failure that was
// told on standard error, 2 for arguments that make no sense.
int RunInstaller(const std::vector<std::string>& arguments);

}  // namespace tartan
