import type { Finding, IpAddress, IpPrefix, UnderlayFacts } from '@tartan/core';
import type { PeerRoute } from './peer-route';
import type { PlanContext } from './plan';

/*
 * Peers that get no route, and why. Each rule stands for packets that would vanish otherwise: the kernel accepts a route to a
 * wrong next hop without complaint.
 */

export type UsableRoute = PeerRoute & { readonly nextHop: IpAddress };

export interface SeparatedPeers {
  readonly usable: readonly UsableRoute[];
  readonly skipped: readonly Finding[];
}

/** Splits `candidates` by whether they can be routed to; both lists are sorted by subnet. */
export function separatePeers(
  candidates: readonly PeerRoute[],
  context: PlanContext,
  underlay: UnderlayFacts,
): SeparatedPeers {
  const usable: UsableRoute[] = [];
  const skipped: Finding[] = [];
  for (const candidate of [...candidates].sort(bySubnet)) {
    const reason =
      noAddress(candidate) ??
      badSubnet(candidate, context) ??
      ownAddress(candidate, context) ??
      takenByAnother(candidate, usable) ??
      notOnLink(candidate, context, underlay);
    if (reason) skipped.push(reason);
    else usable.push(candidate as UsableRoute);
  }
  return { usable, skipped };
}

function noAddress({ peer, subnet, nextHop }: PeerRoute): Finding | undefined {
  if (nextHop) return undefined;
  return {
    severity: 'warning',
    code: 'PEER_WITHOUT_ADDRESS',
    subject: subject(peer, subnet),
    message: `the peer holds an IPv${subnet.family} subnet but publishes no IPv${subnet.family} address to send it to`,
    cure: `Give the peer's interface an IPv${subnet.family} address and restart Tartan there.`,
  };
}

function badSubnet({ peer, subnet, network }: PeerRoute, { lease }: PlanContext): Finding | undefined {
  if (!network.contains(subnet)) {
    return {
      severity: 'error',
      code: 'PEER_OUTSIDE_NETWORK',
      subject: subject(peer, subnet),
      message: `the peer's subnet lies outside of the overlay network ${network.toString()}`,
      cure: 'Its lease is from another network config, or forged: delete the lease, and the peer takes a new one.',
    };
  }
  const own = subnet.family === 4 ? lease.subnet : lease.ipv6Subnet;
  return own?.overlaps(subnet) === true ? overlap(peer, subnet, `our own ${own.toString()}`) : undefined;
}

/** Two hosts with one address, often the NAT address of a virtual machine manager: packets would come back to us. */
function ownAddress(
  { peer, subnet, nextHop }: PeerRoute,
  { externalInterface: { ifname, address, ipv6Address } }: PlanContext,
): Finding | undefined {
  const own = subnet.family === 4 ? address : ipv6Address;
  if (!own || !nextHop?.equals(own)) return undefined;
  return {
    severity: 'error',
    code: 'PEER_SAME_ADDRESS',
    subject: subject(peer, subnet),
    message: `the peer publishes ${own.toString()}, which is the address of our own ${ifname}`,
    cure: 'Choose the right interface with --iface on one of the two nodes. If the peer is gone, delete its lease.',
  };
}

/** `usable` is sorted and free of overlaps, so only its last member can reach into the next subnet. */
function takenByAnother({ peer, subnet }: PeerRoute, usable: readonly UsableRoute[]): Finding | undefined {
  const before = usable.at(-1);
  return before?.subnet.overlaps(subnet) === true
    ? overlap(peer, subnet, `${before.subnet.toString()} of peer ${before.peer}`)
    : undefined;
}

function overlap(peer: string, subnet: IpPrefix, other: string): Finding {
  return {
    severity: 'error',
    code: 'PEER_SUBNET_OVERLAP',
    subject: subject(peer, subnet),
    message: `the peer's subnet overlaps ${other}`,
    cure: 'Two nodes hold the same addresses: delete the lease of the one that should move, and restart it.',
  };
}

/** Where the kernel knows no route at all, it refuses ours with its own reason and takes it as soon as there is one. */
function notOnLink(
  { peer, subnet, nextHop }: PeerRoute,
  { externalInterface: { ifname } }: PlanContext,
  underlay: UnderlayFacts,
): Finding | undefined {
  const route = nextHop ? underlay.routeTo(nextHop) : undefined;
  if (!nextHop || !route || (route.gateway === null && route.broadcast && route.ifname === ifname)) return undefined;
  const via = route.gateway === null ? '' : `via ${route.gateway.toString()} `;
  return {
    severity: 'error',
    code: 'PEER_NOT_ON_LINK',
    subject: subject(peer, subnet),
    message:
      `the peer is not on the layer 2 segment of ${ifname}: ` +
      `the kernel reaches ${nextHop.toString()} ${via}dev ${route.ifname}`,
    cure: 'host-gw needs all hosts on one segment. Use the vxlan backend, which crosses routers.',
  };
}

function subject(peer: string, subnet: IpPrefix): string {
  return `peer ${peer}, ${subnet.toString()}`;
}

/** By family, first address, length; then by peer, so that the order of the leases never matters. */
function bySubnet(a: PeerRoute, b: PeerRoute): number {
  if (a.subnet.family !== b.subnet.family) return a.subnet.family - b.subnet.family;
  const [first, second] = [a.subnet.address.value, b.subnet.address.value];
  if (first !== second) return first < second ? -1 : 1;
  if (a.subnet.length !== b.subnet.length) return a.subnet.length - b.subnet.length;
  return peerOrder(a).localeCompare(peerOrder(b), 'en');
}

function peerOrder({ peer, nextHop }: PeerRoute): string {
  return `${peer} ${nextHop?.toString() ?? ''}`;
}
