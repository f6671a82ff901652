#include "conflist.h"

#include <dirent.h>

#include <algorithm>
#include <set>

#include "cni_error.h"
#include "delegate.h"
#include "json.h"
#include "process.h"
#include "text.h"
#include "version.h"

namespace tartan {
namespace {

std::set<std::string> Speaks(const std::string& type, const std::string& bin_dir) {
  if (type == "tartan" || type == "flannel") return {SupportedVersions().begin(), SupportedVersions().end()};
  const std::string program = FindProgram(type, bin_dir);
  if (program.empty()) return {};
  try {
    const ProcessOutcome outcome = RunProgram(program, {"CNI_COMMAND=VERSION", "CNI_PATH=" + bin_dir}, "{\"cniVersion\":\"1.0.0\"}");
    const Json answer = ParseObject(outcome.output, type);
    std::set<std::string> versions;
    for (const Json& version : Member(answer, "supportedVersions")) {
      if (version.is_string()) versions.insert(version.get<std::string>());
    }
    return versions;
  } catch (const CniError&) {
    return {};
  }
}

// The plugin itself, and those that our plugin will run.
void CollectTypes(const Json& plugin, std::set<std::string>* types) {
  const std::string type = StringMember(plugin, "type", "");
  types->insert(type);
  const Json ipam = ObjectMember(plugin, "ipam");
  if (type == "tartan" || type == "flannel") {
    types->insert(StringMember(ObjectMember(plugin, "delegate"), "type", "bridge"));
    types->insert(StringMember(ipam, "type", "host-local"));
  } else if (ipam.contains("type")) {
    types->insert(StringMember(ipam, "type", ""));
  }
}

std::set<std::string> TypesIn(const Json& list, const std::string& path) {
  const Json& plugins = Member(list, "plugins");
  if (!plugins.is_array() || plugins.empty()) throw CniError(kInvalidNetworkConfig, path + " has no plugins");
  std::set<std::string> types;
  for (const Json& plugin : plugins) {
    if (!plugin.is_object()) throw CniError(kInvalidNetworkConfig, path + ": each plugin must be an object");
    CollectTypes(plugin, &types);
  }
  return types;
}

}  // namespace

std::string FitConflist(const std::string& text, const std::string& path, const std::string& bin_dir) {
  const Json list = ParseObject(text, path);
  const std::set<std::string> types = TypesIn(list, path);
  if (StringMember(list, "name", "").empty()) throw CniError(kInvalidNetworkConfig, path + " has no name");
  const Json& wanted = Member(list, "cniVersions");
  if (!wanted.is_array()) return text;
  const std::string base = StringMember(list, "cniVersion", "");
  std::vector<std::set<std::string>> spoken;
  for (const std::string& type : types) spoken.push_back(Speaks(type, bin_dir));
  Json fitting = Json::array();
  for (const Json& version : wanted) {
    const auto knows = [&](const std::set<std::string>& versions) { return version.is_string() && versions.count(version.get<std::string>()) > 0; };
    if (version == base || std::all_of(spoken.begin(), spoken.end(), knows)) fitting.push_back(version);
  }
  Json fitted = list;
  fitted["cniVersions"] = fitting;
  return fitted.dump(2) + "\n";
}

std::vector<std::string> NamesWithSuffix(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> names;
  DIR* open = opendir(directory.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0) names.push_back(name);
  }
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tartan
