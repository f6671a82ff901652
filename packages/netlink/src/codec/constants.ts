/*
 * Numbers of the rtnetlink interface. They are kernel ABI and never change; each block names the header of Linux v6.1 it is from.
 */

/** include/uapi/linux/netlink.h: nlmsg_type below NLMSG_MIN_TYPE. */
export const NLMSG = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

/** include/uapi/linux/netlink.h: nlmsg_flags. Bits from 0x100 up mean different things per kind of message. */
export const NLM_F = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** ROOT | MATCH, on GET requests. */
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  /** On NLMSG_ERROR: the request is not echoed beyond its header. */
  capped: 0x100,
  /** On NLMSG_ERROR and NLMSG_DONE: extended-ack attributes follow. */
  ackTlvs: 0x200,
} as const;

/** include/uapi/linux/netlink.h: enum nlmsgerr_attrs. */
export const NLMSGERR_ATTR = { message: 1, offset: 2 } as const;

/** include/uapi/linux/netlink.h: NLA_F_NESTED and the mask that takes the flag bits off an attribute type. */
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;

/** include/uapi/linux/rtnetlink.h: RTM_*. */
export const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
} as const;

/** include/uapi/linux/rtnetlink.h: enum rtnetlink_groups. */
export const RTNLGRP = { link: 1, neighbour: 3, ipv4Address: 5, ipv4Route: 7, ipv6Address: 9, ipv6Route: 11 } as const;

/** include/linux/socket.h: AF_*. */
export const AF = { unspec: 0, inet: 2, bridge: 7, inet6: 10 } as const;

/** include/uapi/linux/if_link.h: IFLA_*. */
export const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  txQueueLength: 13,
  linkInfo: 18,
  afSpec: 26,
  extMask: 29,
  linkNetnsId: 37,
  event: 44,
} as const;
/** include/uapi/linux/if_link.h: IFLA_EVENT_FEATURES, why a notification was sent. */
export const IFLA_EVENT_FEATURES = 2;
export const IFLA_INFO = { kind: 1, data: 2 } as const;
export const IFLA_INET6_ADDR_GEN_MODE = 8;
/** include/uapi/linux/veth.h. */
export const VETH_INFO_PEER = 1;
/** include/uapi/linux/rtnetlink.h: leave the statistics out of link dumps. */
export const RTEXT_FILTER_SKIP_STATS = 8;

/** include/uapi/linux/if_link.h: IFLA_VXLAN_*. */
export const IFLA_VXLAN = {
  id: 1,
  group: 2,
  link: 3,
  local: 4,
  learning: 7,
  l2miss: 13,
  l3miss: 14,
  port: 15,
  group6: 16,
  local6: 17,
  gbp: 23,
} as const;

/** include/uapi/linux/if.h: enum net_device_flags. */
export const IFF = { up: 0x1, broadcast: 0x2, loopback: 0x8, pointToPoint: 0x10, lowerUp: 0x10000 } as const;

/** include/uapi/linux/if_addr.h: IFA_* and IFA_F_*. */
export const IFA = { address: 1, local: 2, label: 3, flags: 8 } as const;
export const IFA_F = {
  temporary: 0x01,
  noDad: 0x02,
  dadFailed: 0x08,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
} as const;

/** include/uapi/linux/rtnetlink.h: RTA_*, RTAX_MTU, RTNH_F_*, RTM_F_*. */
export const RTA = {
  dst: 1,
  oif: 4,
  gateway: 5,
  priority: 6,
  prefSrc: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
} as const;
export const RTAX_MTU = 2;
export const RTNH_F = { dead: 0x1, onlink: 0x4, linkDown: 0x10 } as const;
export const RTM_F = { cloned: 0x200, lookupTable: 0x1000 } as const;

/** include/uapi/linux/neighbour.h: NDA_*. */
export const NDA = { dst: 1, lladdr: 2, port: 6, vni: 7, ifindex: 8, master: 9 } as const;
/** include/uapi/linux/neighbour.h: NTF_SELF. */
export const NTF_SELF = 0x02;

/** Bytes of the fixed part of each message. */
export const SIZE = {
  nlmsghdr: 16,
  ifinfomsg: 16,
  ifaddrmsg: 8,
  rtmsg: 12,
  ndmsg: 12,
  rtattr: 4,
  rtnexthop: 8,
} as const;
