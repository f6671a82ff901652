import { ROUTE_PROTOCOL, type Route } from '../netlink';
import { peerText, type DeltaContext } from './delta-parts';
import type { DesiredIndex } from './desired-index';
import type { DesiredRoute, Finding } from './kernel-state';
import { effectiveMetric } from './route-key';
import { routeMaker } from './route-protocol';
import { routeDeleteCommand, routeText } from './route-text';

/** A foreign route holds the place of one that must exist: that peer's pods are not reached as they should be. */
export function routeConflict(context: DeltaContext, desired: DesiredRoute, foreign: Route): Finding {
  return {
    severity: 'error',
    code: 'ROUTE_CONFLICT',
    subject: `route ${desired.dst.toString()}${peerText(desired)}`,
    message: `another route holds this place: ${describe(context, foreign)}`,
    cure: `If it is not needed, remove it, and ours takes its place at once: ${command(context, foreign)}`,
  };
}

/** Foreign routes that the kernel prefers to one of ours, wholly (lower metric) or for a part (longer prefix). */
export function shadowFindings(context: DeltaContext, foreign: readonly Route[]): Finding[] {
  const findings: Finding[] = [];
  for (const route of foreign) {
    const ours = context.index.routeAround(route.dst, route.table);
    if (ours && shadows(context, route, ours)) findings.push(routeShadow(context, ours, route));
  }
  return findings;
}

function shadows({ index }: DeltaContext, foreign: Route, ours: DesiredRoute): boolean {
  if (foreign.dst.equals(ours.dst)) return effectiveMetric(foreign) < effectiveMetric(ours);
  return !coversNetwork(ours, index);
}

/** True when a foreign route with this destination could take packets that a desired route is for. */
export function mayShadow(foreign: Route, index: DesiredIndex): boolean {
  const ours = index.routeAround(foreign.dst, foreign.table);
  return ours !== undefined && (foreign.dst.equals(ours.dst) || !coversNetwork(ours, index));
}

/**
 * A route to a whole network is what packets take when nothing better is known, so longer prefixes inside are its purpose:
 * the node's own pods, for one.
 */
function coversNetwork(ours: DesiredRoute, index: DesiredIndex): boolean {
  return index.ownership.networks.some((network) => network.equals(ours.dst));
}

function routeShadow(context: DeltaContext, ours: DesiredRoute, foreign: Route): Finding {
  return {
    severity: 'warning',
    code: 'ROUTE_SHADOWED',
    subject: `route ${ours.dst.toString()}${peerText(ours)}`,
    message: `the kernel prefers another route for ${foreign.dst.toString()}: ${describe(context, foreign)}`,
    cure: `If it is not needed, remove it: ${command(context, foreign)}`,
  };
}

/** Routes inside the overlay that look like flanneld's but lead to no peer of today; not provably ours, so only reported. */
export function leftoverFindings(context: DeltaContext, foreign: readonly Route[]): Finding[] {
  return foreign.filter((route) => isLeftover(context, route)).map((route) => routeLeftover(context, route));
}

function isLeftover({ index }: DeltaContext, route: Route): boolean {
  return (
    route.protocol === ROUTE_PROTOCOL.boot &&
    (route.gateway !== undefined || route.type === 'blackhole') &&
    index.ownership.networks.some((network) => network.contains(route.dst)) &&
    index.routeAround(route.dst, route.table) === undefined
  );
}

function routeLeftover(context: DeltaContext, route: Route): Finding {
  return {
    severity: 'info',
    code: 'ROUTE_LEFTOVER',
    subject: `route ${route.dst.toString()}`,
    message: `a route inside the overlay network leads to no peer, perhaps left behind by flanneld: ${describe(context, route)}`,
    cure: `If nothing needs it, remove it: ${command(context, route)}`,
  };
}

function describe({ linkName, protocolName }: DeltaContext, route: Route): string {
  return `"${routeText(route, linkName, protocolName)}", made by ${routeMaker(route.protocol, protocolName)}`;
}

function command({ linkName, protocolName }: DeltaContext, route: Route): string {
  return routeDeleteCommand(route, linkName, protocolName);
}
