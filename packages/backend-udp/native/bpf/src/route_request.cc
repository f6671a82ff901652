#include "route_request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace tartan {
namespace {

// The kernel makes no datagram of a dump larger (net/netlink/af_netlink.c, netlink_dump(), v6.1: 32 KiB).
constexpr size_t kDatagramMax = 64 * 1024;
// The kernel answers before send() returns; this only bounds what cannot happen.
constexpr timeval kPatience{5, 0};

struct Request {
  const std::string& netns;
  const uint8_t* bytes;
  size_t length;
  std::vector<uint8_t>* answer;
  int result = 0;
};

bool IsLast(const std::vector<uint8_t>& answer, size_t from) {
  while (answer.size() - from >= sizeof(nlmsghdr)) {
    const nlmsghdr* header = reinterpret_cast<const nlmsghdr*>(answer.data() + from);
    if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) return true;
    const size_t step = NLMSG_ALIGN(header->nlmsg_len);
    if (header->nlmsg_len < sizeof *header || step > answer.size() - from) return true;
    from += step;
  }
  return false;
}

int Receive(int fd, std::vector<uint8_t>* answer) {
  for (;;) {
    const size_t from = answer->size();
    answer->resize(from + kDatagramMax);
    const ssize_t length = recv(fd, answer->data() + from, kDatagramMax, 0);
    const int error = errno;
    answer->resize(from + (length > 0 ? NLMSG_ALIGN(static_cast<size_t>(length)) : 0));
    if (length < 0 && error == EINTR) continue;
    if (length < 0) return -error;
    if (length == 0 || IsLast(*answer, from)) return 0;
  }
}

int Ask(const Request& request) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd == -1) return -errno;
  const int on = 1;
  // The kernel's own text in errors; without it, errors come without text.
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  int result = send(fd, request.bytes, request.length, 0) == -1 ? -errno : Receive(fd, request.answer);
  close(fd);
  return result;
}

// setns(2) moves one thread, so a thread of its own goes.
void* AskThere(void* argument) {
  Request* request = static_cast<Request*>(argument);
  const int fd = open(request->netns.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) {
    request->result = -errno;
    return nullptr;
  }
  request->result = setns(fd, CLONE_NEWNET) == 0 ? Ask(*request) : -errno;
  close(fd);
  return nullptr;
}

}  // namespace

int RouteRequest(const std::string& netns, const uint8_t* bytes, size_t length, std::vector<uint8_t>* answer) {
  Request request{netns, bytes, length, answer};
  if (netns.empty()) return Ask(request);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, AskThere, &request);
  if (error != 0) return -error;
  pthread_join(thread, nullptr);
  return request.result;
}

}  // namespace tartan
