#include "features.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "napi_util.h"
#include "netns.h"

namespace tartan {
namespace {

constexpr size_t kBitsPerBlock = 32;
constexpr size_t kReadWords = sizeof(ethtool_get_features_block) / sizeof(uint32_t);
constexpr size_t kWriteWords = sizeof(ethtool_set_features_block) / sizeof(uint32_t);

struct Access {
  unsigned ifindex;
  std::vector<std::string> names;
  std::vector<uint32_t> blocks;
};

// A command buffer that ends in an array; zeroed, and aligned for every struct of linux/ethtool.h.
template <typename Header>
class Command {
 public:
  explicit Command(size_t tail_bytes) : words_((sizeof(Header) + tail_bytes + 7) / 8) {}
  Header* operator->() { return reinterpret_cast<Header*>(words_.data()); }
  void* data() { return words_.data(); }

 private:
  std::vector<uint64_t> words_;
};

// One device as ioctls know it: by name, which is looked up here, since a device can be renamed at any time but its index stays.
class Device {
 public:
  ~Device() {
    if (fd_ != -1) close(fd_);
  }

  int Open(unsigned ifindex) {
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    // A kernel without IPv4; any socket will do.
    if (fd_ == -1) fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd_ == -1) return -errno;
    request_.ifr_ifindex = static_cast<int>(ifindex);
    return ioctl(fd_, SIOCGIFNAME, &request_) == -1 ? -errno : 0;
  }

  int Ethtool(void* command) {
    request_.ifr_data = static_cast<char*>(command);
    return ioctl(fd_, SIOCETHTOOL, &request_) == -1 ? -errno : 0;
  }

 private:
  int fd_ = -1;
  ifreq request_{};
};

// The kernel has so many features. The number is fixed when it is compiled, which is why the buffers below cannot be too small.
int CountFeatures(Device* device, size_t* count) {
  Command<ethtool_sset_info> info(sizeof(uint32_t));
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_FEATURES;
  int error = device->Ethtool(info.data());
  if (error != 0) return error;
  if (info->sset_mask == 0) return -EOPNOTSUPP;
  *count = info->data[0];
  return 0;
}

int ReadNames(Device* device, size_t count, std::vector<std::string>* names) {
  Command<ethtool_gstrings> strings(count * ETH_GSTRING_LEN);
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = static_cast<uint32_t>(count);
  int error = device->Ethtool(strings.data());
  if (error != 0) return error;
  for (size_t i = 0; i < count; i++) {
    const char* name = reinterpret_cast<const char*>(strings->data) + i * ETH_GSTRING_LEN;
    names->emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
  }
  return 0;
}

int ReadBlocks(Device* device, size_t count, std::vector<uint32_t>* blocks) {
  const size_t size = (count + kBitsPerBlock - 1) / kBitsPerBlock;
  Command<ethtool_gfeatures> features(size * sizeof(ethtool_get_features_block));
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<uint32_t>(size);
  int error = device->Ethtool(features.data());
  if (error != 0) return error;
  const uint32_t* words = reinterpret_cast<const uint32_t*>(features->features);
  blocks->assign(words, words + size * kReadWords);
  return 0;
}

int Read(void* argument) {
  Access* access = static_cast<Access*>(argument);
  Device device;
  size_t count = 0;
  int error = device.Open(access->ifindex);
  if (error == 0) error = CountFeatures(&device, &count);
  if (error == 0) error = ReadNames(&device, count, &access->names);
  if (error == 0) error = ReadBlocks(&device, count, &access->blocks);
  return error;
}

int Write(void* argument) {
  Access* access = static_cast<Access*>(argument);
  Device device;
  int error = device.Open(access->ifindex);
  if (error != 0) return error;
  const size_t bytes = access->blocks.size() * sizeof(uint32_t);
  Command<ethtool_sfeatures> features(bytes);
  features->cmd = ETHTOOL_SFEATURES;
  features->size = static_cast<uint32_t>(access->blocks.size() / kWriteWords);
  memcpy(features->features, access->blocks.data(), bytes);
  return device.Ethtool(features.data());
}

bool GetTarget(napi_env env, napi_value* argv, std::string* netns, Access* access) {
  return GetText(env, argv[0], netns) && napi_get_value_uint32(env, argv[1], &access->ifindex) == napi_ok;
}

bool GetWords(napi_env env, napi_value value, std::vector<uint32_t>* out) {
  bool is_typed_array = false;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return false;
  napi_typedarray_type type;
  size_t length;
  void* data;
  napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr);
  if (type != napi_uint32_array) return false;
  const uint32_t* words = static_cast<const uint32_t*>(data);
  out->assign(words, words + length);
  return true;
}

napi_value Words(napi_env env, const std::vector<uint32_t>& words) {
  const size_t bytes = words.size() * sizeof(uint32_t);
  void* data = nullptr;
  napi_value buffer, array;
  napi_create_arraybuffer(env, bytes, &data, &buffer);
  if (bytes > 0) memcpy(data, words.data(), bytes);
  napi_create_typedarray(env, napi_uint32_array, words.size(), buffer, 0, &array);
  return array;
}

napi_value Names(napi_env env, const std::vector<std::string>& names) {
  napi_value array;
  napi_create_array_with_length(env, names.size(), &array);
  for (size_t i = 0; i < names.size(); i++) {
    napi_value name;
    napi_create_string_latin1(env, names[i].data(), names[i].size(), &name);
    napi_set_element(env, array, static_cast<uint32_t>(i), name);
  }
  return array;
}

}  // namespace

napi_value ReadFeatures(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  std::string netns;
  Access access{};
  if (argc < 2 || !GetTarget(env, argv, &netns, &access)) {
    napi_throw_type_error(env, nullptr, "readFeatures(netns, ifindex)");
    return nullptr;
  }
  int error = RunInNetns(netns, Read, &access);
  if (error != 0) {
    ThrowErrno(env, -error, "ioctl");
    return nullptr;
  }
  napi_value result;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "names", Names(env, access.names));
  napi_set_named_property(env, result, "blocks", Words(env, access.blocks));
  return result;
}

napi_value WriteFeatures(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  size_t argc = 3;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  std::string netns;
  Access access{};
  if (argc < 3 || !GetTarget(env, argv, &netns, &access) || !GetWords(env, argv[2], &access.blocks)) {
    napi_throw_type_error(env, nullptr, "writeFeatures(netns, ifindex, blocks)");
    return nullptr;
  }
  int error = RunInNetns(netns, Write, &access);
  if (error != 0) ThrowErrno(env, -error, "ioctl");
  return nullptr;
}

}  // namespace tartan
