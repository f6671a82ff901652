#include "subnet_env.h"

#include <netinet/in.h>

#include <algorithm>
#include <optional>

#include "cidr.h"
#include "cni_error.h"
#include "file.h"
#include "text.h"

namespace tartan {
namespace {

constexpr size_t kSubnetFileLimit = 64 * 1024;

struct Line {
  const std::string& path;
  std::string key;
  std::string value;

  [[noreturn]] void Reject(const std::string& reason) const {
    throw CniError(kDecodingFailed, path + ": " + key + "=" + value + " " + reason);
  }
};

std::string OneNetwork(const Line& line, const std::string& text, int family) {
  const std::string network = NetworkOf(Trim(text), family);
  if (network.empty()) line.Reject(family == AF_INET ? "is no IPv4 prefix" : "is no IPv6 prefix");
  return network;
}

std::vector<std::string> Networks(const Line& line, int family) {
  std::vector<std::string> networks;
  for (const std::string& piece : Split(line.value, ',')) {
    const std::string network = OneNetwork(line, piece, family);
    if (std::find(networks.begin(), networks.end(), network) == networks.end()) networks.push_back(network);
  }
  return networks;
}

uint32_t Mtu(const Line& line) {
  if (line.value.empty() || line.value.size() > 10 || line.value.find_first_not_of("0123456789") != std::string::npos) {
    line.Reject("is no number");
  }
  const unsigned long long mtu = strtoull(line.value.c_str(), nullptr, 10);
  if (mtu > UINT32_MAX) line.Reject("is too large");
  return static_cast<uint32_t>(mtu);
}

struct Draft {
  SubnetEnv env;
  bool has_mtu = false;
  bool has_ip_masq = false;

  void Take(const Line& line) {
    if (line.key == "FLANNEL_NETWORK") env.networks = Networks(line, AF_INET);
    else if (line.key == "FLANNEL_IPV6_NETWORK") env.ipv6_networks = Networks(line, AF_INET6);
    else if (line.key == "FLANNEL_SUBNET") env.subnet = OneNetwork(line, line.value, AF_INET);
    else if (line.key == "FLANNEL_IPV6_SUBNET") env.ipv6_subnet = OneNetwork(line, line.value, AF_INET6);
    else if (line.key == "FLANNEL_MTU") env.mtu_bytes = Mtu(line), has_mtu = true;
    else if (line.key == "FLANNEL_IPMASQ") env.ip_masq = line.value == "true", has_ip_masq = true;
  }

  std::vector<std::string> Missing() const {
    std::vector<std::string> names;
    if (env.networks.empty() && env.ipv6_networks.empty()) names.insert(names.end(), {"FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"});
    if (env.subnet.empty() && env.ipv6_subnet.empty()) names.insert(names.end(), {"FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"});
    if (!has_mtu) names.push_back("FLANNEL_MTU");
    if (!has_ip_masq) names.push_back("FLANNEL_IPMASQ");
    return names;
  }
};

}  // namespace

SubnetEnv ParseSubnetEnv(const std::string& text, const std::string& path) {
  Draft draft;
  for (const std::string& line : Split(text, '\n')) {
    const size_t equals = line.find('=');
    const std::string key = Trim(line.substr(0, equals));
    if (key.compare(0, 8, "FLANNEL_") != 0) continue;
    if (equals == std::string::npos) throw CniError(kDecodingFailed, path + ": " + key + " has no value");
    draft.Take({path, key, Trim(line.substr(equals + 1))});
  }
  const std::vector<std::string> missing = draft.Missing();
  if (!missing.empty()) throw CniError(kDecodingFailed, path + " is missing " + Join(missing, ", "));
  return draft.env;
}

SubnetEnv ReadSubnetEnv(const std::string& path) {
  const std::optional<std::string> text = ReadIfThere(path, kSubnetFileLimit);
  // The wording that operators know and search for.
  if (!text) throw CniError(kTryAgainLater, "open " + path + ": no such file or directory");
  return ParseSubnetEnv(*text, path);
}

}  // namespace tartan
