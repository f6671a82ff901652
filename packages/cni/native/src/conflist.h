// The network config list, made to fit the plugins of this node.
#pragma once

#include <string>
#include <vector>

namespace tartan {

// `text` with `cniVersions` cut to what every plugin of the list says that it speaks (CNI command VERSION, programs in `bin_dir`).
// Runtimes that know `cniVersions` take the highest of it, and a plugin that does not speak that would refuse every pod. A list
// without `cniVersions` is returned as it is. Without an answer from some plugin only `cniVersion` is left. Throws CniError for what
// is no config list; `path` is for messages.
std::string FitConflist(const std::string& text, const std::string& path, const std::string& bin_dir);

// Names of a directory's files that end so; none when there is no directory.
std::vector<std::string> NamesWithSuffix(const std::string& directory, const std::string& suffix);

}  // namespace tartan
