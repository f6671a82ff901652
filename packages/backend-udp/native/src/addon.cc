// The only file that knows of Node: wraps PacketLoop into a class for src/native/native-addon.ts, which says what the arguments mean.
//
// Nothing here keeps Node's event loop alive. Threads end with stop(), with the object's finalizer, or with the environment, whichever
// comes first; the loop itself is shared between the object and a stop() that still runs.

#include <node_api.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "packet_loop.h"

namespace {

using tartan::PacketLoop;
using tartan::PacketLoopConfig;

// One route as src/native/encode-routes.ts lays it out: family, prefix length, family of the endpoint, 0, port (big-endian), 0, 0,
// then prefix, endpoint and ICMP source of 16 bytes each.
constexpr size_t kRouteBytes = 8 + 3 * 16;

struct Handle {
  std::shared_ptr<PacketLoop> loop;
};

napi_value Text(napi_env env, const char* text) {
  napi_value result;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value Number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

template <size_t kSize>
napi_value Texts(napi_env env, const char* const (&texts)[kSize]) {
  napi_value result;
  napi_create_array_with_length(env, kSize, &result);
  for (uint32_t i = 0; i < kSize; i++) napi_set_element(env, result, i, Text(env, texts[i]));
  return result;
}

std::string GetText(napi_env env, napi_value object, const char* name) {
  napi_value value;
  char text[64] = "";
  size_t length = 0;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_string_utf8(env, value, text, sizeof text, &length);
  return std::string(text, length);
}

int32_t GetNumber(napi_env env, napi_value object, const char* name) {
  napi_value value;
  int32_t number = 0;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_int32(env, value, &number);
  return number;
}

// The bytes of a typed array; empty for everything else.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

Bytes GetBytes(napi_env env, napi_value value) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint8_array) return {};
  return {static_cast<const uint8_t*>(data), length};
}

tartan::IpAddress AddressOf(uint8_t family, const uint8_t* bytes) {
  tartan::IpAddress address;
  address.family = family;
  std::memcpy(address.bytes, bytes, family == 4 ? 4 : 16);
  return address;
}

tartan::IpAddress GetAddress(napi_env env, napi_value object, const char* name) {
  napi_value value;
  napi_get_named_property(env, object, name, &value);
  Bytes bytes = GetBytes(env, value);
  if (bytes.length != 4 && bytes.length != 16) return {};
  return AddressOf(bytes.length == 4 ? 4 : 6, bytes.data);
}

PacketLoopConfig GetConfig(napi_env env, napi_value object) {
  PacketLoopConfig config;
  config.tun_name = GetText(env, object, "tunName");
  config.mtu_bytes = GetNumber(env, object, "mtuBytes");
  config.listen_ipv4 = GetAddress(env, object, "ipv4");
  config.listen_ipv6 = GetAddress(env, object, "ipv6");
  config.port = static_cast<uint16_t>(GetNumber(env, object, "port"));
  config.queues = static_cast<size_t>(GetNumber(env, object, "queues"));
  config.keepalive_seconds = GetNumber(env, object, "keepaliveSeconds");
  config.left_ifindex = GetNumber(env, object, "leftIfindex");
  napi_value wanted;
  napi_get_named_property(env, object, "wanted", &wanted);
  Bytes flags = GetBytes(env, wanted);
  for (size_t i = 0; i < tartan::kFeatures && i < flags.length; i++) config.wanted[i] = flags.data[i] != 0;
  return config;
}

void OnEnvironmentEnd(void* data) { static_cast<Handle*>(data)->loop->Stop(); }

void Finalize(napi_env env, void* data, void*) {
  Handle* handle = static_cast<Handle*>(data);
  napi_remove_env_cleanup_hook(env, OnEnvironmentEnd, handle);
  handle->loop->Stop();
  delete handle;
}

napi_value Construct(napi_env env, napi_callback_info info) {
  napi_value argument, self;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, &self, nullptr);
  PacketLoopConfig config = GetConfig(env, argument);
  if (config.tun_name.empty() || config.queues < 1 || config.queues > 64 || config.port == 0) {
    napi_throw_type_error(env, nullptr, "new Loop({ tunName, mtuBytes, ipv4, ipv6, port, queues, keepaliveSeconds, leftIfindex, wanted })");
    return nullptr;
  }
  Handle* handle = new Handle{std::make_shared<PacketLoop>(std::move(config))};
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, handle);
  napi_wrap(env, self, handle, Finalize, nullptr, nullptr);
  return self;
}

// The handle of `this`; throws and returns nullptr on anything else.
Handle* Self(napi_env env, napi_callback_info info, napi_value* argument = nullptr) {
  napi_value self;
  size_t count = argument == nullptr ? 0 : 1;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, argument, &self, nullptr);
  if (napi_unwrap(env, self, &data) != napi_ok) {
    napi_throw_type_error(env, nullptr, "this is no Loop");
    return nullptr;
  }
  return static_cast<Handle*>(data);
}

// start(): undefined, or { errno, call }.
napi_value Start(napi_env env, napi_callback_info info) {
  Handle* handle = Self(env, info);
  if (handle == nullptr) return nullptr;
  tartan::SystemError failed = handle->loop->Start();
  if (!failed) return nullptr;
  napi_value result;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "errno", Number(env, failed.error));
  napi_set_named_property(env, result, "call", Text(env, failed.call));
  return result;
}

tartan::RouteRecord RouteOf(const uint8_t* bytes) {
  tartan::RouteRecord record;
  record.prefix = AddressOf(bytes[0], bytes + 8);
  record.prefix_length = bytes[1];
  record.endpoint.address = AddressOf(bytes[2], bytes + 24);
  record.endpoint.port = tartan::LoadBe16(bytes + 4);
  record.icmp_source = AddressOf(bytes[0], bytes + 40);
  return record;
}

bool IsRoute(const uint8_t* bytes) {
  bool families = (bytes[0] == 4 || bytes[0] == 6) && (bytes[2] == 4 || bytes[2] == 6);
  return families && bytes[1] <= (bytes[0] == 4 ? 32 : 128);
}

// setRoutes(bytes).
napi_value SetRoutes(napi_env env, napi_callback_info info) {
  napi_value argument;
  Handle* handle = Self(env, info, &argument);
  if (handle == nullptr) return nullptr;
  Bytes bytes = GetBytes(env, argument);
  std::vector<tartan::RouteRecord> records;
  records.reserve(bytes.length / kRouteBytes);
  for (size_t at = 0; at + kRouteBytes <= bytes.length; at += kRouteBytes) {
    if (!IsRoute(bytes.data + at)) {
      napi_throw_type_error(env, nullptr, "setRoutes(bytes): a family or a prefix length is wrong");
      return nullptr;
    }
    records.push_back(RouteOf(bytes.data + at));
  }
  handle->loop->SetRoutes(records);
  return nullptr;
}

// stats(): bigints in the order of countNames and dropNames.
napi_value Stats(napi_env env, napi_callback_info info) {
  Handle* handle = Self(env, info);
  if (handle == nullptr) return nullptr;
  uint64_t totals[tartan::kCounts + tartan::kDrops];
  handle->loop->ReadCounters(totals);
  napi_value result;
  napi_create_array_with_length(env, tartan::kCounts + tartan::kDrops, &result);
  for (uint32_t i = 0; i < tartan::kCounts + tartan::kDrops; i++) {
    napi_value total;
    napi_create_bigint_uint64(env, totals[i], &total);
    napi_set_element(env, result, i, total);
  }
  return result;
}

// features(): an array of { name, on, reason, errno }.
napi_value FeaturesOf(napi_env env, napi_callback_info info) {
  Handle* handle = Self(env, info);
  if (handle == nullptr) return nullptr;
  const tartan::Features& features = handle->loop->features();
  napi_value result;
  napi_create_array_with_length(env, tartan::kFeatures, &result);
  for (uint32_t i = 0; i < tartan::kFeatures; i++) {
    tartan::Feature feature = static_cast<tartan::Feature>(i);
    napi_value entry, on;
    napi_create_object(env, &entry);
    napi_get_boolean(env, features.On(feature), &on);
    napi_set_named_property(env, entry, "name", Text(env, tartan::kFeatureNames[i]));
    napi_set_named_property(env, entry, "on", on);
    napi_set_named_property(env, entry, "reason", Text(env, tartan::kReasonTexts[static_cast<size_t>(features.WhyOff(feature))]));
    napi_set_named_property(env, entry, "errno", Number(env, features.ErrnoOf(feature)));
    napi_set_element(env, result, i, entry);
  }
  return result;
}

// stop() joins threads, which may take a round of packets: not on the event loop.
struct Stopping {
  std::shared_ptr<PacketLoop> loop;
  napi_deferred deferred;
  napi_async_work work;
};

void StopOnPool(napi_env, void* data) { static_cast<Stopping*>(data)->loop->Stop(); }

void StopDone(napi_env env, napi_status, void* data) {
  Stopping* stopping = static_cast<Stopping*>(data);
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  napi_resolve_deferred(env, stopping->deferred, undefined);
  napi_delete_async_work(env, stopping->work);
  delete stopping;
}

// stop(): a promise.
napi_value Stop(napi_env env, napi_callback_info info) {
  Handle* handle = Self(env, info);
  if (handle == nullptr) return nullptr;
  Stopping* stopping = new Stopping{handle->loop, nullptr, nullptr};
  napi_value promise;
  napi_create_promise(env, &stopping->deferred, &promise);
  napi_create_async_work(env, nullptr, Text(env, "tartan.udp.stop"), StopOnPool, StopDone, stopping, &stopping->work);
  napi_queue_async_work(env, stopping->work);
  return promise;
}

napi_property_descriptor Method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_default, nullptr};
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {Method("start", Start), Method("setRoutes", SetRoutes), Method("stats", Stats),
                                              Method("features", FeaturesOf), Method("stop", Stop)};
  napi_value loop;
  napi_define_class(env, "Loop", NAPI_AUTO_LENGTH, Construct, nullptr, sizeof methods / sizeof methods[0], methods, &loop);
  napi_set_named_property(env, exports, "Loop", loop);
  napi_set_named_property(env, exports, "featureNames", Texts(env, tartan::kFeatureNames));
  napi_set_named_property(env, exports, "countNames", Texts(env, tartan::kCountNames));
  napi_set_named_property(env, exports, "dropNames", Texts(env, tartan::kDropNames));
  return exports;
}
