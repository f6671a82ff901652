import { NEIGHBOUR_FLAG, NEIGHBOUR_STATE, ROUTE_SCOPE, ROUTE_TABLE, type Link, type Route } from '../netlink';
import type { ActualState } from './actual-state';
import { sameAddress } from './delta-parts';
import type { DesiredIndex } from './desired-index';
import type { DesiredFdb, DesiredLink, DesiredNeighbour, DesiredRoute } from './kernel-state';
import { effectiveMetric } from './route-key';

/*
 * In a cluster of thousands one peer changes at a time, and comparing everything with the kernel for its three objects would cost
 * a dump of thousands. Where the kernel is known to be as the last plan wanted it, and nothing has been heard since, the last plan
 * itself says what the kernel holds: the two plans are compared, and the delta is computed for what differs alone, from a
 * state made of the old plan's objects. Whatever is refused, or heard of later, leads to a full pass; so does time.
 */

export interface PlanDiff {
  /** The new plan's index with nothing but the objects that differ. */
  readonly index: DesiredIndex;
  /** What the kernel holds of those, as the old plan made it. */
  formerState(links: readonly Link[]): ActualState;
}

/** undefined where devices, settings or ownership differ: those need a look at the kernel. */
export function diffPlans(before: DesiredIndex, after: DesiredIndex): PlanDiff | undefined {
  if (!sameGround(before, after)) return undefined;
  const neighbours = changes(before.neighbours, after.neighbours, sameNeighbour);
  const fdb = changes(before.fdb, after.fdb, sameFdb);
  const routes = changes(before.routes, after.routes, sameRoute);
  const index: DesiredIndex = {
    ...after,
    links: new Map(),
    addresses: new Map(),
    sysctls: [],
    neighbours: neighbours.after,
    fdb: fdb.after,
    routes: routes.after,
  };
  const { routeProtocol } = before.ownership;
  return {
    index,
    formerState: (links) => formerState({ links, routeProtocol }, neighbours.before, fdb.before, routes.before),
  };
}

interface Changes<T> {
  /** Objects of the old plan that are gone or others now. */
  readonly before: readonly T[];
  /** Objects of the new plan that are new or others, by key. */
  readonly after: ReadonlyMap<string, T>;
}

function changes<T>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  same: (a: T, b: T) => boolean,
): Changes<T> {
  const isSame = (a: T | undefined, b: T | undefined): boolean => a !== undefined && b !== undefined && same(a, b);
  return {
    before: [...before].filter(([key, object]) => !isSame(object, after.get(key))).map(([, object]) => object),
    after: new Map([...after].filter(([key, object]) => !isSame(before.get(key), object))),
  };
}

function sameGround(a: DesiredIndex, b: DesiredIndex): boolean {
  return (
    sameSet(a.devices, b.devices) &&
    sameSet(new Set(a.tables), new Set(b.tables)) &&
    sameSet(new Set(a.addresses.keys()), new Set(b.addresses.keys())) &&
    a.ownership.routeProtocol === b.ownership.routeProtocol &&
    sameText(a.ownership.networks, b.ownership.networks) &&
    sameText(a.sysctls, b.sysctls) &&
    sameText(linkTexts(a.links), linkTexts(b.links))
  );
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((member) => b.has(member));
}

/** Addresses, prefixes and MACs print as themselves. */
function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function linkTexts(links: ReadonlyMap<string, DesiredLink>): readonly DesiredLink[] {
  return [...links.values()];
}

function sameNeighbour(a: DesiredNeighbour, b: DesiredNeighbour): boolean {
  return a.mac.equals(b.mac);
}

function sameFdb(a: DesiredFdb, b: DesiredFdb): boolean {
  return a.dst.equals(b.dst);
}

function sameRoute(a: DesiredRoute, b: DesiredRoute): boolean {
  return (
    sameAddress(a.gateway, b.gateway) &&
    a.ifname === b.ifname &&
    a.type === b.type &&
    (a.onlink ?? false) === (b.onlink ?? false) &&
    a.mtuBytes === b.mtuBytes
  );
}

interface Ground {
  readonly links: readonly Link[];
  readonly routeProtocol: number;
}

function formerState(
  { links, routeProtocol }: Ground,
  neighbours: readonly DesiredNeighbour[],
  fdb: readonly DesiredFdb[],
  routes: readonly DesiredRoute[],
): ActualState {
  const byName = new Map(links.map((link) => [link.name, link.index]));
  const placed = <T extends { readonly ifname: string }>(objects: readonly T[]): (T & { ifindex: number })[] =>
    objects.flatMap((object) => {
      const ifindex = byName.get(object.ifname);
      return ifindex === undefined ? [] : [{ ...object, ifindex }];
    });
  const state = NEIGHBOUR_STATE.permanent;
  return {
    links,
    addresses: [],
    neighbours: placed(neighbours).map(({ ifindex, address, mac }) => ({ ifindex, address, mac, state, flags: 0 })),
    fdb: placed(fdb).map(({ ifindex, mac, dst }) => ({ ifindex, mac, dst, state, flags: NEIGHBOUR_FLAG.self })),
    routes: routes.flatMap((route) => {
      const oif = route.ifname === undefined ? undefined : byName.get(route.ifname);
      return route.ifname !== undefined && oif === undefined ? [] : [formerRoute(route, oif, routeProtocol)];
    }),
  };
}

/** The route as the kernel reports what we asked for. */
function formerRoute(desired: DesiredRoute, oif: number | undefined, protocol: number): Route {
  const { dst, type = 'unicast', gateway, onlink = false, table = ROUTE_TABLE.main, mtuBytes } = desired;
  return {
    dst,
    table,
    protocol,
    type,
    scope: type === 'unicast' && !gateway && dst.family === 4 ? ROUTE_SCOPE.link : ROUTE_SCOPE.universe,
    metric: effectiveMetric(desired),
    tos: 0,
    onlink,
    dead: false,
    ...(gateway && { gateway }),
    ...(oif !== undefined && { oif }),
    ...(mtuBytes !== undefined && { mtuBytes }),
  };
}
