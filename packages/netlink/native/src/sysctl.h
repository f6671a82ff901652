// Reads and writes /proc/sys of a network namespace: what lies below net/ depends on the namespace of the thread that opens it.
#pragma once

#include <node_api.h>

namespace tartan {

// readSysctl(netns: string, file: string): string. Throws an errno.
napi_value ReadSysctl(napi_env env, napi_callback_info info);

// writeSysctl(netns: string, file: string, value: string): void. Throws an errno; never creates a file.
napi_value WriteSysctl(napi_env env, napi_callback_info info);

}  // namespace tartan
