import type { UnderlayFacts, UnderlayRoute } from '../backend';
import type { IpAddress } from '../ip';
import type { LeaseSnapshot } from '../lease/lease';
import type { Link, Route, RtNetlink } from '../netlink';
import type { OnLinkPeer, UnderlayNeighbours } from './underlay-neighbours';

/** Knows nothing: for backends that do not ask. */
export const noUnderlayFacts: UnderlayFacts = { routeTo: () => undefined };

/** The kernel's routes to all peers, as they were at one moment. */
export class GatheredFacts implements UnderlayFacts {
  /** Names of the interfaces that lead to peers. */
  readonly interfaces: ReadonlySet<string>;

  constructor(private readonly routes: ReadonlyMap<string, UnderlayRoute>) {
    this.interfaces = new Set([...routes.values()].map((route) => route.ifname));
  }

  routeTo(address: IpAddress): UnderlayRoute | undefined {
    return this.routes.get(address.toString());
  }

  equals(other: GatheredFacts): boolean {
    if (other.routes.size !== this.routes.size) return false;
    return [...this.routes].every(([address, route]) => sameRoute(route, other.routes.get(address)));
  }
}

/** The underlay addresses of all peers, both families. */
export function peerAddresses({ leases }: LeaseSnapshot): IpAddress[] {
  return leases.flatMap(({ attrs: { publicIP, publicIPv6 } }) => [
    ...(publicIP.isUnspecified ? [] : [publicIP]),
    ...(publicIPv6 ? [publicIPv6] : []),
  ]);
}

/**
 * Asks the kernel once for all of `addresses`; with `neighbours` also whether those on-link answer. Rejects with KERNEL_REFUSED or
 * KERNEL_SOCKET.
 */
export async function gatherUnderlayFacts(
  netlink: RtNetlink,
  addresses: readonly IpAddress[],
  neighbours?: UnderlayNeighbours,
): Promise<GatheredFacts> {
  if (addresses.length === 0) return new GatheredFacts(new Map());
  const [links, routes] = await Promise.all([netlink.listLinks(), netlink.lookupRoutes(addresses)]);
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const found = addresses.flatMap((address, position) => toPeerRoute(address, routes[position], byIndex));
  await neighbours?.look(
    netlink,
    found.filter(({ route }) => route.gateway === null && route.broadcast),
  );
  return new GatheredFacts(new Map(found.map((peer) => [peer.address.toString(), withVerdict(peer, neighbours)])));
}

interface PeerRoute extends OnLinkPeer {
  readonly route: UnderlayRoute;
}

function toPeerRoute(
  address: IpAddress,
  route: Route | undefined,
  links: ReadonlyMap<number, Link>,
): readonly PeerRoute[] {
  const link = route?.oif === undefined ? undefined : links.get(route.oif);
  if (!route || !link) return [];
  const fact = { ifname: link.name, gateway: route.gateway ?? null, broadcast: link.broadcast && !link.pointToPoint };
  return [{ address, ifindex: link.index, route: fact }];
}

function withVerdict(peer: PeerRoute, neighbours: UnderlayNeighbours | undefined): UnderlayRoute {
  const neighbour = neighbours?.verdict(peer);
  return neighbour === undefined ? peer.route : { ...peer.route, neighbour };
}

function sameRoute(a: UnderlayRoute, b: UnderlayRoute | undefined): boolean {
  if (b?.ifname !== a.ifname || b.broadcast !== a.broadcast || b.neighbour !== a.neighbour) return false;
  return a.gateway === null || b.gateway === null ? a.gateway === b.gateway : a.gateway.equals(b.gateway);
}
