#include "render.h"

#include "cni_error.h"
#include "delegate.h"

namespace tartan {
namespace {

void SetDefault(Json* object, const char* key, Json value) {
  if (!object->contains(key)) (*object)[key] = std::move(value);
}

void CheckDelegate(const Json& delegate) {
  if (delegate.contains("type")) {
    if (!delegate["type"].is_string()) {
      throw CniError(kInvalidNetworkConfig, "'delegate' dictionary, if present, must have (string) 'type' field");
    }
    RequirePluginType(delegate["type"].get<std::string>());
  }
  for (const char* field : {"name", "ipam"}) {
    if (!delegate.contains(field)) continue;
    throw CniError(kInvalidNetworkConfig,
                   std::string("'delegate' dictionary must not have '") + field + "' field, it is set by this plugin");
  }
}

Json Ranges(const SubnetEnv& env) {
  Json ranges = Json::array();
  for (const std::string& subnet : {env.subnet, env.ipv6_subnet}) {
    if (!subnet.empty()) ranges.push_back(Json::array({Json{{"subnet", subnet}}}));
  }
  return ranges;
}

Json Routes(const Json& given, const SubnetEnv& env) {
  Json routes = Json::array();
  if (!given.is_null()) {
    if (!given.is_array()) throw CniError(kInvalidNetworkConfig, "'ipam.routes' must be a list");
    for (const Json& route : given) {
      if (!route.is_object() || !Member(route, "dst").is_string()) {
        throw CniError(kInvalidNetworkConfig, "each of 'ipam.routes' must be an object with a string 'dst'");
      }
      routes.push_back(route);
    }
  }
  for (const auto* networks : {&env.networks, &env.ipv6_networks}) {
    for (const std::string& network : *networks) routes.push_back(Json{{"dst", network}});
  }
  return routes;
}

Json Ipam(const NetConfig& config, const SubnetEnv& env) {
  Json ipam = config.ipam;
  SetDefault(&ipam, "type", "host-local");
  ipam["ranges"] = Ranges(env);
  ipam["routes"] = Routes(config.ipam.contains("routes") ? config.ipam["routes"] : Json(), env);
  return ipam;
}

}  // namespace

Json RenderDelegate(const NetConfig& config, const SubnetEnv& env) {
  CheckDelegate(config.delegate);
  Json delegate = config.delegate;
  delegate["name"] = config.name;
  SetDefault(&delegate, "type", "bridge");
  SetDefault(&delegate, "ipMasq", !env.ip_masq);
  SetDefault(&delegate, "mtu", env.mtu_bytes);
  if (delegate["type"] == "bridge") SetDefault(&delegate, "isGateway", true);
  if (!config.cni_version.empty()) delegate["cniVersion"] = config.cni_version;
  if (!config.runtime_config.is_null()) delegate["runtimeConfig"] = config.runtime_config;
  delegate["ipam"] = Ipam(config, env);
  return delegate;
}

}  // namespace tartan
