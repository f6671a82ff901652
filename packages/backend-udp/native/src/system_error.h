// What the kernel refused, for errors that JavaScript words.
#pragma once

#include <unistd.h>

#include <utility>

namespace tartan {

struct SystemError {
  // A positive errno; 0: all is well.
  int error = 0;
  // The system call, ioctl or option.
  const char* call = "";

  explicit operator bool() const { return error != 0; }
};

// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ != -1; }
  void Close() {
    if (fd_ != -1) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace tartan
