import type { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';

/** Any JSON value, kept as parsed. */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/** Who holds a lease, beyond its public address. Published as an extra JSON member that flanneld ignores. */
export interface OwnerIdentity {
  /** Node name: Kubernetes node, --node-name, or the host name. */
  readonly node: string;
  /** A salted hash of /etc/machine-id, never the id itself; absent where the host has none. */
  readonly machine?: string;
}

/** What a node publishes about itself with its lease. */
export interface LeaseAttrs {
  /** 0.0.0.0 when the node has no IPv4 address (flannel-compat 0.2). */
  readonly publicIP: Ipv4Address;
  readonly publicIPv6: Ipv6Address | null;
  /** Lower case, compared byte for byte; empty for udp and alloc (flannel-compat 0.4). */
  readonly backendType: string;
  readonly backendData?: Json;
  readonly backendV6Data?: Json;
  /** Absent on leases that flanneld wrote. */
  readonly owner?: OwnerIdentity;
  /** JSON members that we do not know, kept on rewrite. */
  readonly extra?: Readonly<Record<string, Json>>;
}

/** A lease's place: at least one of both is set. */
export interface LeaseSubnets {
  readonly subnet: Ipv4Prefix | null;
  readonly ipv6Subnet: Ipv6Prefix | null;
}

/** A subnet held by a node. Immutable. */
export interface Lease extends LeaseSubnets {
  readonly attrs: LeaseAttrs;
  /** When it runs out unless renewed, milliseconds since the epoch; null when it never does or is not known (peers). */
  readonly expiresAt: number | null;
  /** A key that never expires: kept for the node with this public address, never renewed, never given a TTL. */
  readonly reservation: boolean;
  /** Datastore revision of the last change; opaque, comparable for equality only. */
  readonly revision: string;
}

/** All peers at one moment. The own lease is never part of it. Immutable. */
export interface LeaseSnapshot {
  /** Datastore revision at which the set was complete. */
  readonly revision: string;
  readonly leases: readonly Lease[];
  /** From an earlier run of the daemon, for want of a list: what is missing is added, nothing that is there is changed or deleted. */
  readonly remembered?: true;
}

/** Stable name of a lease's place, also the map key: `10.5.1.0-24` or `10.5.1.0-24&fc00::-64` (flannel-compat 2.2). */
export function leaseKey({ subnet, ipv6Subnet }: LeaseSubnets): string {
  const v4 = subnet ? `${subnet.address.toString()}-${subnet.length}` : '0.0.0.0-0';
  return ipv6Subnet ? `${v4}&${ipv6Subnet.address.toString()}-${ipv6Subnet.length}` : v4;
}
