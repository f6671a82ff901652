// Our part of the network config (flannel-compat 9.1).
#pragma once

#include <string>

#include "json.h"

namespace tartan {

struct NetConfig {
  std::string name;
  // "" when the config names none.
  std::string cni_version;
  std::string subnet_file;
  std::string data_dir;
  Json delegate;
  // Base of the delegate's.
  Json ipam;
  // null when there is none.
  Json runtime_config;
};

// Throws CniError with kInvalidNetworkConfig for members of a wrong type. What the delegate may hold is checked when it is rendered:
// DEL must not fail because somebody edited the config since ADD.
NetConfig ReadNetConfig(const Json& config);

}  // namespace tartan
