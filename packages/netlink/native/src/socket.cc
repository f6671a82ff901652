#include "socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <new>
#include <string>

#include "napi_util.h"
#include "netns.h"

namespace tartan {
namespace {

// The kernel makes no netlink datagram larger than 32 KiB for dumps; a notification fits far below. One of this size always
// fits behind what is in the buffer already.
constexpr size_t kDatagramMax = 64 * 1024;
// Callbacks per wake-up, so that a storm of notifications cannot keep other work of the event loop waiting.
constexpr int kRoundsPerWakeup = 16;

struct Socket {
  napi_env env = nullptr;
  napi_ref wrapper = nullptr;
  napi_ref callback = nullptr;
  napi_ref buffer_ref = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  uv_poll_t poll;
  uint8_t* buffer = nullptr;
  size_t capacity = 0;
  int fd = -1;
  int owners = 1;
  bool referenced = false;
  bool overrun = false;
};

void Release(Socket* socket) {
  if (--socket->owners == 0) delete socket;
}

void OnClosed(uv_handle_t* handle) {
  Socket* socket = static_cast<Socket*>(handle->data);
  if (socket->hook != nullptr) napi_remove_async_cleanup_hook(socket->hook);
  Release(socket);
}

void Close(Socket* socket) {
  if (socket->fd == -1) return;
  uv_poll_stop(&socket->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll), OnClosed);
  close(socket->fd);
  socket->fd = -1;
  if (socket->referenced) napi_reference_unref(socket->env, socket->wrapper, nullptr);
  socket->referenced = false;
  napi_delete_reference(socket->env, socket->callback);
  napi_delete_reference(socket->env, socket->buffer_ref);
  napi_async_destroy(socket->env, socket->context);
  socket->callback = nullptr;
  socket->buffer_ref = nullptr;
  socket->context = nullptr;
}

void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) { Close(static_cast<Socket*>(data)); }

void Finalize(napi_env, void* data, void*) {
  Socket* socket = static_cast<Socket*>(data);
  napi_ref wrapper = socket->wrapper;
  Close(socket);
  socket->wrapper = nullptr;
  napi_delete_reference(socket->env, wrapper);
  Release(socket);
}

// Calls onReceive. False when the socket was closed meanwhile.
bool Deliver(Socket* socket, size_t length, int code) {
  napi_env env = socket->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value self = nullptr, function = nullptr;
  napi_get_reference_value(env, socket->wrapper, &self);
  // Nobody can reach the object any more: it waits for its finalizer.
  if (self != nullptr) {
    napi_get_named_property(env, self, "onReceive", &function);
    napi_value arguments[] = {Number(env, static_cast<double>(length)), Number(env, code)};
    if (napi_make_callback(env, socket->context, self, function, 2, arguments, nullptr) == napi_pending_exception) {
      napi_value exception;
      napi_get_and_clear_last_exception(env, &exception);
      napi_fatal_exception(env, exception);
    }
  }
  napi_close_handle_scope(env, scope);
  return self != nullptr && socket->fd != -1;
}

enum class Fill { kFull, kEmpty, kFailed };

// Reads whole datagrams into the buffer until it is nearly full or nothing is left. `*error` is the errno of a failure.
Fill FillBuffer(Socket* socket, size_t* length, bool* truncated, int* error) {
  while (*length + kDatagramMax <= socket->capacity) {
    sockaddr_nl sender{};
    iovec piece{socket->buffer + *length, socket->capacity - *length};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    ssize_t got = recvmsg(socket->fd, &message, MSG_DONTWAIT);
    if (got >= 0) {
      if (message.msg_flags & MSG_TRUNC) *truncated = true;
      // Only the kernel is listened to (nl_pid 0); any process may write to our port.
      else if (sender.nl_pid == 0) *length += (static_cast<size_t>(got) + 3) & ~size_t{3};
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Fill::kEmpty;
    if (errno != ENOBUFS) {
      *error = errno;
      return Fill::kFailed;
    }
    socket->overrun = true;
  }
  return Fill::kFull;
}

// One buffer full. False when there is nothing more to do in this wake-up.
bool Round(Socket* socket) {
  size_t length = 0;
  bool truncated = false;
  int error = 0;
  Fill fill = FillBuffer(socket, &length, &truncated, &error);
  if (length > 0 && !Deliver(socket, length, 0)) return false;
  if (truncated && !Deliver(socket, 0, kTruncated)) return false;
  if (fill == Fill::kFailed) {
    Deliver(socket, 0, -error);
    return false;
  }
  if (fill == Fill::kFull) return true;
  if (socket->overrun) {
    socket->overrun = false;
    Deliver(socket, 0, kOverrun);
  }
  return false;
}

void OnReadable(uv_poll_t* poll, int status, int) {
  Socket* socket = static_cast<Socket*>(poll->data);
  for (int round = 0; round < kRoundsPerWakeup && Round(socket); round++) {
  }
  if (status < 0 && socket->fd != -1) uv_poll_start(poll, UV_READABLE, OnReadable);
}

struct Opening {
  int protocol;
  int fd;
};

int OpenFd(void* argument) {
  Opening* opening = static_cast<Opening*>(argument);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, opening->protocol);
  if (fd == -1) return -errno;
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) == -1) {
    int error = errno;
    close(fd);
    return -error;
  }
  opening->fd = fd;
  return 0;
}

int GrowReceiveBuffer(int fd, int wanted) {
  if (wanted > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) == -1) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  return granted;
}

// Older kernels lack some of these; what is missing costs comfort, not correctness.
int SetOptions(int fd) {
  int one = 1;
  int taken = 0;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one) == 0) taken |= kExtendedAck;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one) == 0) taken |= kCapAck;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one) == 0) taken |= kStrictCheck;
  return taken;
}

unsigned PortOf(int fd) {
  sockaddr_nl own{};
  socklen_t size = sizeof own;
  getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
  return own.nl_pid;
}

// Hands the open descriptor to libuv and ties it to the JavaScript object. 0, or a negative errno.
int Watch(Socket* socket, napi_env env) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return -EINVAL;
  int error = uv_poll_init(loop, &socket->poll, socket->fd);
  if (error != 0) return error;
  socket->poll.data = socket;
  socket->owners++;
  uv_unref(reinterpret_cast<uv_handle_t*>(&socket->poll));
  error = uv_poll_start(&socket->poll, UV_READABLE, OnReadable);
  if (error != 0) return error;
  napi_value name;
  napi_create_string_utf8(env, "tartan.netlink", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &socket->context);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, socket, &socket->hook);
  return 0;
}

napi_value Construct(napi_env env, napi_callback_info info) {
  napi_value argv[5], self;
  size_t argc = 5;
  napi_get_cb_info(env, info, &argc, argv, &self, nullptr);
  std::string netns;
  int32_t wanted = 0;
  void* data = nullptr;
  size_t capacity = 0;
  int32_t protocol = NETLINK_ROUTE;
  napi_valuetype callback_type = napi_undefined;
  if (argc == 4 || argc == 5) napi_typeof(env, argv[3], &callback_type);
  if (callback_type != napi_function || !GetText(env, argv[0], &netns) ||
      napi_get_value_int32(env, argv[1], &wanted) != napi_ok ||
      napi_get_typedarray_info(env, argv[2], nullptr, &capacity, &data, nullptr, nullptr) != napi_ok ||
      capacity < kDatagramMax || (argc == 5 && napi_get_value_int32(env, argv[4], &protocol) != napi_ok)) {
    napi_throw_type_error(env, nullptr,
                          "new Socket(netns, receiveBufferBytes, buffer of 64 KiB or more, onReceive, protocol?)");
    return nullptr;
  }
  Opening opening{protocol, -1};
  int error = RunInNetns(netns, OpenFd, &opening);
  if (error != 0) {
    ThrowErrno(env, -error, "socket");
    return nullptr;
  }
  Socket* socket = new (std::nothrow) Socket();
  if (socket == nullptr) {
    close(opening.fd);
    ThrowErrno(env, ENOMEM, "socket");
    return nullptr;
  }
  socket->env = env;
  socket->fd = opening.fd;
  socket->buffer = static_cast<uint8_t*>(data);
  socket->capacity = capacity;
  napi_set_named_property(env, self, "receiveBufferBytes", Number(env, GrowReceiveBuffer(socket->fd, wanted)));
  napi_set_named_property(env, self, "options", Number(env, SetOptions(socket->fd)));
  napi_set_named_property(env, self, "port", Number(env, PortOf(socket->fd)));
  error = Watch(socket, env);
  if (error != 0) {
    close(socket->fd);
    if (socket->owners > 1) {
      socket->fd = -1;
      uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll), OnClosed);
    }
    Release(socket);
    ThrowErrno(env, -error, "uv_poll");
    return nullptr;
  }
  // The callback is a property, not a strong reference: it usually reaches the object, and a cycle through a strong reference
  // would never be collected.
  napi_set_named_property(env, self, "onReceive", argv[3]);
  napi_create_reference(env, argv[2], 1, &socket->buffer_ref);
  napi_wrap(env, self, socket, Finalize, nullptr, &socket->wrapper);
  return self;
}

// The open socket behind `this`; throws EBADF and returns null when it is closed.
Socket* Self(napi_env env, napi_callback_info info, size_t argc, napi_value* argv, bool may_be_closed = false) {
  napi_value self;
  size_t given = argc;
  napi_get_cb_info(env, info, &given, argv, &self, nullptr);
  Socket* socket = nullptr;
  if (napi_unwrap(env, self, reinterpret_cast<void**>(&socket)) != napi_ok) {
    napi_throw_type_error(env, nullptr, "not a netlink socket");
    return nullptr;
  }
  if (socket->fd == -1 && !may_be_closed) {
    ThrowErrno(env, EBADF, "netlink");
    return nullptr;
  }
  return socket;
}

napi_value AddMembership(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  Socket* socket = Self(env, info, 1, argv);
  uint32_t group = 0;
  if (socket == nullptr) return nullptr;
  napi_get_value_uint32(env, argv[0], &group);
  if (setsockopt(socket->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == -1) {
    ThrowErrno(env, errno, "setsockopt");
  }
  return nullptr;
}

napi_value Send(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  Socket* socket = Self(env, info, 2, argv);
  if (socket == nullptr) return nullptr;
  void* data = nullptr;
  size_t capacity = 0;
  uint32_t length = 0;
  if (napi_get_typedarray_info(env, argv[0], nullptr, &capacity, &data, nullptr, nullptr) != napi_ok ||
      napi_get_value_uint32(env, argv[1], &length) != napi_ok || length > capacity) {
    napi_throw_type_error(env, nullptr, "send(bytes, length)");
    return nullptr;
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent;
  do {
    sent = sendto(socket->fd, data, length, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  } while (sent == -1 && errno == EINTR);
  if (sent == -1) ThrowErrno(env, errno, "sendto");
  return nullptr;
}

napi_value Ref(napi_env env, napi_callback_info info) {
  Socket* socket = Self(env, info, 0, nullptr, true);
  if (socket == nullptr || socket->fd == -1 || socket->referenced) return nullptr;
  socket->referenced = true;
  uv_ref(reinterpret_cast<uv_handle_t*>(&socket->poll));
  napi_reference_ref(env, socket->wrapper, nullptr);
  return nullptr;
}

napi_value Unref(napi_env env, napi_callback_info info) {
  Socket* socket = Self(env, info, 0, nullptr, true);
  if (socket == nullptr || socket->fd == -1 || !socket->referenced) return nullptr;
  socket->referenced = false;
  uv_unref(reinterpret_cast<uv_handle_t*>(&socket->poll));
  napi_reference_unref(env, socket->wrapper, nullptr);
  return nullptr;
}

napi_value CloseMethod(napi_env env, napi_callback_info info) {
  Socket* socket = Self(env, info, 0, nullptr, true);
  if (socket != nullptr) Close(socket);
  return nullptr;
}

}  // namespace

napi_status DefineSocket(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      Method("addMembership", AddMembership), Method("send", Send),         Method("ref", Ref),
      Method("unref", Unref),                 Method("close", CloseMethod),
  };
  napi_value constructor;
  napi_status status = napi_define_class(env, "Socket", NAPI_AUTO_LENGTH, Construct, nullptr,
                                         sizeof methods / sizeof methods[0], methods, &constructor);
  if (status != napi_ok) return status;
  return napi_set_named_property(env, exports, "Socket", constructor);
}

}  // namespace tartan
