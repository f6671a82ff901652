// Datagrams that wait to be sent, and how they go out in as few system calls as possible.
//
// Neighbours that go to one peer and have one size (the last may be smaller) become one message with UDP_SEGMENT: one way through the
// stack for up to 64 of them. Messages of one socket go out in one sendmmsg. Where the kernel refuses segmentation, they go singly.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "counters.h"
#include "features.h"
#include "peer.h"
#include "route_table.h"
#include "segmenter.h"

namespace tartan {

// What one UDP datagram over IPv4 can hold: 65,535 - 20 - 8.
constexpr size_t kDatagramMax = 65507;
// UDP_MAX_SEGMENTS was 64 until Linux 6.9.
constexpr size_t kSegmentsMax = 64;

struct Datagram {
  const Route* route;
  iovec pieces[2];
  uint32_t bytes;
};

// How many of `count` datagrams may share one message with UDP_SEGMENT; at least one. The route decides the peer.
size_t GroupLength(const Datagram* datagrams, size_t count);

class DatagramBatch {
 public:
  static constexpr size_t kCapacity = 1024;

  struct Sockets {
    // -1: none of this family.
    int ipv4 = -1;
    int ipv6 = -1;
    int For(int family) const { return family == 4 ? ipv4 : ipv6; }
  };

  // Told of every datagram that is too big for its path.
  class TooBigHandler {
   public:
    virtual ~TooBigHandler() = default;
    // True when it was dealt with (and counted); false: send it in outer fragments.
    virtual bool OnTooBig(const Datagram& datagram) = 0;
  };

  DatagramBatch(Features* features, Counters* counters, TooBigHandler* handler);

  void SetSockets(Sockets sockets) { sockets_ = sockets; }
  bool Full() const { return datagrams_.size() == kCapacity; }

  // Where the Segmenter may write the header of the next datagram.
  uint8_t* HeaderRoom() { return headers_.data() + datagrams_.size() * kSegmentHeaderMax; }

  // Not when Full(). The bytes must stay until Send().
  void Add(const Route* route, const Segment& segment);

  // Sends all and is empty then; what cannot be sent is counted by cause.
  void Send();

 private:
  struct Message {
    size_t first;
    size_t count;
  };

  // True when the socket takes more within its time.
  bool WaitForRoom(int fd);
  void Pack(size_t first, size_t end);
  void SendMessages(int fd, size_t first, size_t end);
  void OnFailure(int fd, const Message& message, int error);
  void SendSingly(int fd, const Message& message);
  void SendFragmented(int fd, const Datagram& datagram);
  bool SendOne(int fd, const Datagram& datagram, int* error);
  void Prepare(const Message& message, size_t index);
  void CountSent(const Message& message);
  void CountLost(size_t packets, int error);

  Features* const features_;
  Counters* const counters_;
  TooBigHandler* const handler_;
  Sockets sockets_;
  int waits_left_ = 0;
  std::vector<Datagram> datagrams_;
  std::vector<uint8_t> headers_;
  std::vector<Message> messages_;
  std::vector<mmsghdr> kernel_messages_;
  std::vector<SocketAddress> addresses_;
  std::vector<iovec> pieces_;
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
  };
  std::vector<Control> controls_;
};

}  // namespace tartan
