#include "commands.h"

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "attachment_store.h"
#include "cni_error.h"
#include "delegate.h"
#include "net_config.h"
#include "node_status.h"
#include "render.h"
#include "subnet_env.h"
#include "text.h"
#include "version.h"

namespace tartan {
namespace {

// The runtime's name for the attachments that GC must keep.
constexpr char kValidAttachments[] = "cni.dev/valid-attachments";

Attachment AttachmentOf(const Invocation& call) { return {call.container_id, call.ifname}; }

// Why subnet.env cannot be used, with what is known of the cause: the daemon's own word when there is one.
CniError Explained(const CniError& error, const std::string& subnet_file, int code) {
  const std::string reason = WhyNotReady(subnet_file);
  const std::string known = reason.empty() ? "" : "tartand is not ready: " + reason;
  const std::string guess = error.code() == kTryAgainLater ? "tartand writes it as soon as the node has a subnet; is it running?" : "";
  return CniError(code, error.what(), known.empty() ? guess : known);
}

SubnetEnv SubnetEnvFor(const NetConfig& config) {
  try {
    return ReadSubnetEnv(config.subnet_file);
  } catch (const CniError& error) {
    throw Explained(error, config.subnet_file, error.code());
  }
}

std::string Add(const Invocation& call) {
  const NetConfig config = ReadNetConfig(call.config);
  const Json delegate = RenderDelegate(config, SubnetEnvFor(config));
  // Before the delegate runs: what it leaves behind when it fails or is killed has to be deleted too.
  AttachmentStore(config.data_dir).Save(AttachmentOf(call), Print(delegate));
  const std::string result = RunDelegate({"ADD", call.path, delegate});
  ParseObject(result, "the delegate's result");
  return result;
}

// The delegate's config at the time of ADD; nothing when it cannot be read any more (a power cut in the middle of the original
// plugin's write) and cannot be made again either.
std::optional<Json> UsableConfig(const std::string& saved, const NetConfig& config) {
  try {
    return ParseObject(saved, "saved config");
  } catch (const CniError&) {
  }
  try {
    return RenderDelegate(config, ReadSubnetEnv(config.subnet_file));
  } catch (const CniError&) {
    return std::nullopt;
  }
}

// The specification wants prevResult passed on, but in another version than the config's it would be refused.
void PassPreviousResult(const Json& from, Json* delegate) {
  const Json& previous = Member(from, "prevResult");
  if (!previous.is_object()) return;
  if (StringMember(previous, "cniVersion", "") == StringMember(*delegate, "cniVersion", "")) (*delegate)["prevResult"] = previous;
}

std::string Delete(const Invocation& call) {
  const NetConfig config = ReadNetConfig(call.config);
  const AttachmentStore store(config.data_dir);
  const std::optional<std::string> saved = store.Load(AttachmentOf(call));
  // Never added, or deleted already: both are success.
  if (!saved) return "";
  std::optional<Json> delegate = UsableConfig(*saved, config);
  if (!delegate) return "";
  PassPreviousResult(call.config, &*delegate);
  RunDelegate({"DEL", call.path, *delegate});
  store.Remove(AttachmentOf(call));
  return "";
}

// The gateway of the first address of that family, "" when there is none.
std::string GatewayFor(const std::string& destination, const Json& previous) {
  const auto is_ipv6 = [](const std::string& text) { return text.find(':') != std::string::npos; };
  const Json& addresses = Member(previous, "ips");
  if (!addresses.is_array()) return "";
  for (const Json& address : addresses) {
    const std::string gateway = address.is_object() ? StringMember(address, "gateway", "") : "";
    if (!gateway.empty() && is_ipv6(gateway) == is_ipv6(destination)) return gateway;
  }
  return "";
}

// The rendered routes name no gateway, which by the specification means the default one, and that is what the delegate installs. But
// the reference plugins' CHECK takes it for "no gateway" and misses its own route (pkg/ip/utils_linux.go, ValidateExpectedRoute,
// v1.1.1), so it is told.
Json WithGateways(Json previous) {
  if (!previous.contains("routes") || !previous["routes"].is_array()) return previous;
  for (Json& route : previous["routes"]) {
    if (!route.is_object() || !StringMember(route, "gw", "").empty()) continue;
    const std::string gateway = GatewayFor(StringMember(route, "dst", ""), previous);
    if (!gateway.empty()) route["gw"] = gateway;
  }
  return previous;
}

std::string Check(const Invocation& call) {
  const NetConfig config = ReadNetConfig(call.config);
  const Json& previous = Member(call.config, "prevResult");
  if (!previous.is_object()) throw CniError(kInvalidNetworkConfig, "CHECK needs prevResult");
  const std::optional<std::string> saved = AttachmentStore(config.data_dir).Load(AttachmentOf(call));
  if (!saved) {
    throw CniError(kUnknownContainer, "interface " + call.ifname + " of container " + call.container_id + " is not known",
                   "no state in " + config.data_dir);
  }
  Json delegate = ParseObject(*saved, "saved config");
  // prevResult is in the version of the config of today, which may have changed since ADD.
  if (!config.cni_version.empty()) delegate["cniVersion"] = config.cni_version;
  delegate["prevResult"] = WithGateways(previous);
  RunDelegate({"CHECK", call.path, delegate});
  return "";
}

std::string Status(const Invocation& call) {
  const NetConfig config = ReadNetConfig(call.config);
  Json delegate;
  try {
    delegate = RenderDelegate(config, ReadSubnetEnv(config.subnet_file));
  } catch (const CniError& error) {
    throw Explained(error, config.subnet_file, kNotAvailable);
  }
  const std::string reason = WhyNotReady(config.subnet_file);
  // There is a subnet, so there may be pods.
  if (!reason.empty()) throw CniError(kNotAvailableLimitedConnectivity, "tartand is not ready: " + reason);
  RunDelegate({"STATUS", call.path, delegate});
  return "";
}

struct ValidAttachments {
  std::set<std::pair<std::string, std::string>> attachments;
  std::set<std::string> containers;

  bool Has(const Attachment& attachment) const {
    if (attachment.ifname.empty()) return containers.count(attachment.container_id) > 0;
    return attachments.count({attachment.container_id, attachment.ifname}) > 0;
  }
};

// Nothing when the runtime gave no list: then nothing is known to be stale. Go prints an empty list as null.
std::optional<ValidAttachments> ReadValidAttachments(const Json& config) {
  if (!config.contains(kValidAttachments)) return std::nullopt;
  ValidAttachments valid;
  const Json& list = config[kValidAttachments];
  if (list.is_null()) return valid;
  if (!list.is_array()) throw CniError(kInvalidNetworkConfig, std::string("'") + kValidAttachments + "' must be a list");
  for (const Json& entry : list) {
    if (!entry.is_object()) throw CniError(kInvalidNetworkConfig, std::string("'") + kValidAttachments + "' must hold objects");
    const std::string container_id = StringMember(entry, "containerID", "");
    valid.attachments.insert({container_id, StringMember(entry, "ifname", "")});
    valid.containers.insert(container_id);
  }
  return valid;
}

// Deletes through the delegate what is stale, as far as it goes; what failed is kept for the next time and told.
class Collector {
 public:
  Collector(const Invocation& call, const NetConfig& config) : call_(call), config_(config), store_(config.data_dir) {}

  void Collect(const ValidAttachments& valid) {
    for (const Attachment& attachment : store_.List()) {
      if (!valid.Has(attachment)) Attempt(attachment);
    }
    store_.RemoveLeftovers();
  }

  void PassOn() {
    try {
      Json delegate = RenderDelegate(config_, SubnetEnvFor(config_));
      if (call_.config.contains(kValidAttachments)) delegate[kValidAttachments] = call_.config[kValidAttachments];
      RunDelegate({"GC", call_.path, delegate});
    } catch (const DelegateError& error) {
      failures_.push_back("delegate: " + Trim(error.object()));
    } catch (const CniError& error) {
      failures_.push_back(error.what());
    }
  }

  void Report() const {
    if (failures_.empty()) return;
    throw CniError(kInternal, "not everything stale could be removed", Join(failures_, "; "));
  }

 private:
  void Attempt(const Attachment& attachment) {
    try {
      Remove(attachment);
    } catch (const DelegateError& error) {
      failures_.push_back(attachment.container_id + " " + attachment.ifname + ": " + Trim(error.object()));
    } catch (const CniError& error) {
      failures_.push_back(attachment.container_id + " " + attachment.ifname + ": " + error.what());
    }
  }

  // Only what is of this network: others may share the directory, and the list is not theirs.
  void Remove(const Attachment& attachment) {
    const std::optional<std::string> saved = store_.Load(attachment);
    if (!saved) return;
    const Json delegate = ParseObject(*saved, "saved config");
    if (StringMember(delegate, "name", "") != config_.name) return;
    RunDelegateFor({"DEL", call_.path, delegate}, attachment);
    store_.Remove(attachment);
  }

  const Invocation& call_;
  const NetConfig& config_;
  const AttachmentStore store_;
  std::vector<std::string> failures_;
};

std::string CollectGarbage(const Invocation& call) {
  const NetConfig config = ReadNetConfig(call.config);
  Collector collector(call, config);
  if (const auto valid = ReadValidAttachments(call.config)) collector.Collect(*valid);
  collector.PassOn();
  collector.Report();
  return "";
}

std::string TellVersions() {
  return Print(Json{{"cniVersion", SupportedVersions().back()}, {"supportedVersions", SupportedVersions()}}) + "\n";
}

}  // namespace

std::string RunCommand(const Invocation& call) {
  if (call.command == "ADD") return Add(call);
  if (call.command == "DEL") return Delete(call);
  if (call.command == "CHECK") return Check(call);
  if (call.command == "STATUS") return Status(call);
  if (call.command == "GC") return CollectGarbage(call);
  return TellVersions();
}

}  // namespace tartan
