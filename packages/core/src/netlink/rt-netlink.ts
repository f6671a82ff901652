import type { TartanError } from '../errors';
import type { IpAddress, IpFamily, IpPrefix, MacAddress } from '../ip';

/*
 * What Tartan knows of the kernel's routing tables, and how it changes them. packages/netlink implements this contract over
 * AF_NETLINK (rtnetlink(7)), its FakeKernel in memory; both pass one conformance suite. Names follow iproute2.
 */

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat';

/** include/uapi/linux/rtnetlink.h (v6.1), RTPROT_*. */
export const ROUTE_PROTOCOL = { unspec: 0, redirect: 1, kernel: 2, boot: 3, static: 4, ra: 9, dhcp: 16 } as const;
/** RT_TABLE_MAIN and RT_TABLE_LOCAL of the same file. */
export const ROUTE_TABLE = { main: 254, local: 255 } as const;
/** RT_SCOPE_* of the same file. */
export const ROUTE_SCOPE = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
/** include/uapi/linux/neighbour.h (v6.1), NUD_*. */
export const NEIGHBOUR_STATE = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;
/** NTF_* of the same file. */
export const NEIGHBOUR_FLAG = {
  use: 0x01,
  self: 0x02,
  master: 0x04,
  proxy: 0x08,
  extLearned: 0x10,
  router: 0x80,
} as const;

/** Parameters of a vxlan device (drivers/net/vxlan). */
export interface VxlanData {
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  readonly local?: IpAddress;
  /** Index of the lower device. */
  readonly lowerIndex?: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly group?: IpAddress;
  readonly l2miss?: boolean;
  readonly l3miss?: boolean;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: vxlan, bridge, veth, tun, ...; undefined for hardware and loopback. */
  readonly kind?: string;
  readonly mtuBytes: number;
  readonly mac?: MacAddress;
  /** IFF_UP: administratively up. */
  readonly up: boolean;
  /** IFF_LOWER_UP: has carrier. */
  readonly carrier: boolean;
  readonly loopback: boolean;
  readonly broadcast: boolean;
  readonly pointToPoint: boolean;
  readonly masterIndex?: number;
  /** IFLA_LINK: the lower device (vlan, vxlan) or the veth peer. */
  readonly lowerIndex?: number;
  /** IFLA_INET6_ADDR_GEN_MODE: 0 eui64, 1 none, 2 stable-privacy, 3 random. */
  readonly addrGenMode?: number;
  readonly vxlan?: VxlanData;
}

/** A link to be made. Only kinds that Tartan itself makes carry data. */
export interface LinkSpec {
  readonly name: string;
  readonly kind: 'vxlan' | 'bridge' | 'dummy' | 'veth';
  readonly mtuBytes?: number;
  readonly mac?: MacAddress;
  readonly up?: boolean;
  readonly txQueueLength?: number;
  readonly addrGenMode?: number;
  readonly masterIndex?: number;
  readonly vxlan?: VxlanData;
  /** Name of the other end, for veth. */
  readonly peerName?: string;
}

/** What can be changed on a link that exists; absent members stay. */
export interface LinkChange {
  readonly name?: string;
  readonly mtuBytes?: number;
  readonly mac?: MacAddress;
  readonly up?: boolean;
  readonly addrGenMode?: number;
  /** 0 releases it. */
  readonly masterIndex?: number;
  readonly vxlan?: VxlanChange;
}

/**
 * What vxlan_changelink() changes on a living device, its FDB kept (drivers/net/vxlan/vxlan_core.c, v6.1). VNI, port, GBP and the
 * family of the local address are fixed at birth.
 */
export interface VxlanChange {
  readonly learning?: boolean;
  /** Of the same family as before. */
  readonly local?: IpAddress;
  readonly lowerIndex?: number;
}

/** One of a device's features: offloads and the like, as `ethtool -k` lists them. */
export interface LinkFeature {
  readonly active: boolean;
  /** Asked for; active as soon as everything that it depends on is active as well. */
  readonly wanted: boolean;
  /** False where the driver or the kernel allows no other value: "[fixed]". */
  readonly changeable: boolean;
}

export interface InterfaceAddress {
  readonly ifindex: number;
  /** The interface's own address. */
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** The far end on point-to-point links. */
  readonly peer?: IpAddress;
  /** ROUTE_SCOPE value. */
  readonly scope: number;
  readonly permanent: boolean;
  readonly temporary: boolean;
  readonly deprecated: boolean;
  readonly tentative: boolean;
  readonly dadFailed: boolean;
  readonly label?: string;
}

export interface InterfaceAddressSpec {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope?: number;
  /** IFA_F_NODAD: use at once, without duplicate address detection (IPv6). */
  readonly noDad?: boolean;
}

export interface NextHop {
  readonly gateway?: IpAddress;
  readonly oif?: number;
  readonly onlink?: boolean;
  /** 1 .. 256. */
  readonly weight?: number;
}

export interface Route {
  readonly dst: IpPrefix;
  readonly table: number;
  /** RTPROT_*; who made it. */
  readonly protocol: number;
  readonly scope: number;
  readonly type: RouteType;
  /** Priority; lower wins. IPv6's default is 1024 and is reported as such. */
  readonly metric: number;
  readonly tos: number;
  readonly gateway?: IpAddress;
  readonly oif?: number;
  readonly prefSrc?: IpAddress;
  /** RTNH_F_ONLINK: the gateway counts as on-link whatever the addresses say. */
  readonly onlink: boolean;
  /** RTNH_F_DEAD or RTNH_F_LINKDOWN: present but not used. */
  readonly dead: boolean;
  /** RTAX_MTU in bytes. */
  readonly mtuBytes?: number;
  /** More than one next hop; gateway and oif are then absent. */
  readonly multipath?: readonly NextHop[];
}

/** A route to be made. Key in the kernel: (table, dst, tos 0, metric). */
export interface RouteSpec {
  readonly dst: IpPrefix;
  readonly protocol: number;
  readonly type?: RouteType;
  readonly table?: number;
  readonly scope?: number;
  /** 0 or absent is the kernel's default: 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number;
  readonly gateway?: IpAddress;
  readonly oif?: number;
  readonly prefSrc?: IpAddress;
  readonly onlink?: boolean;
  readonly mtuBytes?: number;
}

export interface Neighbour {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac?: MacAddress;
  /** NEIGHBOUR_STATE bits. */
  readonly state: number;
  /** NEIGHBOUR_FLAG bits. */
  readonly flags: number;
}

export interface NeighbourSpec {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: MacAddress;
  /** permanent unless told. */
  readonly state?: number;
}

/** A forwarding entry (AF_BRIDGE neighbour): behind which VTEP, or port, a MAC address lives. */
export interface FdbEntry {
  readonly ifindex: number;
  readonly mac: MacAddress;
  /** VTEP address, for vxlan entries (NTF_SELF). */
  readonly dst?: IpAddress;
  readonly vni?: number;
  readonly port?: number;
  readonly state: number;
  readonly flags: number;
  readonly masterIndex?: number;
}

export interface FdbSpec {
  readonly ifindex: number;
  readonly mac: MacAddress;
  readonly dst: IpAddress;
  /** permanent unless told. */
  readonly state?: number;
}

export type KernelOp =
  /** Fails with EEXIST when the name is taken. */
  | { readonly op: 'link-create'; readonly link: LinkSpec }
  | { readonly op: 'link-change'; readonly ifindex: number; readonly change: LinkChange }
  | { readonly op: 'link-delete'; readonly ifindex: number }
  /**
   * Asks for features to be on or off, by the kernel's names; the others stay (`ethtool -K`). Fails with EOPNOTSUPP when one is unknown
   * or fixed, after the rest has been set, and where no interface for it can be used (kernel before 5.8, and no native addon).
   */
  | { readonly op: 'link-features'; readonly ifindex: number; readonly features: Readonly<Record<string, boolean>> }
  /** Adds, or brings flags up to date. */
  | { readonly op: 'address-replace'; readonly address: InterfaceAddressSpec }
  | { readonly op: 'address-delete'; readonly address: InterfaceAddressSpec }
  /** Fails with EEXIST when a route with the same key is there. Never touches another's route. */
  | { readonly op: 'route-add'; readonly route: RouteSpec }
  /** Creates, or takes the place of the route with the same key in one step, whoever made it. */
  | { readonly op: 'route-replace'; readonly route: RouteSpec }
  /** Deletes the one route that matches every given member, protocol included. */
  | { readonly op: 'route-delete'; readonly route: RouteSpec }
  | { readonly op: 'neighbour-replace'; readonly neighbour: NeighbourSpec }
  | { readonly op: 'neighbour-delete'; readonly neighbour: Pick<NeighbourSpec, 'ifindex' | 'address'> }
  /**
   * Has the kernel ask who has the address, as a packet to it would; the outcome shows in the neighbour's state. Not for
   * permanent entries: they would no longer be.
   */
  | { readonly op: 'neighbour-probe'; readonly neighbour: Pick<NeighbourSpec, 'ifindex' | 'address'> }
  | { readonly op: 'fdb-replace'; readonly fdb: FdbSpec }
  | { readonly op: 'fdb-delete'; readonly fdb: Pick<FdbSpec, 'ifindex' | 'mac'> & Partial<Pick<FdbSpec, 'dst'>> };

/** The answer to one op; `error` carries errno and the kernel's extended-ack text. */
export type KernelOpResult =
  { readonly ok: true } | { readonly ok: false; readonly error: TartanError<'KERNEL_REFUSED' | 'KERNEL_SOCKET'> };

export type KernelEvent =
  | {
      readonly type: 'link';
      readonly action: 'new' | 'del';
      readonly link: Link;
      /** Active features of the link are others now. */
      readonly featuresChanged?: boolean;
    }
  | { readonly type: 'address'; readonly action: 'new' | 'del'; readonly address: InterfaceAddress }
  | { readonly type: 'route'; readonly action: 'new' | 'del'; readonly route: Route }
  | { readonly type: 'neighbour'; readonly action: 'new' | 'del'; readonly neighbour: Neighbour }
  | { readonly type: 'fdb'; readonly action: 'new' | 'del'; readonly fdb: FdbEntry }
  /** Notifications were lost (ENOBUFS): whoever keeps state must read it again. */
  | { readonly type: 'resync' };

export type KernelEventGroup = 'link' | 'address' | 'route' | 'neighbour';

export interface RouteFilter {
  readonly family?: IpFamily;
  /** Main unless told. */
  readonly table?: number;
  readonly protocol?: number;
  readonly oif?: number;
}

/**
 * Looks at the items of a list while they are read: what it does not keep never exists twice, so to find among thousands of objects the
 * few that are not as they should be costs hardly any memory.
 */
export interface DumpSieve<Item> {
  /** One reading of a table begins; a list may take several. */
  open(): DumpReading<Item>;
}

export interface DumpReading<Item> {
  /** False leaves the item out of the list. */
  keeps(item: Item): boolean;
  /** The reading was complete. Without it the kernel interrupted it, and what it has shown counts for nothing. */
  done(): void;
}

/**
 * The kernel's network state in one namespace. Lists are consistent: a dump that the kernel flags as interrupted
 * (NLM_F_DUMP_INTR) is repeated. Methods may be called at the same time. All reject with KERNEL_REFUSED or KERNEL_SOCKET.
 */
export interface RtNetlink {
  listLinks(): Promise<Link[]>;
  /** By the kernel's names: `tx-checksum-ip-generic`. Rejects with ENODEV, and with EOPNOTSUPP as `link-features` does. */
  listLinkFeatures(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>>;
  listAddresses(filter?: { readonly family?: IpFamily; readonly ifindex?: number }): Promise<InterfaceAddress[]>;
  listRoutes(filter?: RouteFilter, sieve?: DumpSieve<Route>): Promise<Route[]>;
  listNeighbours(
    filter?: { readonly family?: IpFamily; readonly ifindex?: number },
    sieve?: DumpSieve<Neighbour>,
  ): Promise<Neighbour[]>;
  listFdb(filter?: { readonly ifindex?: number }, sieve?: DumpSieve<FdbEntry>): Promise<FdbEntry[]>;
  /** The route that a packet to each address would take (`ip route get`), in order; undefined where there is none. */
  lookupRoutes(destinations: readonly IpAddress[]): Promise<(Route | undefined)[]>;
  /**
   * Carries out `ops` in order, many in one send; a failing op does not stop the others. Deleting what is gone is success
   * (ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL). One result per op, same order.
   */
  apply(ops: readonly KernelOp[]): Promise<KernelOpResult[]>;
  /** `listener` runs for each event from now on, in the kernel's order, until closed. A lost subscription heals itself. */
  subscribe(groups: readonly KernelEventGroup[], listener: (event: KernelEvent) => void): KernelSubscription;
  /** Reads `/proc/sys/<path>`, trimmed; undefined when it does not exist. `path` with slashes: `net/ipv4/ip_forward`. */
  readSysctl(path: string): Promise<string | undefined>;
  /** Rejects with KERNEL_REFUSED when it does not exist or may not be written. */
  writeSysctl(path: string, value: string): Promise<void>;
  /** Closes every socket; calls under way reject. Idempotent. */
  close(): void;
}

export interface KernelSubscription {
  /** Resolves once events are really flowing. */
  readonly ready: Promise<void>;
  close(): void;
}
