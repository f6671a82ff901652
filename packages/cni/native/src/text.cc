#include "text.h"

#include <string.h>

#include <cstdlib>

namespace tartan {

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> pieces;
  size_t start = 0;
  for (size_t end = text.find(separator); end != std::string::npos; end = text.find(separator, start)) {
    pieces.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  pieces.push_back(text.substr(start));
  return pieces;
}

std::string Join(const std::vector<std::string>& pieces, const std::string& separator) {
  std::string joined;
  for (const std::string& piece : pieces) joined += (joined.empty() ? "" : separator) + piece;
  return joined;
}

std::string Trim(const std::string& text) {
  constexpr const char* kBlank = " \t\r\n";
  const size_t start = text.find_first_not_of(kBlank);
  if (start == std::string::npos) return "";
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

std::string WithErrno(const std::string& description, int error_number) {
  return description + ": " + strerrordesc_np(error_number);
}

}  // namespace tartan
