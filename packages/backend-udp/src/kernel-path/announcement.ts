import type { Json, Lease } from '@tartan/core';
import type { KernelPathPeer } from './tables';

/*
 * Who may be sent to through the kernel path. A datagram from it may hold an inner packet whose checksum is not complete (between
 * virtual machines and namespaces, where nobody computes any): the kernel of a peer completes or ignores it, a packet loop delivers
 * it broken. So a node says in its lease that its kernel takes such datagrams, and both ends must have said so.
 *
 *   "BackendData": { "KernelPath": 1 }
 *
 * flanneld publishes no data for udp, and ignores it (flannel-compat 2.3, 4.4). The number is the version of what is agreed on.
 */

const MEMBER = 'KernelPath';
const VERSION = 1;

/** What to publish as BackendData while the kernel path is started. */
export const kernelPathAnnouncement: Json = { [MEMBER]: VERSION };

export interface OwnSide {
  /** What is published; without the announcement there are no peers. */
  readonly backendData?: Json;
  /** UDP port of the tunnel, the same on all nodes. */
  readonly port: number;
}

/** The prefixes that are reached through the kernel path: those of leases that announce it as we do, over IPv4. Pure. */
export function kernelPathPeers(own: OwnSide, leases: readonly Lease[]): KernelPathPeer[] {
  if (!announces(own.backendData)) return [];
  return leases
    .filter(({ attrs }) => announces(attrs.backendData) && !attrs.publicIP.isUnspecified)
    .flatMap(({ attrs, subnet, ipv6Subnet }) =>
      [subnet, ipv6Subnet]
        .filter((prefix) => prefix !== null)
        .map((prefix) => ({ prefix, endpoint: { address: attrs.publicIP, port: own.port } })),
    );
}

function announces(data: Json | undefined): boolean {
  return typeof data === 'object' && data !== null && !Array.isArray(data) && data[MEMBER] === VERSION;
}
