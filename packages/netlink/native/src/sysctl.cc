#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "napi_util.h"
#include "netns.h"

namespace tartan {
namespace {

// Longer than any value below /proc/sys/net that Tartan reads.
constexpr size_t kValueMax = 4096;

struct Access {
  std::string file;
  std::string value;
};

int Read(void* argument) {
  Access* access = static_cast<Access*>(argument);
  int fd = open(access->file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) return -errno;
  access->value.resize(kValueMax);
  ssize_t length = read(fd, access->value.data(), kValueMax);
  int error = errno;
  close(fd);
  if (length < 0) return -error;
  access->value.resize(static_cast<size_t>(length));
  return 0;
}

// One write(2), as the kernel wants it for sysctls.
int Write(void* argument) {
  Access* access = static_cast<Access*>(argument);
  int fd = open(access->file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd == -1) return -errno;
  ssize_t length = write(fd, access->value.data(), access->value.size());
  int error = errno;
  close(fd);
  return length < 0 ? -error : 0;
}

}  // namespace

napi_value ReadSysctl(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  std::string netns;
  Access access;
  if (argc < 2 || !GetText(env, argv[0], &netns) || !GetText(env, argv[1], &access.file)) {
    napi_throw_type_error(env, nullptr, "readSysctl(netns, file)");
    return nullptr;
  }
  int error = RunInNetns(netns, Read, &access);
  if (error != 0) {
    ThrowErrno(env, -error, "read");
    return nullptr;
  }
  napi_value result;
  napi_create_string_utf8(env, access.value.data(), access.value.size(), &result);
  return result;
}

napi_value WriteSysctl(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  size_t argc = 3;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  std::string netns;
  Access access;
  if (argc < 3 || !GetText(env, argv[0], &netns) || !GetText(env, argv[1], &access.file) ||
      !GetText(env, argv[2], &access.value)) {
    napi_throw_type_error(env, nullptr, "writeSysctl(netns, file, value)");
    return nullptr;
  }
  int error = RunInNetns(netns, Write, &access);
  if (error != 0) ThrowErrno(env, -error, "write");
  return nullptr;
}

}  // namespace tartan
