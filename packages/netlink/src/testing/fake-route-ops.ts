import { ROUTE_SCOPE, ROUTE_TABLE, type IpAddress, type Route, type RouteSpec, type RouteType } from '@tartan/core';
import { Refusal, type FakeTables } from './fake-tables';

/*
 * Both FIBs with the rules that decide whether a route is accepted: net/ipv4/fib_semantics.c (fib_check_nh) and
 * net/ipv6/route.c (ip6_validate_gw), Linux v6.1. Errnos and texts are those a real kernel was seen to answer with.
 */

const withoutNextHop: ReadonlySet<RouteType> = new Set<RouteType>(['blackhole', 'unreachable', 'prohibit', 'throw']);
/** The index of lo, which is always the first link. */
const LOOPBACK = 1;

/** RTM_NEWROUTE with NLM_F_CREATE | NLM_F_EXCL. */
export function addRoute(tables: FakeTables, spec: RouteSpec): void {
  const route = resolve(tables, spec);
  if (sameKey(tables, route).length > 0) throw new Refusal('EEXIST');
  putRoute(tables, route);
}

/** RTM_NEWROUTE with NLM_F_CREATE | NLM_F_REPLACE. The kernel does not tell about the route that was replaced. */
export function replaceRoute(tables: FakeTables, spec: RouteSpec): void {
  const route = resolve(tables, spec);
  const old = sameKey(tables, route)[0];
  if (!old) {
    putRoute(tables, route);
    return;
  }
  tables.routes.swap(old, route);
  // fib_table_insert() returns early, without a notification, when nothing would change; IPv6 always notifies.
  if (route.dst.family === 6 || !sameRoute(old, route)) emit(tables, 'new', route);
}

/** RTM_DELROUTE: the first route, lowest metric first, that has every given member. */
export function deleteRoute(tables: FakeTables, spec: RouteSpec): void {
  const match = tables.routes.to(spec.table ?? ROUTE_TABLE.main, spec.dst).find((route) => matches(route, spec));
  if (!match) throw new Refusal('ESRCH');
  dropRoute(tables, match);
}

export function putRoute(tables: FakeTables, route: Route): void {
  tables.routes.insert(route);
  emit(tables, 'new', route);
}

export function dropRoute(tables: FakeTables, route: Route): void {
  tables.routes.delete(route);
  emit(tables, 'del', route);
}

/** fib_flush(): the kernel takes IPv4 routes away without a word to anybody. */
export function flushIpv4Routes(tables: FakeTables, doomed: (route: Route) => boolean): void {
  for (const route of [...tables.routes.all()]) {
    if (route.dst.family === 4 && route.type !== 'local' && doomed(route)) tables.routes.delete(route);
  }
}

/** The route as a dump shows it: dead while its link has no carrier. */
export function viewRoute(tables: FakeTables, route: Route): Route {
  const link = route.oif === undefined ? undefined : tables.links.get(route.oif);
  const dead = link !== undefined && !link.loopback && !tables.hasCarrier(link) && route.type === 'unicast';
  return dead === route.dead ? route : { ...route, dead };
}

function emit(tables: FakeTables, action: 'new' | 'del', route: Route): void {
  tables.emit({ type: 'route', action, route: viewRoute(tables, route) });
}

function resolve(tables: FakeTables, spec: RouteSpec): Route {
  const type = spec.type ?? 'unicast';
  const family = spec.dst.family;
  checkSource(tables, spec);
  const oif = withoutNextHop.has(type) ? withoutDevice(spec) : nextHopDevice(tables, spec);
  const metric = spec.metric ?? 0;
  return {
    dst: spec.dst,
    table: spec.table ?? ROUTE_TABLE.main,
    protocol: spec.protocol,
    scope: family === 6 ? ROUTE_SCOPE.universe : (spec.scope ?? defaultScope(spec, type)),
    type,
    metric: family === 6 && metric === 0 ? 1024 : metric,
    tos: 0,
    ...(spec.gateway ? { gateway: spec.gateway } : {}),
    ...(oif === undefined ? {} : { oif }),
    ...(spec.prefSrc ? { prefSrc: spec.prefSrc } : {}),
    onlink: spec.onlink ?? false,
    dead: false,
    ...(spec.mtuBytes ? { mtuBytes: spec.mtuBytes } : {}),
  };
}

function defaultScope(spec: RouteSpec, type: RouteType): number {
  if (type === 'local') return ROUTE_SCOPE.host;
  return spec.gateway || type !== 'unicast' ? ROUTE_SCOPE.universe : ROUTE_SCOPE.link;
}

function checkSource(tables: FakeTables, spec: RouteSpec): void {
  const source = spec.prefSrc;
  if (!source || tables.addresses.some((entry) => entry.address.equals(source))) return;
  throw new Refusal('EINVAL', spec.dst.family === 4 ? 'Invalid prefsrc address' : 'Invalid source address');
}

/** IPv6 shows routes without a next hop as going out of lo. */
function withoutDevice(spec: RouteSpec): number | undefined {
  if (spec.gateway) throw new Refusal('EINVAL');
  return spec.dst.family === 6 ? LOOPBACK : undefined;
}

function nextHopDevice(tables: FakeTables, spec: RouteSpec): number {
  const { gateway, oif } = spec;
  if (gateway === undefined && oif === undefined) throw new Refusal('ENODEV', 'No nexthop given');
  if (oif !== undefined && !tables.links.has(oif)) throw new Refusal('ENODEV');
  if (gateway === undefined || spec.onlink) return directDevice(tables, spec);
  return gateway.family === 4 ? ipv4Gateway(tables, gateway, oif) : ipv6Gateway(tables, spec, gateway);
}

function directDevice(tables: FakeTables, spec: RouteSpec): number {
  if (spec.oif === undefined) throw new Refusal('ENODEV', 'Nexthop device required for onlink');
  if (!tables.link(spec.oif).up) {
    const deviceRoute = spec.gateway === undefined && spec.dst.family === 4;
    throw new Refusal('ENETDOWN', deviceRoute ? 'Device for nexthop is not up' : 'Nexthop device is not up');
  }
  return spec.oif;
}

/** A gateway must be reached by a route of scope link or narrower, out of the wanted device. */
function ipv4Gateway(tables: FakeTables, gateway: IpAddress, oif: number | undefined): number {
  const onLink = (route: Route): boolean => route.scope >= ROUTE_SCOPE.link && (oif === undefined || route.oif === oif);
  const match =
    tables.routes.longestMatch(ROUTE_TABLE.local, gateway, onLink) ??
    tables.routes.longestMatch(ROUTE_TABLE.main, gateway, onLink);
  if (match?.oif === undefined) throw new Refusal('ENETUNREACH', 'Nexthop has invalid gateway');
  return match.oif;
}

/** Link-local gateways need a device; any other must be covered by a route that itself has no gateway. */
function ipv6Gateway(tables: FakeTables, spec: RouteSpec, gateway: IpAddress): number {
  const { oif } = spec;
  if (oif !== undefined && !tables.link(oif).up) throw new Refusal('ENETDOWN', 'Nexthop device is not up');
  if (tables.addresses.some((entry) => entry.address.equals(gateway))) {
    throw new Refusal('EINVAL', 'Gateway can not be a local address');
  }
  if (gateway.isLinkLocal) {
    if (oif === undefined) throw new Refusal('EINVAL', 'Egress device not specified');
    return oif;
  }
  const match = tables.routes.longestMatch(
    ROUTE_TABLE.main,
    gateway,
    (route) => oif === undefined || route.oif === oif,
  );
  if (match?.oif === undefined || match.gateway) throw new Refusal('EHOSTUNREACH');
  return match.oif;
}

function sameKey(tables: FakeTables, route: Route): Route[] {
  return tables.routes
    .to(route.table, route.dst)
    .filter((other) => other.metric === route.metric && other.tos === route.tos);
}

function sameRoute(a: Route, b: Route): boolean {
  return (
    a.protocol === b.protocol &&
    a.scope === b.scope &&
    a.type === b.type &&
    a.oif === b.oif &&
    a.onlink === b.onlink &&
    a.mtuBytes === b.mtuBytes &&
    sameOptional(a.gateway, b.gateway) &&
    sameOptional(a.prefSrc, b.prefSrc)
  );
}

function sameOptional(a: IpAddress | undefined, b: IpAddress | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

/** What is absent (for protocol and metric also 0) matches anything, as in fib_table_delete() and ip6_route_del(). */
function matches(route: Route, spec: RouteSpec): boolean {
  return (
    (!spec.protocol || route.protocol === spec.protocol) &&
    (!spec.metric || route.metric === spec.metric) &&
    (spec.type === undefined || route.type === spec.type) &&
    (spec.scope === undefined || route.dst.family === 6 || route.scope === spec.scope) &&
    (spec.oif === undefined || route.oif === spec.oif) &&
    (spec.gateway === undefined || (route.gateway?.equals(spec.gateway) ?? false)) &&
    (spec.prefSrc === undefined || (route.prefSrc?.equals(spec.prefSrc) ?? false))
  );
}
