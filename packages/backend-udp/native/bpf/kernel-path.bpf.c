// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel path of the udp backend: the same datagrams as the packet loop sends, made and taken apart without leaving the kernel.
 * (The kernel gives the helpers used here to programs under the GPL only, hence the licence of this one file.)
 *
 *   pod ─▶ route ─▶ TUN ── tun_egress ─▶ uplink ─▶ ... ─▶ uplink ── uplink_ingress ─▶ VXLAN device ── tunnel_ingress ─▶ TUN ─▶ pod
 *                    │                                               │
 *                    └─ everything else ─▶ the packet loop ◀─────────┘  (through the TUN reader, through the socket)
 *
 * Sending. The TUN hands over raw IP packets, TCP and UDP as super-packets. bpf_skb_adjust_room() with ENCAP_L3_IPV4, ENCAP_L4_UDP and
 * FIXED_GSO makes room for the outer headers and marks a super-packet as a tunnelled one (SKB_GSO_UDP_TUNNEL), so that it is segmented,
 * by the uplink or in software, into datagrams of one inner packet each. A packet from a TUN has no Ethernet header: one must be there
 * first (bpf_skb_change_head), or bpf_redirect_neigh() refuses. The outer UDP checksum is 0: the kernel would compute it for each segment
 * only under SKB_GSO_UDP_TUNNEL_CSUM, which no helper sets (net/core/filter.c, bpf_skb_net_grow, v6.1). That is why this is for an IPv4
 * underlay only (over IPv6 such datagrams are dropped, RFC 8200, section 8.1). It is also what keeps datagrams apart on receipt: UDP GRO
 * merges none without a checksum (net/ipv4/udp_offload.c, udp_gro_receive_segment, v6.1), and a merged one holds several inner packets.
 *
 * Receiving. Taking the 28 bytes off with adjust_room would leave the tunnel mark on super-packets, and the stack would take them to
 * pieces. A tunnel device clears it (iptunnel_pull_offloads) and runs GRO over the inner packets (gro_cells). So the datagram becomes a
 * VXLAN one for a local device. Inserting VXLAN and Ethernet headers is faster than VXLAN-GPE, for which the device has to be an
 * "external" one that allocates metadata for every packet (drivers/net/vxlan, vxlan_rcv, udp_tun_rx_dst, v6.1).
 *
 *   before:  Ethernet 14 | IP 20 | UDP 8 to our port    |                          inner packet
 *   after:   Ethernet 14 | IP 20 | UDP 8 to vxlan_port  | VXLAN 8 | Ethernet 14 |  inner packet
 *
 * The device's port is open to whoever reaches this host, and the checks are made before it. So uplink_ingress writes a secret into the
 * inner source address, and tunnel_ingress drops what comes without it.
 *
 * Inner checksums may be partial (CHECKSUM_PARTIAL) where the underlay is virtual: only a kernel on the other side completes them. So
 * only peers that announced this path are in the tables.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OUTER_BYTES ((int)(sizeof(struct iphdr) + sizeof(struct udphdr)))
#define VXLAN_BYTES 8
#define ADDED_BYTES (VXLAN_BYTES + ETH_HLEN)
/* What still fits the 16 bits of the outer length on the receiving side. */
#define INNER_BYTES_MAX (65535 - OUTER_BYTES - ADDED_BYTES)
#define OUTER_TTL 64
#define FRAGMENT 0x3fff /* MF and the offset, RFC 791 section 3.1 */
#define ROUTES_MAX 65536

/* The loader reads these tables, and JavaScript writes what they hold: src/kernel-path/tables.ts has the same layouts. */

struct table {
  __u32 type;
  __u32 key_size;
  __u32 value_size;
  __u32 max_entries;
  __u32 map_flags;
};

/* What stands between the outer IP header and the inner packet on the way to the VXLAN device: 30 bytes. */
union inserted {
  struct {
    struct udphdr udp;
    __u8 vxlan[VXLAN_BYTES];
    __u8 destination[ETH_ALEN];
    __u16 secret[ETH_ALEN / 2];
    __be16 protocol;
    __u16 padding; /* bpf_csum_diff() counts in fours */
  };
  __u32 words[8];
};

#define INSERTED_BYTES ((int)sizeof(union inserted) - 2)

struct config {
  __u32 uplink_ifindex;
  __be32 local_address;
  __be16 port;
  __u16 reserved;
  __u32 mtu_bytes; /* of inner packets */
  __u32 tun_ifindex;
  union inserted inserted; /* a template */
};

struct key4 {
  __u32 prefix_bits;
  __be32 address;
};

struct key6 {
  __u32 prefix_bits;
  __u8 address[16];
};

struct peer {
  __be32 endpoint;
  __be16 port;
  __u16 reserved;
};

enum counter {
  TX_PACKETS,
  TX_BYTES,
  RX_PACKETS,
  RX_BYTES,
  TX_LEFT_TTL,
  TX_LEFT_TOO_BIG,
  TX_LEFT_UNSUITABLE,
  RX_LEFT_AGGREGATE,
  RX_LEFT_FOREIGN,
  DROPPED_NO_ROOM,
  DROPPED_FORGED,
  COUNTERS,
};

struct table SEC("maps") config_map = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct config), 1, 0};
struct table SEC("maps") counters_map = {BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(__u64) * COUNTERS, 1, 0};
struct table SEC("maps") peers4 = {BPF_MAP_TYPE_LPM_TRIE, sizeof(struct key4), sizeof(struct peer), ROUTES_MAX,
                                   BPF_F_NO_PREALLOC};
struct table SEC("maps") peers6 = {BPF_MAP_TYPE_LPM_TRIE, sizeof(struct key6), sizeof(struct peer), ROUTES_MAX,
                                   BPF_F_NO_PREALLOC};

/* Sections "license" and "source_hash" are read by the loader. */
const char license_text[] SEC("license") = "GPL";
const char source_hash_text[] SEC("source_hash") = SOURCE_HASH;

struct state {
  const struct config *config;
  __u64 *counters;
};

static __always_inline int load_state(struct state *state) {
  __u32 zero = 0;
  state->config = bpf_map_lookup_elem(&config_map, &zero);
  state->counters = bpf_map_lookup_elem(&counters_map, &zero);
  return state->config && state->counters;
}

static __always_inline int counted(const struct state *state, enum counter counter, int verdict) {
  state->counters[counter] += 1;
  return verdict;
}

static __always_inline void count_traffic(const struct state *state, const struct __sk_buff *skb, enum counter packets,
                                          __u32 bytes) {
  state->counters[packets] += skb->gso_segs > 1 ? skb->gso_segs : 1;
  state->counters[packets + 1] += bytes;
}

static __always_inline void *packet(const struct __sk_buff *skb) { return (void *)(long)skb->data; }

/* Makes the first bytes readable where packets keep them in fragments; afterwards packet() has to be read again. */
static __always_inline int readable(struct __sk_buff *skb, __u32 bytes) {
  if (packet(skb) + bytes <= (void *)(long)skb->data_end) return 1;
  if (bpf_skb_pull_data(skb, bytes) != 0) return 0;
  return packet(skb) + bytes <= (void *)(long)skb->data_end;
}

static __always_inline __u16 folded(__u64 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static __always_inline void set_checksum(struct iphdr *ip) {
  ip->check = 0;
  ip->check = folded(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __always_inline const struct peer *peer4(__be32 address) {
  struct key4 key = {.prefix_bits = 32, .address = address};
  return bpf_map_lookup_elem(&peers4, &key);
}

static __always_inline const struct peer *peer6(const struct in6_addr *address) {
  struct key6 key = {.prefix_bits = 128};
  __builtin_memcpy(key.address, address, sizeof(key.address));
  return bpf_map_lookup_elem(&peers6, &key);
}

/*** Sending *************************************************************************************************************************/

struct inner {
  const struct peer *peer;
  __u8 protocol;
  __u8 ttl;
};

/* False when it is for the packet loop, whoever it is for. */
static __always_inline int parse_inner(struct __sk_buff *skb, struct inner *inner) {
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    if (!readable(skb, sizeof(struct iphdr))) return 0;
    const struct iphdr *ip = packet(skb);
    if ((void *)(ip + 1) > (void *)(long)skb->data_end) return 0;
    inner->peer = peer4(ip->daddr);
    inner->protocol = ip->protocol;
    inner->ttl = ip->ttl;
    return inner->peer != 0;
  }
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    if (!readable(skb, sizeof(struct ipv6hdr))) return 0;
    const struct ipv6hdr *ip = packet(skb);
    if ((void *)(ip + 1) > (void *)(long)skb->data_end) return 0;
    inner->peer = peer6(&ip->daddr);
    inner->protocol = ip->nexthdr;
    inner->ttl = ip->hop_limit;
    return inner->peer != 0;
  }
  return 0;
}

/* As a router does, and as the packet loop does: RFC 791 section 3.2, RFC 1141 for the checksum. */
static __always_inline void decrement_ttl4(struct iphdr *ip) {
  __u32 check = ip->check;
  check += bpf_htons(0x0100);
  ip->check = check + (check >= 0xffff);
  ip->ttl -= 1;
}

static __always_inline void write_outer(void *start, const struct config *config, const struct peer *peer, __u32 bytes) {
  struct ethhdr *ethernet = start;
  struct iphdr *ip = start + ETH_HLEN;
  struct udphdr *udp = (void *)(ip + 1);
  ethernet->h_proto = bpf_htons(ETH_P_IP);
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = bpf_htons(bytes + OUTER_BYTES);
  /* Without DF, as kernel tunnels send: where the path narrows, routers fragment, and the far socket gets the whole. */
  ip->id = bpf_get_prandom_u32();
  ip->ttl = OUTER_TTL;
  ip->protocol = IPPROTO_UDP;
  ip->saddr = config->local_address;
  ip->daddr = peer->endpoint;
  set_checksum(ip);
  udp->source = config->port;
  udp->dest = peer->port;
  udp->len = bpf_htons(bytes + sizeof(*udp));
  udp->check = 0;
}

SEC("tc/tun_egress") int tun_egress(struct __sk_buff *skb) {
  struct state state;
  struct inner inner;
  __u32 bytes = skb->len;
  if (!load_state(&state) || !parse_inner(skb, &inner)) return TC_ACT_UNSPEC;
  /* The loop answers these with ICMP. */
  if (inner.ttl <= 1) return counted(&state, TX_LEFT_TTL, TC_ACT_UNSPEC);
  if (bytes > (skb->gso_size ? INNER_BYTES_MAX : state.config->mtu_bytes))
    return counted(&state, TX_LEFT_TOO_BIG, TC_ACT_UNSPEC);
  /* adjust_room refuses super-packets of other protocols. */
  if (skb->gso_size && inner.protocol != IPPROTO_TCP && inner.protocol != IPPROTO_UDP)
    return counted(&state, TX_LEFT_UNSUITABLE, TC_ACT_UNSPEC);

  int is4 = skb->protocol == bpf_htons(ETH_P_IP);
  __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
  if (bpf_skb_change_head(skb, ETH_HLEN, 0) != 0 ||
      bpf_skb_adjust_room(skb, OUTER_BYTES, BPF_ADJ_ROOM_MAC, flags) != 0)
    return counted(&state, DROPPED_NO_ROOM, TC_ACT_SHOT);

  void *start = packet(skb);
  void *inner_start = start + ETH_HLEN + OUTER_BYTES;
  if (inner_start + sizeof(struct iphdr) > (void *)(long)skb->data_end)
    return counted(&state, DROPPED_NO_ROOM, TC_ACT_SHOT);
  if (is4)
    decrement_ttl4(inner_start);
  else
    ((struct ipv6hdr *)inner_start)->hop_limit -= 1;
  write_outer(start, state.config, inner.peer, bytes);
  count_traffic(&state, skb, TX_PACKETS, bytes);
  return bpf_redirect_neigh(state.config->uplink_ifindex, 0, 0, 0);
}

/*** Receiving ***********************************************************************************************************************/

struct datagram {
  __u32 inner_bytes;   /* as the outer headers say */
  __u32 claimed_bytes; /* as the inner header says */
  __be16 protocol;
  __be32 sender;
  const struct peer *peer;
};

/* False for everything that is no datagram to our port: not ours to judge. */
static __always_inline int parse_outer(struct __sk_buff *skb, const struct config *config, struct datagram *datagram) {
  if (skb->protocol != bpf_htons(ETH_P_IP) || !readable(skb, ETH_HLEN + OUTER_BYTES + sizeof(struct iphdr))) return 0;
  const struct iphdr *ip = packet(skb) + ETH_HLEN;
  const struct udphdr *udp = (void *)(ip + 1);
  if ((void *)(udp + 1) > (void *)(long)skb->data_end) return 0;
  if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return 0;
  if (ip->daddr != config->local_address || ip->frag_off & bpf_htons(FRAGMENT)) return 0;
  if (udp->dest != config->port || bpf_ntohs(udp->len) < sizeof(*udp)) return 0;
  if (bpf_ntohs(ip->tot_len) != bpf_ntohs(udp->len) + sizeof(*ip)) return 0;
  datagram->inner_bytes = bpf_ntohs(udp->len) - sizeof(*udp);
  datagram->sender = ip->saddr;
  return 1;
}

/* False when it holds no whole IP header. A packet of another version is none of ours: the socket counts it. */
static __always_inline int parse_datagram(struct __sk_buff *skb, struct datagram *datagram) {
  const struct iphdr *ip = packet(skb) + ETH_HLEN + OUTER_BYTES;
  if ((void *)(ip + 1) > (void *)(long)skb->data_end) return 0;
  if (ip->version == 4) {
    datagram->claimed_bytes = bpf_ntohs(ip->tot_len);
    datagram->protocol = bpf_htons(ETH_P_IP);
    datagram->peer = peer4(ip->saddr);
    return ip->ihl >= 5;
  }
  if (ip->version != 6 || !readable(skb, ETH_HLEN + OUTER_BYTES + sizeof(struct ipv6hdr))) return 0;
  const struct ipv6hdr *ip6 = packet(skb) + ETH_HLEN + OUTER_BYTES;
  if ((void *)(ip6 + 1) > (void *)(long)skb->data_end) return 0;
  datagram->claimed_bytes = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
  datagram->protocol = bpf_htons(ETH_P_IPV6);
  datagram->peer = peer6(&ip6->saddr);
  return 1;
}

/* True when the packet is a VXLAN one now. */
static __always_inline int to_vxlan(struct __sk_buff *skb, const struct config *config, const struct datagram *datagram) {
  struct udphdr before;
  union inserted after = config->inserted;
  const struct udphdr *udp = packet(skb) + ETH_HLEN + sizeof(struct iphdr);
  if ((void *)(udp + 1) > (void *)(long)skb->data_end) return 0;
  before = *udp;
  after.udp.source = before.source;
  after.udp.len = bpf_htons(datagram->inner_bytes + INSERTED_BYTES);
  after.protocol = datagram->protocol;

  if (bpf_skb_adjust_room(skb, ADDED_BYTES, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO) != 0) return 0;
  struct iphdr *ip = packet(skb) + ETH_HLEN;
  union inserted *place = (void *)(ip + 1);
  if ((void *)place + INSERTED_BYTES > (void *)(long)skb->data_end) return 0;
  ip->tot_len = bpf_htons(sizeof(*ip) + INSERTED_BYTES + datagram->inner_bytes);
  set_checksum(ip);
#pragma unroll
  for (int word = 0; word < INSERTED_BYTES / 4; word++) place->words[word] = after.words[word];
  place->protocol = after.protocol;
  /* Cards that sum whole packets (CHECKSUM_COMPLETE) have to be told; for all others this does nothing. The IP header sums to nothing. */
  bpf_csum_update(skb, bpf_csum_diff((__be32 *)&before, sizeof(before), after.words, sizeof(after), 0));
  return 1;
}

SEC("tc/uplink_ingress") int uplink_ingress(struct __sk_buff *skb) {
  struct state state;
  struct datagram datagram;
  if (!load_state(&state) || !parse_outer(skb, state.config, &datagram)) return TC_ACT_UNSPEC;
  if (!parse_datagram(skb, &datagram) || !datagram.peer || datagram.peer->endpoint != datagram.sender)
    return counted(&state, RX_LEFT_FOREIGN, TC_ACT_UNSPEC);
  if (datagram.claimed_bytes != datagram.inner_bytes || datagram.inner_bytes > INNER_BYTES_MAX)
    return counted(&state, RX_LEFT_AGGREGATE, TC_ACT_UNSPEC);
  if (!to_vxlan(skb, state.config, &datagram)) return counted(&state, DROPPED_NO_ROOM, TC_ACT_SHOT);
  count_traffic(&state, skb, RX_PACKETS, datagram.inner_bytes);
  return TC_ACT_OK;
}

SEC("tc/tunnel_ingress") int tunnel_ingress(struct __sk_buff *skb) {
  struct state state;
  if (!load_state(&state) || !readable(skb, ETH_HLEN)) return TC_ACT_SHOT;
  const struct ethhdr *ethernet = packet(skb);
  if ((void *)(ethernet + 1) > (void *)(long)skb->data_end) return TC_ACT_SHOT;
  const __u16 *given = (const __u16 *)ethernet->h_source;
  const __u16 *secret = state.config->inserted.secret;
  if (given[0] != secret[0] || given[1] != secret[1] || given[2] != secret[2])
    return counted(&state, DROPPED_FORGED, TC_ACT_SHOT);
  /*
   * In through the TUN, as from the packet loop: firewall rules that name it match, and so does the reverse path, even where rp_filter
   * is strict. (On a device without an address, loose is strict too: net/ipv4/fib_frontend.c, __fib_validate_source, v6.1.)
   */
  return bpf_redirect(state.config->tun_ifindex, BPF_F_INGRESS);
}
