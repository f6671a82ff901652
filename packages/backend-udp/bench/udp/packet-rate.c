/*
 * How many small packets per second go through, at a bounded loss.
 *
 *   packet-rate sink PORT singly|batched                               counts, until SIGTERM; prints "ready"
 *   packet-rate search ADDRESS PORT singly|batched STEP_MS HALVINGS    prints one line of JSON
 *
 * `singly` is how most programs send and receive: each packet goes through the sockets on its own (sendmmsg, recvmmsg). Then the sending
 * process, in whose time the kernel carries a packet out of the pod, is often what limits. `batched` is how QUIC and the like do it: one
 * call hands over up to 64 packets (UDP_SEGMENT), one call takes what the kernel joined (UDP_GRO). That is cheap enough to find the
 * network's limit. On the wire the packets are the same.
 *
 * The search doubles the offered rate until more than 1 % is lost, then halves the interval in logarithmic steps. A step is STEP_MS
 * of paced packets of one flow, PAYLOAD_BYTES of UDP payload each; a rate has failed when it failed twice, since one hiccup of the
 * machine costs a per cent of a short step, and one at which the sender was held up is tried again. After each step the sink is asked for its count, in the same flow, so the answer comes
 * when all packets before it are through. When the sender itself is the limit the result says so.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { PAYLOAD_BYTES = 64, BATCH = 64, JOINED_MAX = 65536 / PAYLOAD_BYTES, BUFFER_BYTES = 8 << 20, ATTEMPTS = 3 };
enum kind { DATA, QUESTION, ANSWER };

static const double START_RATE = 20000;
static const double MAX_RATE = 4e6;
static const double MAX_LOSS = 0.01;
/* Below this share of the wanted rate the sender, not the network, is what limits. */
static const double SENDER_LIMIT = 0.9;
static const long TICK_NS = 250000;

struct message {
  uint32_t kind;
  uint32_t step;
  uint64_t received;
  uint8_t padding[PAYLOAD_BYTES - 16];
};

struct result {
  double offered;
  double delivered;
  double loss;
};

static int udp;
static int batched;
static struct message messages[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr headers[BATCH];
static uint32_t step_number;
static int step_count;

static void fail(const char *what) {
  fprintf(stderr, "packet-rate: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void set_udp(int option, int value, const char *what) {
  if (setsockopt(udp, IPPROTO_UDP, option, &value, sizeof value) < 0) fail(what);
}

static void open_socket(void) {
  int bytes = BUFFER_BYTES;
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  if (udp < 0) fail("socket");
  if (setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) fail("SO_RCVBUFFORCE");
  if (batched) {
    set_udp(UDP_SEGMENT, PAYLOAD_BYTES, "UDP_SEGMENT");
    set_udp(UDP_GRO, 1, "UDP_GRO");
  }
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){&messages[i], sizeof messages[i]};
    headers[i].msg_hdr.msg_iov = &vectors[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
}

static struct sockaddr_in endpoint(const char *address, const char *port) {
  struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  errno = EINVAL;
  if (inet_pton(AF_INET, address, &result.sin_addr) != 1) fail(address);
  return result;
}

static void answer(struct message question, uint64_t received, struct sockaddr_in *sender) {
  question.kind = ANSWER;
  question.received = received;
  (void)sendto(udp, &question, sizeof question, 0, (struct sockaddr *)sender, sizeof *sender);
}

struct count {
  uint32_t step;
  uint64_t received;
};

static void take(struct count *count, const struct message *message, struct sockaddr_in *sender) {
  if (message->step != count->step) *count = (struct count){.step = message->step};
  if (message->kind == DATA) count->received++;
  if (message->kind == QUESTION) answer(*message, count->received, sender);
}

static void take_singly(struct count *count) {
  static struct sockaddr_in senders[BATCH];
  for (int i = 0; i < BATCH; i++) {
    headers[i].msg_hdr.msg_name = &senders[i];
    headers[i].msg_hdr.msg_namelen = sizeof senders[i];
  }
  int got = recvmmsg(udp, headers, BATCH, MSG_WAITFORONE, NULL);
  if (got < 0 && errno != EINTR) fail("recvmmsg");
  for (int i = 0; i < got; i++) take(count, &messages[i], &senders[i]);
}

static void take_batched(struct count *count) {
  static struct message joined[JOINED_MAX];
  struct sockaddr_in sender;
  socklen_t size = sizeof sender;
  ssize_t bytes = recvfrom(udp, joined, sizeof joined, 0, (struct sockaddr *)&sender, &size);
  if (bytes < 0 && errno != EINTR) fail("recvfrom");
  for (ssize_t i = 0; i < bytes / PAYLOAD_BYTES; i++) take(count, &joined[i], &sender);
}

static void sink(const char *port) {
  struct sockaddr_in own = endpoint("0.0.0.0", port);
  struct count count = {0, 0};
  open_socket();
  if (bind(udp, (struct sockaddr *)&own, sizeof own) < 0) fail("bind");
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (batched) take_batched(&count);
    else take_singly(&count);
  }
}

static int passing(void) { return errno == ENOBUFS || errno == EINTR || errno == ECONNREFUSED; }

static void send_batch(unsigned count) {
  while (batched && send(udp, messages, count * sizeof *messages, 0) < 0)
    if (!passing()) fail("send");
  for (unsigned sent = 0; !batched && sent < count;) {
    int done = sendmmsg(udp, headers + sent, count - sent, 0);
    if (done > 0) sent += (unsigned)done;
    else if (!passing()) fail("sendmmsg");
  }
}

/** Sends at `rate` for `seconds`; returns how many. */
static uint64_t send_paced(double rate, double seconds, double *took) {
  uint64_t sent = 0;
  double start = now(), elapsed;
  struct timespec tick = {0, TICK_NS};
  while ((elapsed = now() - start) < seconds) {
    uint64_t due = (uint64_t)(elapsed * rate) + 1;
    if (due <= sent) {
      nanosleep(&tick, NULL);
      continue;
    }
    unsigned count = due - sent > BATCH ? BATCH : (unsigned)(due - sent);
    send_batch(count);
    sent += count;
  }
  *took = elapsed;
  return sent;
}

static uint64_t ask(void) {
  struct message question = {.kind = QUESTION, .step = step_number}, reply;
  for (int tries = 0; tries < 100; tries++) {
    (void)send(udp, &question, sizeof question, 0);
    while (recv(udp, &reply, sizeof reply, 0) == sizeof reply)
      if (reply.kind == ANSWER && reply.step == step_number) return reply.received;
  }
  errno = ETIMEDOUT;
  fail("the sink does not answer");
  return 0;
}

static struct result run_step(double rate, double seconds) {
  double took;
  step_number++;
  step_count++;
  for (int i = 0; i < BATCH; i++) messages[i] = (struct message){.kind = DATA, .step = step_number};
  uint64_t sent = send_paced(rate, seconds, &took);
  uint64_t received = ask();
  return (struct result){(double)sent / took, (double)received / took, 1 - (double)received / (double)sent};
}

/** Gives the step of the best try: without too much loss, and at the wanted rate. */
static int passes(double rate, double seconds, struct result *best) {
  int failures = 0, passed = 0;
  for (int attempt = 0; attempt < ATTEMPTS && failures < 2; attempt++) {
    struct result result = run_step(rate, seconds);
    if (result.loss > MAX_LOSS) {
      failures++;
      continue;
    }
    if (!passed || result.delivered > best->delivered) *best = result;
    passed = 1;
    if (result.offered >= SENDER_LIMIT * rate) break;
  }
  return passed;
}

static double root(double square) { /* Newton; saves linking libm */
  double value = square;
  for (int i = 0; i < 60; i++) value = (value + square / value) / 2;
  return value;
}

static int search(const char *address, const char *port, double seconds, int halvings) {
  struct sockaddr_in to = endpoint(address, port);
  struct timeval patience = {0, 50000};
  struct result best = {0, 0, 0}, result;
  double low = 0, high = 0;
  int sender_limited = 0;
  open_socket();
  prctl(PR_SET_TIMERSLACK, 1);
  if (connect(udp, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  if (setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("SO_RCVTIMEO");
  step_number = (uint32_t)getpid() << 12;
  (void)run_step(START_RATE, 0.02); /* neighbour entries, caches */
  for (double rate = START_RATE; rate <= MAX_RATE && high == 0 && !sender_limited; rate *= 2) {
    if (!passes(rate, seconds, &result)) {
      high = rate;
    } else {
      best = result;
      low = rate;
      sender_limited = result.offered < SENDER_LIMIT * rate;
    }
  }
  if (low == 0) low = START_RATE / 16;
  for (int i = 0; i < halvings && high > 0; i++) {
    double middle = root(low * high);
    if (!passes(middle, seconds, &result)) {
      high = middle;
      continue;
    }
    low = middle;
    best = result;
    sender_limited = result.offered < SENDER_LIMIT * middle;
    if (sender_limited) break;
  }
  printf("{\"packetsPerSecond\":%.0f,\"lossPercent\":%.2f,\"senderLimited\":%s,\"payloadBytes\":%d,\"steps\":%d}\n", best.delivered,
         best.loss * 100, sender_limited ? "true" : "false", PAYLOAD_BYTES, step_count);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "sink") == 0) {
    batched = strcmp(argv[3], "batched") == 0;
    sink(argv[2]);
  }
  if (argc == 7 && strcmp(argv[1], "search") == 0) {
    batched = strcmp(argv[4], "batched") == 0;
    return search(argv[2], argv[3], atof(argv[5]) / 1000, atoi(argv[6]));
  }
  fprintf(stderr, "usage: packet-rate sink PORT singly|batched | packet-rate search ADDRESS PORT singly|batched STEP_MS HALVINGS\n");
  return 2;
}
