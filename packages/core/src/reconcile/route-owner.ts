import { ROUTE_PROTOCOL, type Route } from '../netlink';
import type { DesiredIndex } from './desired-index';
import type { LinkName } from './route-text';

/**
 * Whose route it is. `ours`: our protocol number and inside our networks, so two daemons with different networks leave each
 * other alone. `adoptable`: flanneld made it (protocol boot) towards a peer, over a device of ours, or as the blackhole that a
 * desired one replaces, and so it is ours to replace or delete. Everything else is `foreign` and never touched.
 */
export type RouteOwner = 'ours' | 'adoptable' | 'foreign';

export function routeOwner(route: Route, index: DesiredIndex, linkName: LinkName): RouteOwner {
  const { networks, routeProtocol } = index.ownership;
  if (route.tos !== 0 || !networks.some((network) => network.contains(route.dst))) return 'foreign';
  if (route.protocol === routeProtocol) return 'ours';
  return isLeftByFlanneld(route, index, linkName) ? 'adoptable' : 'foreign';
}

function isLeftByFlanneld(route: Route, index: DesiredIndex, linkName: LinkName): boolean {
  if (route.protocol !== ROUTE_PROTOCOL.boot || route.multipath) return false;
  if (route.type === 'blackhole') return index.blackholes.has(route.dst.toString());
  if (route.type !== 'unicast') return false;
  if (route.gateway && index.adoptRoutesVia.has(route.gateway.toString())) return true;
  return route.oif !== undefined && index.devices.has(linkName(route.oif));
}
