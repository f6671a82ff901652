// The native part of @tartan/netlink: sockets with the options that the kernel offers and JavaScript cannot set, ioctls, and a
// view into other network namespaces. Everything that has meaning (messages, order, errors) is in TypeScript.

#include <node_api.h>

#include "features.h"
#include "napi_util.h"
#include "socket.h"
#include "sysctl.h"
#include "unix_datagram.h"

namespace {

napi_value Init(napi_env env, napi_value exports) {
  tartan::DefineSocket(env, exports);
  const napi_property_descriptor functions[] = {
      tartan::Method("readSysctl", tartan::ReadSysctl),
      tartan::Method("writeSysctl", tartan::WriteSysctl),
      tartan::Method("readFeatures", tartan::ReadFeatures),
      tartan::Method("writeFeatures", tartan::WriteFeatures),
      tartan::Method("sendUnixDatagram", tartan::SendUnixDatagram),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
