#include "version.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "text.h"

#ifndef TARTAN_VERSION
#error "the build script states TARTAN_VERSION"
#endif

namespace tartan {
namespace {

// The form that what(1) looks for. Used by ProgramVersion(), so that no linker drops it.
constexpr char kMark[] = "@(#)tartan-cni ";
constexpr char kMarked[] = "@(#)tartan-cni " TARTAN_VERSION;
constexpr size_t kMarkLength = sizeof kMark - 1;

}  // namespace

const char* ProgramVersion() {
  static const volatile char* const marked = kMarked;
  return const_cast<const char*>(marked) + kMarkLength;
}

std::string VersionInside(const std::string& program) {
  for (size_t at = program.find(kMark); at != std::string::npos; at = program.find(kMark, at + 1)) {
    const size_t start = at + kMarkLength;
    const size_t end = program.find('\0', start);
    // The mark itself stands in every such program too, without a version.
    if (end != std::string::npos && end != start && end - start < 64 && isdigit(static_cast<unsigned char>(program[start]))) {
      return program.substr(start, end - start);
    }
  }
  return "";
}

const std::vector<std::string>& SupportedVersions() {
  static const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return versions;
}

int CompareVersions(const std::string& left, const std::string& right) {
  const auto numbers = [](const std::string& version) { return Split(version.substr(0, version.find('-')), '.'); };
  const std::vector<std::string> a = numbers(left);
  const std::vector<std::string> b = numbers(right);
  for (size_t i = 0; i < std::max(a.size(), b.size()); i++) {
    const long x = i < a.size() ? strtol(a[i].c_str(), nullptr, 10) : 0;
    const long y = i < b.size() ? strtol(b[i].c_str(), nullptr, 10) : 0;
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

}  // namespace tartan
