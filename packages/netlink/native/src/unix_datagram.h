// One datagram to an AF_UNIX address, which Node's own dgram module cannot send: what sd_notify(3) needs.
#pragma once

#include <node_api.h>

namespace tartan {

// sendUnixDatagram(path: string, data: Uint8Array): void. A path that starts with '@' is an abstract name (unix(7)). Never
// blocks. Throws an errno.
napi_value SendUnixDatagram(napi_env env, napi_callback_info info);

}  // namespace tartan
