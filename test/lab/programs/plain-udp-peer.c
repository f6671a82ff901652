/*
 * A plain peer of the udp backend: the method of flanneld's udp proxy (flannel v0.20.2, pkg/backend/udp/proxy_amd64.c), written
 * anew. One thread, one packet per system call, no offload. It is the other implementation in tests of interoperability, and the
 * reference that the benchmark of the udp backend is measured against.
 *
 *   plain-udp-peer TUN MTU TUN_ADDRESS BIND_ADDRESS PORT [PREFIX/LENGTH=NEXT_HOP ...]
 *
 * What it has in common with flanneld, also where that is not what one would wish:
 *  - a datagram is a raw inner IPv4 packet; each end takes one from the TTL and drops in silence what reaches zero;
 *  - routes are a list in the order given; the first match counts, not the longest, and moves to the front;
 *  - one buffer of MTU bytes: what is longer is cut off in silence; what is shorter than an IPv4 header is dropped;
 *  - any sender is believed, and every peer is taken to listen on our own port;
 *  - no route: an ICMP net unreachable is written to the TUN from the TUN's own address, which the kernel drops as martian.
 *
 * It prints "ready" once it forwards. Addresses and routes of the device are the caller's. SIGTERM ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IPV4_HEADER = 20, MAX_ROUTES = 1024, MAX_MTU = 65507, ICMP_QUOTE = 60 + 8 };

struct route {
  uint32_t network; /* network byte order, as the mask */
  uint32_t mask;
  struct sockaddr_in next_hop;
};

static struct route routes[MAX_ROUTES];
static int route_count;
static int tun, udp;
static uint32_t tun_address;
static volatile sig_atomic_t stopping;

static void fail(const char *what) {
  fprintf(stderr, "plain-udp-peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static int open_tun(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0) fail("/dev/net/tun");
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return fd;
}

static struct sockaddr_in parse_endpoint(const char *address, int port) {
  struct sockaddr_in endpoint = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  errno = EINVAL;
  if (inet_pton(AF_INET, address, &endpoint.sin_addr) != 1) fail(address);
  return endpoint;
}

static int open_udp(const char *address, int port) {
  struct sockaddr_in own = parse_endpoint(address, port);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("socket");
  if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
  return fd;
}

static void add_route(const char *text, int port) {
  char prefix[INET_ADDRSTRLEN], next_hop[INET_ADDRSTRLEN];
  int length;
  errno = EINVAL;
  if (route_count == MAX_ROUTES) fail("too many routes");
  if (sscanf(text, "%15[0-9.]/%d=%15[0-9.]", prefix, &length, next_hop) != 3 || length < 0 || length > 32) fail(text);
  struct route *route = &routes[route_count++];
  route->mask = length == 0 ? 0 : htonl(~0u << (32 - length));
  route->network = parse_endpoint(prefix, 0).sin_addr.s_addr & route->mask;
  route->next_hop = parse_endpoint(next_hop, port);
}

static const struct sockaddr_in *find_next_hop(uint32_t destination) {
  for (int i = 0; i < route_count; i++) {
    if ((destination & routes[i].mask) != routes[i].network) continue;
    struct route hit = routes[i];
    routes[i] = routes[0];
    routes[0] = hit;
    return &routes[0].next_hop;
  }
  return NULL;
}

/** RFC 1624: the checksum follows the decremented TTL. False when the packet has reached its end. */
static int decrement_ttl(uint8_t *packet) {
  if (--packet[8] == 0) return 0;
  uint16_t field;
  memcpy(&field, packet + 10, sizeof field);
  uint32_t sum = field + (uint32_t)htons(0x0100);
  field = (uint16_t)(sum + (sum >> 16));
  memcpy(packet + 10, &field, sizeof field);
  return 1;
}

static uint16_t checksum(const uint8_t *bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i++) sum += (i & 1) ? bytes[i] : (uint32_t)bytes[i] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static void send_unreachable(const uint8_t *offender, size_t length) {
  size_t header = (size_t)(offender[0] & 15) * 4;
  int is_icmp = offender[9] == IPPROTO_ICMP;
  int is_later_fragment = ((offender[6] & 0x1f) | offender[7]) != 0;
  if (is_icmp || is_later_fragment || header < IPV4_HEADER || header >= 60) return;
  size_t quoted = length < header + 8 ? length : header + 8;
  uint8_t reply[IPV4_HEADER + 8 + ICMP_QUOTE] = {0x45, 0, 0, 0, 0, 0, 0, 0, 8, IPPROTO_ICMP};
  size_t total = IPV4_HEADER + 8 + quoted;
  uint8_t *icmp = reply + IPV4_HEADER;
  reply[2] = (uint8_t)(total >> 8);
  reply[3] = (uint8_t)total;
  memcpy(reply + 12, &tun_address, 4);
  memcpy(reply + 16, offender + 12, 4);
  icmp[0] = 3; /* destination unreachable, code 0: network */
  memcpy(icmp + 8, offender, quoted);
  uint16_t sum = checksum(icmp, 8 + quoted);
  memcpy(icmp + 2, &sum, sizeof sum);
  sum = checksum(reply, IPV4_HEADER);
  memcpy(reply + 10, &sum, sizeof sum);
  if (write(tun, reply, total) < 0 && errno != EAGAIN) fail("write of an ICMP error");
}

/** True when there was a packet, whatever became of it. */
static int tun_to_udp(uint8_t *buffer, size_t size) {
  ssize_t length = read(tun, buffer, size);
  if (length < 0) {
    if (errno != EAGAIN && errno != EINTR) fail("read of the TUN");
    return 0;
  }
  if (length < IPV4_HEADER) return 1;
  uint32_t destination;
  memcpy(&destination, buffer + 16, sizeof destination);
  const struct sockaddr_in *next_hop = find_next_hop(destination);
  if (next_hop == NULL) {
    send_unreachable(buffer, (size_t)length);
    return 1;
  }
  if (!decrement_ttl(buffer)) return 1;
  /* Refusals (no route, a full buffer, an ICMP answer to an earlier datagram) cost this packet, as a network's would. */
  (void)sendto(udp, buffer, (size_t)length, 0, (const struct sockaddr *)next_hop, sizeof *next_hop);
  return 1;
}

static int udp_to_tun(uint8_t *buffer, size_t size) {
  ssize_t length = recv(udp, buffer, size, 0);
  if (length < 0) return errno != EAGAIN && errno != EINTR; /* ICMP errors of earlier datagrams come up here */
  if (length < IPV4_HEADER || !decrement_ttl(buffer)) return 1;
  while (write(tun, buffer, (size_t)length) < 0 && errno == EAGAIN) continue;
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "usage: plain-udp-peer TUN MTU TUN_ADDRESS BIND_ADDRESS PORT [PREFIX/LENGTH=NEXT_HOP ...]\n");
    return 2;
  }
  static uint8_t buffer[MAX_MTU];
  size_t mtu = strtoul(argv[2], NULL, 10);
  int port = atoi(argv[5]);
  errno = EINVAL;
  if (mtu < 68 || mtu > sizeof buffer) fail("MTU");
  tun_address = parse_endpoint(argv[3], 0).sin_addr.s_addr;
  for (int i = 6; i < argc; i++) add_route(argv[i], port);
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  tun = open_tun(argv[1]);
  udp = open_udp(argv[4], port);
  puts("ready");
  fflush(stdout);

  struct pollfd waiting[] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
  while (!stopping) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) fail("poll");
    for (int active = 1; active && !stopping;) {
      active = tun_to_udp(buffer, mtu);
      active |= udp_to_tun(buffer, mtu);
    }
  }
  return 0;
}
