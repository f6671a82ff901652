#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cni_error.h"
#include "text.h"

namespace tartan {
namespace {

constexpr char kTemporarySuffix[] = ".tmp";

[[noreturn]] void Fail(const std::string& operation, const std::string& path, int error_number) {
  throw CniError(kIoFailure, WithErrno(operation + " " + path, error_number));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string TemporaryBeside(const std::string& path) {
  unsigned long long random = 0;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = static_cast<unsigned long long>(getpid());
  char unique[32];
  snprintf(unique, sizeof unique, "%d-%016llx", getpid(), random);
  return PathOf(DirectoryOf(path), "." + std::string(unique) + kTemporarySuffix);
}

void WriteDurably(const std::string& path, const std::string& data, mode_t mode) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() == -1) Fail("create", path, errno);
  for (size_t written = 0; written < data.size();) {
    const ssize_t count = write(file.get(), data.data() + written, data.size() - written);
    if (count == -1 && errno != EINTR) Fail("write", path, errno);
    if (count > 0) written += static_cast<size_t>(count);
  }
  // Whatever the umask.
  if (fchmod(file.get(), mode) == -1) Fail("chmod", path, errno);
  if (fsync(file.get()) == -1) Fail("fsync", path, errno);
}

}  // namespace

std::string ReadAll(int fd, const std::string& what, size_t limit) {
  std::string data;
  char piece[16384];
  while (true) {
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count == 0) return data;
    if (count == -1 && errno == EINTR) continue;
    if (count == -1) Fail("read", what, errno);
    data.append(piece, static_cast<size_t>(count));
    if (data.size() > limit) throw CniError(kIoFailure, what + " is longer than " + std::to_string(limit) + " bytes");
  }
}

std::optional<std::string> ReadIfThere(const std::string& path, size_t limit) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() == -1 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (file.get() == -1) Fail("open", path, errno);
  return ReadAll(file.get(), path, limit);
}

void MakeDirectories(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  const std::string parent = DirectoryOf(path);
  if (errno != ENOENT || parent == path || parent == ".") Fail("mkdir", path, errno);
  MakeDirectories(parent, mode);
  if (mkdir(path.c_str(), mode) == -1 && errno != EEXIST) Fail("mkdir", path, errno);
}

void WriteAtomic(const std::string& path, const std::string& data, mode_t mode) {
  const std::string temporary = TemporaryBeside(path);
  try {
    WriteDurably(temporary, data, mode);
    if (rename(temporary.c_str(), path.c_str()) == -1) Fail("rename to", path, errno);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  SyncDirectory(DirectoryOf(path));
}

void SyncDirectory(const std::string& path) {
  const Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() == -1) Fail("open", path, errno);
  if (fsync(directory.get()) == -1 && errno != EINVAL && errno != ENOTSUP) Fail("fsync", path, errno);
}

void RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == -1 && errno != ENOENT && errno != ENOTDIR) Fail("remove", path, errno);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string PathOf(const std::string& directory, const std::string& name) {
  return !directory.empty() && directory.back() == '/' ? directory + name : directory + "/" + name;
}

bool IsTemporaryName(const std::string& name) {
  const std::string suffix = kTemporarySuffix;
  return name.size() > suffix.size() && name[0] == '.' && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace tartan
