#include "node_status.h"

#include <sys/stat.h>

#include <optional>

#include "cni_error.h"
#include "file.h"
#include "json.h"

namespace tartan {
namespace {

constexpr size_t kStatusFileLimit = 64 * 1024;

bool IsOlder(const std::string& path, const std::string& other) {
  struct stat mine, its;
  if (stat(path.c_str(), &mine) == -1 || stat(other.c_str(), &its) == -1) return false;
  if (mine.st_mtim.tv_sec != its.st_mtim.tv_sec) return mine.st_mtim.tv_sec < its.st_mtim.tv_sec;
  return mine.st_mtim.tv_nsec < its.st_mtim.tv_nsec;
}

}  // namespace

std::string WhyNotReady(const std::string& subnet_file) {
  const std::string path = subnet_file + ".status";
  try {
    const std::optional<std::string> text = ReadIfThere(path, kStatusFileLimit);
    if (!text) return "";
    const Json status = ParseObject(*text, path);
    const Json& ready = Member(status, "ready");
    if (!ready.is_boolean() || ready.get<bool>() || IsOlder(path, subnet_file)) return "";
    return StringMember(status, "reason", "no reason given");
  } catch (const CniError&) {
    return "";
  }
}

}  // namespace tartan
