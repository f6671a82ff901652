// Runs a piece of work inside another network namespace without moving the process.
//
// A namespace belongs to a thread (setns(2)), and a socket stays in the namespace in which it was opened. So a thread that
// lives only for this call enters the namespace, does the work and ends; nothing has to be undone, and no failure can leave
// one of the process's own threads in the wrong namespace.
#pragma once

#include <string>

namespace tartan {

// `work` returns 0 or a negative errno, which is passed on; so is what kept it from running (ENOENT, EPERM, EAGAIN, ...).
// With an empty `path` the work runs on the calling thread, in its own namespace.
int RunInNetns(const std::string& path, int (*work)(void*), void* argument);

}  // namespace tartan
