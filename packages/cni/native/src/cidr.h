// Prefixes in text form.
#pragma once

#include <string>

namespace tartan {

// The network of `text` (10.5.72.1/24 is in 10.5.72.0/24), in the form of RFC 5952. `family` is AF_INET or AF_INET6. "" when the text
// is no prefix of that family.
std::string NetworkOf(const std::string& text, int family);

}  // namespace tartan
