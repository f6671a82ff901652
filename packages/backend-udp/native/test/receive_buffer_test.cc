#include "../src/receive_buffer.h"

#include <errno.h>
#include <poll.h>

#include "../src/udp_socket.h"
#include "check.h"

using namespace tartan;

namespace {

constexpr size_t kSent = ReceiveBuffer::kMessages + 1;

struct Pair {
  Descriptor from, to;
  SocketAddress sender;

  Pair() {
    Features features;
    Endpoint any;
    any.address.family = 4;
    any.address.bytes[0] = 127;
    any.address.bytes[3] = 1;
    CHECK(!OpenUdpSocket({any}, &features, &from));
    CHECK(!OpenUdpSocket({any}, &features, &to));
    sender = NameOf(from);
    SocketAddress receiver = NameOf(to);
    CHECK(connect(from.get(), &receiver.any, receiver.length) == 0);
  }

  static SocketAddress NameOf(const Descriptor& socket) {
    SocketAddress name;
    name.length = sizeof name.ipv6;
    CHECK(getsockname(socket.get(), &name.any, &name.length) == 0);
    return name;
  }
};

}  // namespace

TEST(received_messages_come_in_order_each_at_the_start_of_a_cache_line) {
  Pair pair;
  ReceiveBuffer buffer;
  for (uint8_t i = 0; i < kSent; i++) {
    uint8_t datagram[] = {i, 1, 2};
    CHECK(send(pair.from.get(), datagram, sizeof datagram, 0) == sizeof datagram);
  }
  size_t seen = 0;
  while (seen < kSent) {
    pollfd waiting{pair.to.get(), POLLIN, 0};
    CHECK(poll(&waiting, 1, -1) == 1);
    int got = buffer.Receive(pair.to.get());
    CHECK(got > 0);
    for (size_t i = 0; i < static_cast<size_t>(got); i++) {
      ReceivedMessage message = buffer.At(i);
      CHECK(message.bytes == 3 && message.datagram_bytes == 3 && !message.truncated);
      CHECK(message.data[0] == seen++);
      CHECK(message.source == ToEndpoint(pair.sender));
      CHECK(reinterpret_cast<uintptr_t>(message.data) % ReceiveBuffer::kCacheLineBytes == 0);
    }
  }
  CHECK(buffer.Receive(pair.to.get()) == -1 && errno == EAGAIN);
  CHECK(!buffer.MayHaveMore());
}
