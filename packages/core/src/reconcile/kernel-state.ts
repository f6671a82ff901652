import type { IpAddress, IpPrefix, MacAddress } from '../ip';
import type { LinkSpec, RouteType } from '../netlink';

/*
 * What must exist. Objects name their interface, never an index: indices change when an interface is re-created, names are
 * what an operator means. The reconciler resolves names on every pass.
 */

export interface DesiredLink extends Omit<LinkSpec, 'vxlan' | 'kind'> {
  /**
   * `tun`: rtnetlink cannot make one (tun_validate() in drivers/net/tun.c, v6.1), whoever carries its packets does. Until
   * it is there, what needs it waits; then the reconciler keeps MTU, addresses and the rest.
   */
  readonly kind: LinkSpec['kind'] | 'tun';
  readonly vxlan?: Omit<NonNullable<LinkSpec['vxlan']>, 'lowerIndex'> & { readonly lowerIfname?: string };
  /** Features that must be on or off, by the kernel's names (`ethtool -k`); the others are left alone. */
  readonly features?: Readonly<Record<string, boolean>>;
}

export interface DesiredAddress {
  readonly ifname: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

export interface DesiredRoute {
  readonly dst: IpPrefix;
  readonly type?: RouteType;
  readonly gateway?: IpAddress;
  readonly ifname?: string;
  readonly onlink?: boolean;
  readonly metric?: number;
  readonly table?: number;
  readonly mtuBytes?: number;
  /** For messages: whose subnet this is, e.g. the peer's public address. */
  readonly peer?: string;
}

export interface DesiredNeighbour {
  readonly ifname: string;
  readonly address: IpAddress;
  readonly mac: MacAddress;
  readonly peer?: string;
}

export interface DesiredFdb {
  readonly ifname: string;
  readonly mac: MacAddress;
  readonly dst: IpAddress;
  readonly peer?: string;
}

export interface DesiredSysctl {
  readonly path: string;
  readonly value: string;
  /** The value is a number, and a greater one is right as well: for limits that an administrator may have raised further. */
  readonly atLeast?: boolean;
}

/** Everything that must exist for one owner; whole-set, so that stating it again changes nothing. */
export interface KernelState {
  readonly links: readonly DesiredLink[];
  readonly addresses: readonly DesiredAddress[];
  readonly routes: readonly DesiredRoute[];
  readonly neighbours: readonly DesiredNeighbour[];
  readonly fdb: readonly DesiredFdb[];
  readonly sysctls: readonly DesiredSysctl[];
}

export const emptyKernelState: KernelState = {
  links: [],
  addresses: [],
  routes: [],
  neighbours: [],
  fdb: [],
  sysctls: [],
};

/**
 * What may be changed and deleted without asking (ARCHITECTURE.md, ownership). Anything outside of it is foreign: never
 * deleted, never overwritten, reported when it stands in the way.
 */
export interface Ownership {
  /** Routes are ours with this protocol number and a destination inside one of `networks`. */
  readonly routeProtocol: number;
  readonly networks: readonly IpPrefix[];
  /**
   * A route made by flanneld is ours as well: protocol boot, destination inside `networks`, next hop one of these peers or
   * out of one of `devices`.
   */
  readonly adoptRoutesVia: readonly IpAddress[];
  /** Devices that are wholly ours: every neighbour, FDB entry and address on them. */
  readonly devices: readonly string[];
}

/** Something an operator should know about, with its cure. Findings never stop a pass. */
export interface Finding {
  readonly severity: 'info' | 'warning' | 'error';
  /** Stable, for metrics and docs: ROUTE_CONFLICT, PEER_OTHER_BACKEND, ... */
  readonly code: string;
  /** What it is about: a peer, a route, a device. */
  readonly subject: string;
  readonly message: string;
  readonly cure?: string;
}
