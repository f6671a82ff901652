import { ROUTE_TABLE, type Link, type Route } from '../netlink';
import { defaultMetric } from './route-key';
import type { ProtocolName } from './route-protocol';

export type LinkName = (ifindex: number) => string;

/** Names of `links`, and `if<N>` for an index that is not among them. */
export function linkNames(links: readonly Link[]): LinkName {
  const names = new Map(links.map((link) => [link.index, link.name]));
  return (ifindex) => names.get(ifindex) ?? `if${ifindex}`;
}

/** A route in iproute2's words: `10.5.2.0/24 via 192.0.2.7 dev eth0 proto static metric 20`. */
export function routeText(route: Route, linkName: LinkName, protocolName: ProtocolName): string {
  const words = [route.type === 'unicast' ? '' : `${route.type} `, route.dst.toString()];
  if (route.gateway) words.push(` via ${route.gateway.toString()}`);
  if (route.oif !== undefined) words.push(` dev ${linkName(route.oif)}`);
  if (route.table !== ROUTE_TABLE.main) words.push(` table ${route.table}`);
  words.push(` proto ${protocolName(route.protocol)}`);
  if (route.metric !== defaultMetric(route.dst)) words.push(` metric ${route.metric}`);
  return words.join('');
}

/** The command that removes exactly this route. */
export function routeDeleteCommand(route: Route, linkName: LinkName, protocolName: ProtocolName): string {
  const family = route.dst.family === 6 ? '-6 ' : '';
  return `ip ${family}route del ${routeText(route, linkName, protocolName)}`;
}
