// What the daemon tells the container runtime about this node: /run/flannel/subnet.env (flannel-compat 7 and 9.2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tartan {

struct SubnetEnv {
  std::vector<std::string> networks;
  std::vector<std::string> ipv6_networks;
  // "" for a family that the node has not. The network, not the daemon's ".1" form.
  std::string subnet;
  std::string ipv6_subnet;
  // For pods.
  uint32_t mtu_bytes = 0;
  // True when the daemon masquerades, so that the delegate must not.
  bool ip_masq = false;
};

// The content of the file at `path`. Throws CniError: kTryAgainLater when the file is not there (the daemon writes it when it has a
// lease), kDecodingFailed naming the line or the missing names when it cannot be used.
SubnetEnv ReadSubnetEnv(const std::string& path);

// The same for a text; `path` is for messages.
SubnetEnv ParseSubnetEnv(const std::string& text, const std::string& path);

}  // namespace tartan
