#include "napi_util.h"

#include <uv.h>

namespace tartan {

void ThrowErrno(napi_env env, int error, const char* syscall) {
  char name[64];
  char text[128];
  uv_err_name_r(-error, name, sizeof name);
  uv_strerror_r(-error, text, sizeof text);
  std::string message = std::string(syscall) + ": " + name + ", " + text;
  napi_value code, message_value, exception, syscall_value;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, message.c_str(), message.size(), &message_value);
  napi_create_error(env, code, message_value, &exception);
  napi_set_named_property(env, exception, "errno", Number(env, error));
  napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &syscall_value);
  napi_set_named_property(env, exception, "syscall", syscall_value);
  napi_throw(env, exception);
}

bool GetText(napi_env env, napi_value value, std::string* out) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  out->resize(length + 1);
  napi_get_value_string_utf8(env, value, out->data(), length + 1, &length);
  out->resize(length);
  return true;
}

napi_value Number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value Undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}

napi_property_descriptor Method(const char* name, napi_callback callback) {
  napi_property_descriptor descriptor{};
  descriptor.utf8name = name;
  descriptor.method = callback;
  descriptor.attributes = napi_default;
  return descriptor;
}

}  // namespace tartan
