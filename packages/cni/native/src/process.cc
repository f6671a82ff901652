#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cni_error.h"
#include "text.h"

namespace tartan {
namespace {

constexpr size_t kOutputLimit = 16 * 1024 * 1024;
constexpr size_t kComplaintLimit = 2048;
// A program that is being replaced by a plain copy cannot be started for as long as the copy is open for writing.
constexpr int kBusyTries = 20;
constexpr long kBusyWaitNanoseconds = 50'000'000;

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) == -1) throw CniError(kIoFailure, WithErrno("pipe", errno));
  }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void Close(int end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
};

struct Pipes {
  Pipe input, output, complaint;
};

class SpawnSettings {
 public:
  explicit SpawnSettings(const Pipes& pipes) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes.input.ends[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes.output.ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes.complaint.ends[1], STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    // We ignore SIGPIPE; what is ignored would be inherited.
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

pid_t Start(const std::string& program, const std::vector<std::string>& environment, const Pipes& pipes) {
  const SpawnSettings settings(pipes);
  const std::vector<std::string> arguments{program};
  pid_t pid = -1;
  int error = ETXTBSY;
  for (int tries = 0; error == ETXTBSY && tries < kBusyTries; tries++) {
    const timespec pause{0, kBusyWaitNanoseconds};
    if (tries > 0) nanosleep(&pause, nullptr);
    error = posix_spawn(&pid, program.c_str(), &settings.actions, &settings.attributes, Pointers(arguments).data(),
                        Pointers(environment).data());
  }
  if (error != 0) throw CniError(kInternal, WithErrno("cannot run " + program, error));
  return pid;
}

// Appends what can be read now; false at the end.
bool Take(int fd, std::string* text) {
  char piece[16384];
  const ssize_t count = read(fd, piece, sizeof piece);
  if (count == -1 && (errno == EINTR || errno == EAGAIN)) return true;
  if (count <= 0) return false;
  text->append(piece, static_cast<size_t>(count));
  return true;
}

void PassComplaint(const std::string& text) {
  // Nobody to tell when our own standard error is gone.
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = write(STDERR_FILENO, text.data() + written, text.size() - written);
    if (count <= 0) return;
    written += static_cast<size_t>(count);
  }
}

// Feeds and empties the pipes together: a program that answers before it has read everything must not make both wait.
void Exchange(Pipes* pipes, const std::string& input, ProcessOutcome* outcome) {
  fcntl(pipes->input.ends[1], F_SETFL, O_NONBLOCK);
  size_t written = 0;
  if (input.empty()) pipes->input.Close(1);
  while (pipes->output.ends[0] >= 0 || pipes->complaint.ends[0] >= 0) {
    pollfd waits[] = {{pipes->input.ends[1], POLLOUT, 0}, {pipes->output.ends[0], POLLIN, 0}, {pipes->complaint.ends[0], POLLIN, 0}};
    if (poll(waits, 3, -1) == -1) {
      if (errno == EINTR) continue;
      throw CniError(kIoFailure, WithErrno("poll", errno));
    }
    if (waits[0].revents != 0) {
      const ssize_t count = write(pipes->input.ends[1], input.data() + written, input.size() - written);
      if (count > 0) written += static_cast<size_t>(count);
      // A program that does not want all of its input may still succeed.
      const bool broken = count == -1 && errno != EAGAIN && errno != EINTR;
      if (written == input.size() || broken) pipes->input.Close(1);
    }
    if (waits[1].revents != 0 && !Take(pipes->output.ends[0], &outcome->output)) pipes->output.Close(0);
    if (outcome->output.size() > kOutputLimit) throw CniError(kInternal, "delegate prints without end");
    if (waits[2].revents != 0) {
      std::string text;
      if (!Take(pipes->complaint.ends[0], &text)) pipes->complaint.Close(0);
      PassComplaint(text);
      outcome->complaint += text;
      if (outcome->complaint.size() > kComplaintLimit) outcome->complaint.erase(0, outcome->complaint.size() - kComplaintLimit);
    }
  }
}

int Await(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

ProcessOutcome RunProgram(const std::string& program, const std::vector<std::string>& environment, const std::string& input) {
  signal(SIGPIPE, SIG_IGN);
  Pipes pipes;
  const pid_t pid = Start(program, environment, pipes);
  pipes.input.Close(0);
  pipes.output.Close(1);
  pipes.complaint.Close(1);
  ProcessOutcome outcome{};
  Exchange(&pipes, input, &outcome);
  outcome.exit_code = Await(pid);
  return outcome;
}

}  // namespace tartan
