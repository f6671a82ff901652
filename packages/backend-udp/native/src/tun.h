// One queue of the TUN device.
//
// The device is made when it is absent, and persistent, so that its addresses and routes outlive the process. When it is there
// already, this attaches to it: the kernel insists on the same kind and the same multi-queue flag and takes the other flags from the
// first who attaches (drivers/net/tun.c, tun_set_iff, Linux 5.10 to 6.18).
#pragma once

#include <string>

#include "features.h"
#include "system_error.h"

namespace tartan {

// Opens a queue of `name`. A device that this made gets `mtu_bytes`; one that was there keeps its own. The features tunTso and tunUso
// are applied to the device, and turned off when the kernel refuses them.
SystemError OpenTunQueue(const std::string& name, int mtu_bytes, Features* features, Descriptor* queue);

// No error when `name` is still the device with this index, up, and has no queue in use: as a process that ended has left it.
SystemError CheckLeftDevice(const std::string& name, int ifindex);

}  // namespace tartan
