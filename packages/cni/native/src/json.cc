#include "json.h"

#include <strings.h>

#include "cni_error.h"

namespace tartan {
namespace {

constexpr int kDeepest = 100;

bool NestsTooDeep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') i++;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return true;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return false;
}

}  // namespace

Json ParseObject(const std::string& text, const std::string& what) {
  if (NestsTooDeep(text)) throw CniError(kDecodingFailed, what + " is nested too deep");
  Json value;
  try {
    value = Json::parse(text);
  } catch (const Json::exception& error) {
    throw CniError(kDecodingFailed, what + " is not JSON", error.what());
  }
  if (!value.is_object()) throw CniError(kDecodingFailed, what + " is not a JSON object");
  return value;
}

std::string Print(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json& Member(const Json& object, const char* key) {
  static const Json none;
  const auto exact = object.find(key);
  if (exact != object.end()) return *exact;
  for (auto member = object.begin(); member != object.end(); ++member) {
    if (strcasecmp(member.key().c_str(), key) == 0) return *member;
  }
  return none;
}

std::string StringMember(const Json& object, const char* key, const std::string& fallback) {
  const Json& member = Member(object, key);
  if (member.is_null()) return fallback;
  if (!member.is_string()) throw CniError(kInvalidNetworkConfig, std::string("'") + key + "' must be a string");
  return member.get<std::string>();
}

Json ObjectMember(const Json& object, const char* key) {
  const Json& member = Member(object, key);
  if (member.is_null()) return Json::object();
  if (!member.is_object()) throw CniError(kInvalidNetworkConfig, std::string("'") + key + "' must be an object");
  return member;
}

}  // namespace tartan
