// Small helpers over Node-API's C interface: errors that carry an errno, and reading arguments.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>

namespace tartan {

// Throws a JavaScript Error with `code` ("EPERM"), `errno` (positive) and `syscall`.
void ThrowErrno(napi_env env, int error, const char* syscall);

// Reads `argv[index]` as text. Returns false for undefined, null and everything that is no string.
bool GetText(napi_env env, napi_value value, std::string* out);

napi_value Number(napi_env env, double value);
napi_value Undefined(napi_env env);

// Defines a method on the prototype of a class.
napi_property_descriptor Method(const char* name, napi_callback callback);

}  // namespace tartan
