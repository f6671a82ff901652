#include "invocation.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "cni_error.h"
#include "file.h"
#include "text.h"
#include "version.h"

namespace tartan {
namespace {

constexpr size_t kInputLimit = 16 * 1024 * 1024;
// IFNAMSIZ with its final zero byte.
constexpr size_t kIfnameLimit = 15;

struct Command {
  const char* name;
  bool needs_container;
  bool needs_netns;
  bool needs_path;
  // First version of the specification that has it.
  const char* since;
};

constexpr Command kCommands[] = {
    {"ADD", true, true, true, "0.1.0"},       {"DEL", true, false, true, "0.1.0"},   {"CHECK", true, true, true, "0.4.0"},
    {"STATUS", false, false, true, "1.1.0"}, {"GC", false, false, true, "1.1.0"}, {"VERSION", false, false, false, "0.1.0"},
};

const Command& FindCommand(const std::string& name) {
  for (const Command& command : kCommands) {
    if (name == command.name) return command;
  }
  throw CniError(kInvalidEnvironment, "unknown CNI_COMMAND: " + name);
}

void CheckPresence(const Command& command, const Invocation& call) {
  std::vector<std::string> missing;
  if (command.needs_container && call.container_id.empty()) missing.push_back("CNI_CONTAINERID");
  if (command.needs_netns && call.netns.empty()) missing.push_back("CNI_NETNS");
  if (command.needs_container && call.ifname.empty()) missing.push_back("CNI_IFNAME");
  if (command.needs_path && call.path.empty()) missing.push_back("CNI_PATH");
  if (missing.empty()) return;
  throw CniError(kInvalidEnvironment, "required env variables [" + Join(missing, ",") + "] missing");
}

// Letters, digits, `_`, `.` and `-`, the first one a letter or digit: what the specification allows in container IDs and network
// names, and what makes them safe as file names.
bool IsPlainName(const std::string& text) {
  const auto alphanumeric = [](char c) { return isalnum(static_cast<unsigned char>(c)) != 0; };
  return !text.empty() && alphanumeric(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return alphanumeric(c) || c == '_' || c == '.' || c == '-';
  });
}

bool IsInterfaceName(const std::string& text) {
  if (text.size() > kIfnameLimit || text == "." || text == "..") return false;
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '/' || c == ':' || isspace(static_cast<unsigned char>(c)); });
}

void CheckNames(const Invocation& call) {
  if (!call.container_id.empty() && !IsPlainName(call.container_id)) {
    throw CniError(kInvalidEnvironment, "invalid characters in containerID", call.container_id);
  }
  if (!call.ifname.empty() && !IsInterfaceName(call.ifname)) {
    throw CniError(kInvalidEnvironment, "invalid interface name", call.ifname);
  }
}

std::string VersionOf(const Json& config) {
  const Json& version = Member(config, "cniVersion");
  if (version.is_null()) return "";
  if (!version.is_string()) throw CniError(kDecodingFailed, "'cniVersion' must be a string");
  return version.get<std::string>();
}

void CheckVersion(const Command& command, const Invocation& call) {
  const std::string version = call.cni_version();
  const std::vector<std::string>& supported = SupportedVersions();
  if (std::find(supported.begin(), supported.end(), version) == supported.end()) {
    throw CniError(kIncompatibleVersion, "incompatible CNI versions",
                   "config is \"" + version + "\", plugin supports [\"" + Join(supported, "\" \"") + "\"]");
  }
  if (CompareVersions(version, command.since) < 0) {
    throw CniError(kIncompatibleVersion, std::string("config version does not allow ") + command.name);
  }
}

void CheckNetworkName(const Json& config) {
  const std::string name = StringMember(config, "name", "");
  if (name.empty()) throw CniError(kInvalidNetworkConfig, "missing network name");
  if (!IsPlainName(name)) throw CniError(kInvalidNetworkConfig, "invalid characters found in network name", name);
}

}  // namespace

Invocation ReadInvocation(std::string* cni_version) {
  Invocation call;
  call.command = Environment("CNI_COMMAND");
  call.container_id = Environment("CNI_CONTAINERID");
  call.netns = Environment("CNI_NETNS");
  call.ifname = Environment("CNI_IFNAME");
  call.path = Environment("CNI_PATH");
  call.config = Json::object();
  const Command& command = FindCommand(call.command);
  CheckPresence(command, call);
  if (call.command == "VERSION") return call;
  call.config = ParseObject(ReadAll(STDIN_FILENO, "standard input", kInputLimit), "network config");
  call.config_version = VersionOf(call.config);
  CheckVersion(command, call);
  *cni_version = call.cni_version();
  CheckNetworkName(call.config);
  CheckNames(call);
  return call;
}

}  // namespace tartan
