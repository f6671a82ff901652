#include "net_config.h"

namespace tartan {
namespace {

constexpr char kDefaultSubnetFile[] = "/run/flannel/subnet.env";
constexpr char kDefaultDataDir[] = "/var/lib/cni/flannel";

std::string Path(const Json& config, const char* key, const char* fallback) {
  const std::string path = StringMember(config, key, fallback);
  // An empty value is taken for none.
  return path.empty() ? fallback : path;
}

}  // namespace

NetConfig ReadNetConfig(const Json& config) {
  NetConfig read;
  read.name = StringMember(config, "name", "");
  read.cni_version = StringMember(config, "cniVersion", "");
  read.subnet_file = Path(config, "subnetFile", kDefaultSubnetFile);
  read.data_dir = Path(config, "dataDir", kDefaultDataDir);
  read.delegate = ObjectMember(config, "delegate");
  read.ipam = ObjectMember(config, "ipam");
  const Json& runtime_config = Member(config, "runtimeConfig");
  if (!runtime_config.is_null()) read.runtime_config = ObjectMember(config, "runtimeConfig");
  return read;
}

}  // namespace tartan
