// What the runtime asks for: environment and standard input, checked by the rules of the CNI specification 1.1.0, section 2.
#pragma once

#include <string>

#include "json.h"

namespace tartan {

struct Invocation {
  std::string command;
  std::string container_id;
  std::string netns;
  std::string ifname;
  // CNI_PATH, directories separated by colons.
  std::string path;
  // Standard input; an empty object for VERSION.
  Json config;
  // As in the config, "" when it has none.
  std::string config_version;

  // What counts when the config names no version.
  std::string cni_version() const { return config_version.empty() ? "0.1.0" : config_version; }
};

// Reads and checks all of it. Throws CniError with the code that the specification gives. `cni_version` is set as soon as it is
// known, for the error object.
Invocation ReadInvocation(std::string* cni_version);

}  // namespace tartan
