#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

namespace tartan {
namespace {

struct Visit {
  const char* path;
  int (*work)(void*);
  void* argument;
  int result;
};

void* Enter(void* argument) {
  Visit* visit = static_cast<Visit*>(argument);
  int fd = open(visit->path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) {
    visit->result = -errno;
    return nullptr;
  }
  visit->result = setns(fd, CLONE_NEWNET) == 0 ? visit->work(visit->argument) : -errno;
  close(fd);
  return nullptr;
}

}  // namespace

int RunInNetns(const std::string& path, int (*work)(void*), void* argument) {
  if (path.empty()) return work(argument);
  Visit visit{path.c_str(), work, argument, 0};
  pthread_t thread;
  int error = pthread_create(&thread, nullptr, Enter, &visit);
  if (error != 0) return -error;
  pthread_join(thread, nullptr);
  return visit.result;
}

}  // namespace tartan
