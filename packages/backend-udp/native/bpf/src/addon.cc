// bpf(2) and rtnetlink requests for JavaScript. Everything that has meaning (the object file, the tables, what is attached where) is in
// TypeScript: src/kernel-path. Tables are passed packed, so that ten thousand entries are one call. All calls return at once: the kernel
// waits for nothing here. Descriptors are plain numbers, owned by the caller.

#include <errno.h>
#include <node_api.h>
#include <unistd.h>
#include <uv.h>

#include <string>
#include <vector>

#include "bpf_syscall.h"
#include "route_request.h"

namespace {

constexpr size_t kArgumentsMax = 6;

// Arguments of a call: each getter notes when one is not what it should be.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kArgumentsMax;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
    count_ = count;
  }

  uint32_t Number() {
    uint32_t number = 0;
    if (!Has() || napi_get_value_uint32(env_, values_[next_], &number) != napi_ok) valid_ = false;
    next_++;
    return number;
  }

  std::string Text() {
    size_t length = 0;
    std::string text;
    if (!Has() || napi_get_value_string_utf8(env_, values_[next_], nullptr, 0, &length) != napi_ok) {
      valid_ = false;
    } else {
      text.resize(length + 1);
      napi_get_value_string_utf8(env_, values_[next_], &text[0], length + 1, &length);
      text.resize(length);
    }
    next_++;
    return text;
  }

  struct View {
    uint8_t* data = nullptr;
    size_t length = 0;
  };

  // A Uint8Array; the memory is JavaScript's and stays valid during the call.
  View Bytes() {
    View view;
    napi_typedarray_type type;
    void* data = nullptr;
    if (!Has() || napi_get_typedarray_info(env_, values_[next_], &type, &view.length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      valid_ = false;
      view.length = 0;
    }
    view.data = static_cast<uint8_t*>(data);
    next_++;
    return view;
  }

  // Throws unless all arguments were there and `holds`.
  bool Check(const char* signature, bool holds = true) {
    if (valid_ && holds) return true;
    napi_throw_type_error(env_, nullptr, signature);
    return false;
  }

 private:
  bool Has() const { return next_ < count_; }

  napi_env env_;
  napi_value values_[kArgumentsMax] = {};
  size_t count_ = 0;
  size_t next_ = 0;
  bool valid_ = true;
};

napi_value FromNumber(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}

napi_value FromText(napi_env env, const std::string& text) {
  napi_value value;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value FromBytes(napi_env env, const uint8_t* data, size_t length) {
  napi_value value;
  napi_create_buffer_copy(env, length, data, nullptr, &value);
  return value;
}

// An Error with `code` ("EPERM"), `errno` (positive), `syscall`, and `log` where there is one.
napi_value Throw(napi_env env, int negative_errno, const char* call, const std::string& log = "") {
  char name[64];
  uv_err_name_r(negative_errno, name, sizeof name);
  napi_value error;
  napi_create_error(env, FromText(env, name), FromText(env, std::string(call) + ": " + name), &error);
  napi_set_named_property(env, error, "errno", FromNumber(env, -negative_errno));
  napi_set_named_property(env, error, "syscall", FromText(env, call));
  if (!log.empty()) napi_set_named_property(env, error, "log", FromText(env, log));
  napi_throw(env, error);
  return nullptr;
}

napi_value Descriptor(napi_env env, int result, const char* call) {
  return result < 0 ? Throw(env, result, call) : FromNumber(env, result);
}

napi_value CreateMap(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  tartan::MapSpec spec;
  spec.type = arguments.Number();
  spec.key_bytes = arguments.Number();
  spec.value_bytes = arguments.Number();
  spec.entries_max = arguments.Number();
  spec.flags = arguments.Number();
  spec.name = arguments.Text();
  if (!arguments.Check("createMap(type, keyBytes, valueBytes, entriesMax, flags, name)")) return nullptr;
  return Descriptor(env, tartan::CreateMap(spec), "BPF_MAP_CREATE");
}

napi_value LoadProgram(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const Arguments::View instructions = arguments.Bytes();
  tartan::ProgramSpec spec{instructions.data, instructions.length, arguments.Text(), arguments.Text()};
  if (!arguments.Check("loadProgram(instructions, license, name)")) return nullptr;
  std::string log;
  const int result = tartan::LoadProgram(spec, &log);
  return result < 0 ? Throw(env, result, "BPF_PROG_LOAD", log) : FromNumber(env, result);
}

napi_value ProgramById(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t id = arguments.Number();
  if (!arguments.Check("programById(id)")) return nullptr;
  return Descriptor(env, tartan::ProgramById(id), "BPF_PROG_GET_FD_BY_ID");
}

napi_value MapById(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const uint32_t id = arguments.Number();
  if (!arguments.Check("mapById(id)")) return nullptr;
  return Descriptor(env, tartan::MapById(id), "BPF_MAP_GET_FD_BY_ID");
}

napi_value ProgramMaps(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int program = static_cast<int>(arguments.Number());
  if (!arguments.Check("programMaps(descriptor)")) return nullptr;
  std::vector<uint32_t> ids;
  const int result = tartan::ProgramMaps(program, &ids);
  if (result < 0) return Throw(env, result, "BPF_OBJ_GET_INFO_BY_FD");
  napi_value list;
  napi_create_array_with_length(env, ids.size(), &list);
  for (size_t place = 0; place < ids.size(); place++) {
    napi_set_element(env, list, static_cast<uint32_t>(place), FromNumber(env, ids[place]));
  }
  return list;
}

napi_value DescribeMap(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int map = static_cast<int>(arguments.Number());
  if (!arguments.Check("describeMap(descriptor)")) return nullptr;
  tartan::MapSpec spec;
  const int result = tartan::DescribeMap(map, &spec);
  if (result < 0) return Throw(env, result, "BPF_OBJ_GET_INFO_BY_FD");
  napi_value object;
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "type", FromNumber(env, spec.type));
  napi_set_named_property(env, object, "keyBytes", FromNumber(env, spec.key_bytes));
  napi_set_named_property(env, object, "valueBytes", FromNumber(env, spec.value_bytes));
  napi_set_named_property(env, object, "entriesMax", FromNumber(env, spec.entries_max));
  napi_set_named_property(env, object, "flags", FromNumber(env, spec.flags));
  napi_set_named_property(env, object, "name", FromText(env, spec.name));
  return object;
}

// Stops at the first entry that the kernel refuses.
napi_value UpdateElements(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int map = static_cast<int>(arguments.Number());
  const size_t key_bytes = arguments.Number();
  const size_t value_bytes = arguments.Number();
  const Arguments::View entries = arguments.Bytes();
  const size_t step = key_bytes + value_bytes;
  if (!arguments.Check("updateElements(descriptor, keyBytes, valueBytes, entries)", step > 0 && entries.length % step == 0))
    return nullptr;
  for (size_t at = 0; at < entries.length; at += step) {
    const int result = tartan::UpdateElement(map, entries.data + at, entries.data + at + key_bytes);
    if (result < 0) return Throw(env, result, "BPF_MAP_UPDATE_ELEM");
  }
  return nullptr;
}

// What is gone already is no error.
napi_value DeleteElements(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int map = static_cast<int>(arguments.Number());
  const size_t key_bytes = arguments.Number();
  const Arguments::View keys = arguments.Bytes();
  if (!arguments.Check("deleteElements(descriptor, keyBytes, keys)", key_bytes > 0 && keys.length % key_bytes == 0))
    return nullptr;
  for (size_t at = 0; at < keys.length; at += key_bytes) {
    const int result = tartan::DeleteElement(map, keys.data + at);
    if (result < 0 && result != -ENOENT) return Throw(env, result, "BPF_MAP_DELETE_ELEM");
  }
  return nullptr;
}

// All keys, then: an entry that goes away while they are collected would start the walk over, so each value is read at its key.
napi_value ReadElements(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int map = static_cast<int>(arguments.Number());
  const size_t key_bytes = arguments.Number();
  const size_t value_bytes = arguments.Number();
  if (!arguments.Check("readElements(descriptor, keyBytes, valueBytes)", key_bytes > 0 && value_bytes > 0)) return nullptr;
  std::vector<uint8_t> entries;
  std::vector<uint8_t> key(key_bytes), next(key_bytes), value(value_bytes);
  int result = tartan::NextKey(map, nullptr, next.data());
  while (result == 0) {
    key = next;
    result = tartan::LookUpElement(map, key.data(), value.data());
    if (result == 0) {
      entries.insert(entries.end(), key.begin(), key.end());
      entries.insert(entries.end(), value.begin(), value.end());
    }
    if (result != 0 && result != -ENOENT) break;
    result = tartan::NextKey(map, key.data(), next.data());
  }
  if (result != -ENOENT) return Throw(env, result, "BPF_MAP_GET_NEXT_KEY");
  return FromBytes(env, entries.data(), entries.size());
}

napi_value CloseDescriptor(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const int descriptor = static_cast<int>(arguments.Number());
  if (!arguments.Check("closeDescriptor(descriptor)")) return nullptr;
  close(descriptor);
  return nullptr;
}

napi_value RouteRequest(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::string netns = arguments.Text();
  const Arguments::View request = arguments.Bytes();
  if (!arguments.Check("routeRequest(netns, request)")) return nullptr;
  std::vector<uint8_t> answer;
  const int result = tartan::RouteRequest(netns, request.data, request.length, &answer);
  if (result < 0) return Throw(env, result, "rtnetlink");
  return FromBytes(env, answer.data(), answer.size());
}

napi_property_descriptor Function(const char* name, napi_callback callback) {
  napi_property_descriptor descriptor{};
  descriptor.utf8name = name;
  descriptor.method = callback;
  descriptor.attributes = napi_enumerable;
  return descriptor;
}

napi_value Init(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      Function("createMap", CreateMap),           Function("loadProgram", LoadProgram),
      Function("programById", ProgramById),       Function("mapById", MapById),
      Function("programMaps", ProgramMaps),       Function("describeMap", DescribeMap),
      Function("updateElements", UpdateElements), Function("deleteElements", DeleteElements),
      Function("readElements", ReadElements),     Function("closeDescriptor", CloseDescriptor),
      Function("routeRequest", RouteRequest),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
