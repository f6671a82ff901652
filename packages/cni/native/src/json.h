// JSON as the plugin uses it: nlohmann's value type, whose objects are sorted by key as those of Go's encoding/json are, so that a
// rendered configuration has the same bytes as the original plugin's.
#pragma once

#include <string>

// Iostreams cost 300 KB of a static binary and a noticeable part of its start.
#define JSON_NO_IO 1
#define JSON_USE_IMPLICIT_CONVERSIONS 0
#include <nlohmann/json.hpp>

namespace tartan {

using Json = nlohmann::json;

// The object that `text` holds. Throws CniError with kDecodingFailed, naming `what`, for anything else, and for nesting so deep that
// printing it again could exhaust the stack.
Json ParseObject(const std::string& text, const std::string& what);

// Never throws: bytes that are no UTF-8 (an environment variable quoted in an error) become U+FFFD.
std::string Print(const Json& value);

// The member `key` of an object, null when there is none. Falls back to a key that differs only by case, as Go's decoder matches.
const Json& Member(const Json& object, const char* key);

// Member() as a string; `fallback` when it is missing or null. Throws CniError with kInvalidNetworkConfig for any other type.
std::string StringMember(const Json& object, const char* key, const std::string& fallback);

// Member() as an object; an empty one when it is missing or null. Throws like StringMember.
Json ObjectMember(const Json& object, const char* key);

}  // namespace tartan
