#include "unix_datagram.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "napi_util.h"

namespace tartan {
namespace {

// Fills in the address, returns its length, or 0 when the path does not fit. An abstract name is not terminated: every byte
// counts, so it may use all of sun_path; a file's name needs room for its NUL (unix(7), "Address format").
socklen_t FillAddress(const std::string& path, sockaddr_un* address) {
  const bool abstract = path[0] == '@';
  const size_t room = sizeof address->sun_path - (abstract ? 0 : 1);
  if (path.size() > room) return 0;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path.data(), path.size());
  if (abstract) address->sun_path[0] = '\0';
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
}

// Returns 0 or a positive errno.
int SendTo(const std::string& path, const void* data, size_t length) {
  if (path.empty()) return EINVAL;
  sockaddr_un address;
  const socklen_t address_length = FillAddress(path, &address);
  if (address_length == 0) return ENAMETOOLONG;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd == -1) return errno;
  const ssize_t sent = sendto(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&address), address_length);
  const int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

}  // namespace

napi_value SendUnixDatagram(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  std::string path;
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type = napi_int8_array;
  if (argc < 2 || !GetText(env, argv[0], &path) ||
      napi_get_typedarray_info(env, argv[1], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error(env, nullptr, "sendUnixDatagram(path, Uint8Array)");
    return nullptr;
  }
  const int error = SendTo(path, data, length);
  if (error != 0) ThrowErrno(env, error, "sendto");
  return nullptr;
}

}  // namespace tartan
