#include "delegate.h"

#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "cni_error.h"
#include "file.h"
#include "process.h"
#include "text.h"

namespace tartan {
namespace {

// What the original plugin's state files do not tell; Kubernetes knows no other name.
constexpr char kUsualIfname[] = "eth0";

std::vector<std::string> EnvironmentWithout(const std::vector<std::string>& names) {
  std::vector<std::string> kept;
  for (char** entry = environ; *entry != nullptr; entry++) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    bool drop = false;
    for (const std::string& other : names) drop = drop || other == name;
    if (!drop) kept.push_back(text);
  }
  return kept;
}

bool IsOurself(const std::string& program) {
  struct stat its, ours;
  return stat(program.c_str(), &its) == 0 && stat("/proc/self/exe", &ours) == 0 && its.st_dev == ours.st_dev &&
         its.st_ino == ours.st_ino;
}

std::string Find(const std::string& type, const std::string& path) {
  const std::string program = FindProgram(type, path);
  if (program.empty()) throw CniError(kInternal, "failed to find plugin \"" + type + "\" in path [" + path + "]");
  if (IsOurself(program)) throw CniError(kInvalidNetworkConfig, "this plugin cannot be its own delegate", program);
  return program;
}

// By the specification `code` is a positive number and `msg` a string.
bool IsErrorObject(const std::string& output) {
  try {
    const Json object = ParseObject(output, "delegate's error");
    return Member(object, "code").is_number_integer() && Member(object, "msg").is_string();
  } catch (const CniError&) {
    return false;
  }
}

std::string Run(const DelegateCall& call, const std::vector<std::string>& environment) {
  const std::string type = StringMember(call.config, "type", "");
  RequirePluginType(type);
  const ProcessOutcome outcome = RunProgram(Find(type, call.path), environment, Print(call.config));
  if (outcome.exit_code == 0) return outcome.output;
  if (IsErrorObject(outcome.output)) throw DelegateError(outcome.output);
  const std::string said = Trim(outcome.complaint.empty() ? outcome.output : outcome.complaint);
  throw CniError(kInternal, "plugin " + type + " failed with exit code " + std::to_string(outcome.exit_code), said);
}

}  // namespace

void RequirePluginType(const std::string& type) {
  if (type.empty() || type == "." || type == ".." || type.find('/') != std::string::npos) {
    throw CniError(kInvalidNetworkConfig, "the delegate's type is no name of a plugin", type);
  }
  // Also a copy of this program under its other name would call itself for ever.
  if (type == "flannel" || type == "tartan") {
    throw CniError(kInvalidNetworkConfig, "this plugin cannot be its own delegate", type);
  }
}

std::string FindProgram(const std::string& name, const std::string& path) {
  for (const std::string& directory : Split(path, ':')) {
    if (directory.empty()) continue;
    const std::string program = PathOf(directory, name);
    struct stat file;
    if (stat(program.c_str(), &file) == 0 && S_ISREG(file.st_mode)) return program;
  }
  return "";
}

std::string RunDelegate(const DelegateCall& call) {
  std::vector<std::string> environment = EnvironmentWithout({"CNI_COMMAND"});
  environment.push_back("CNI_COMMAND=" + call.command);
  return Run(call, environment);
}

std::string RunDelegateFor(const DelegateCall& call, const Attachment& attachment) {
  std::vector<std::string> environment =
      EnvironmentWithout({"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS"});
  environment.push_back("CNI_COMMAND=" + call.command);
  environment.push_back("CNI_CONTAINERID=" + attachment.container_id);
  environment.push_back("CNI_IFNAME=" + (attachment.ifname.empty() ? kUsualIfname : attachment.ifname));
  return Run(call, environment);
}

}  // namespace tartan
