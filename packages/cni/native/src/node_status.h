// What the daemon says about this node, in a small file beside subnet.env: `<subnet file>.status`.
//
// A file and no socket: the question is whether a pod can be attached, not whether the daemon runs. A daemon that is being upgraded
// leaves the node forwarding, and the file leaves it ready. The file goes with /run at a boot. Where no daemon of ours runs there is
// none, and subnet.env alone decides.
#pragma once

#include <string>

namespace tartan {

// Why the daemon says that the node is not ready; "" when it says that it is, or says nothing usable. A refusal that is older than
// subnet.env was overtaken by whoever wrote that since, and does not count.
std::string WhyNotReady(const std::string& subnet_file);

}  // namespace tartan
