// Takes datagrams from a socket, many with one recvmmsg.
//
// With UDP_GRO a message may be up to 64 KiB that the kernel joined from datagrams of one size. Buffers lie a little more than 64 KiB
// apart: at a power of two their first lines would share cache sets. Each begins with a cache line, as what the kernel copies from
// mostly does: where the place in its page is 1 to 31 bytes further in the destination than in the source, "rep movsb", which the kernel
// copies with, takes fifteen times as long on AMD Zen 3, and malloc() begins 16 bytes behind a page.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "address.h"

namespace tartan {

struct ReceivedMessage {
  uint8_t* data;
  size_t bytes;
  // Size of the datagrams in it; the last may be smaller.
  size_t datagram_bytes;
  bool truncated;
  Endpoint source;
};

class ReceiveBuffer {
 public:
  static constexpr size_t kMessages = 64;
  static constexpr size_t kCacheLineBytes = 64;

  ReceiveBuffer();

  // Number of messages, or -1 with errno. Fills less at once while messages are large.
  int Receive(int fd);
  // Of the last Receive().
  ReceivedMessage At(size_t index) const;
  // Of all messages of the last Receive().
  size_t bytes() const { return bytes_; }
  // True when the last Receive() got as many as it asked for, so that more may wait.
  bool MayHaveMore() const { return got_ == asked_; }

 private:
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  };

  struct alignas(kCacheLineBytes) CacheLine {
    uint8_t bytes[kCacheLineBytes];
  };

  std::vector<CacheLine> arena_;
  std::vector<mmsghdr> headers_;
  std::vector<iovec> pieces_;
  std::vector<SocketAddress> sources_;
  std::vector<Control> controls_;
  size_t asked_ = kMessages;
  size_t got_ = 0;
  size_t bytes_ = 0;
  bool large_ = false;
};

}  // namespace tartan
