// From our config and the node's subnet to the config of the delegate. Pure.
#pragma once

#include "json.h"
#include "net_config.h"
#include "subnet_env.h"

namespace tartan {

// The same object as the original's (flannel-compat 9.3), so that a container added by one plugin is deleted by the other. Throws
// CniError with kInvalidNetworkConfig for a delegate that may not be, and for routes that are none.
Json RenderDelegate(const NetConfig& config, const SubnetEnv& env);

}  // namespace tartan
