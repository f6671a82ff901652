import { Ipv4Prefix, Ipv6Prefix, type IpPrefix } from '../ip';
import { ROUTE_TABLE } from '../netlink';
import type {
  DesiredAddress,
  DesiredFdb,
  DesiredLink,
  DesiredNeighbour,
  DesiredRoute,
  Finding,
  KernelState,
  Ownership,
} from './kernel-state';
import { addressKey, fdbKey, neighbourKey } from './object-key';
import { routeKey } from './route-key';

/**
 * A plan's desired objects by key, made once per plan and used by every pass and for every kernel event. What the plan may
 * not have (two objects with one key, an object outside of its own ownership) is left out and reported: programming it would
 * mean to fight with ourselves or with somebody else.
 */
export interface DesiredIndex {
  readonly ownership: Ownership;
  /** See Plan.addOnly. */
  readonly addOnly: boolean;
  readonly adoptRoutesVia: ReadonlySet<string>;
  readonly devices: ReadonlySet<string>;
  readonly links: ReadonlyMap<string, DesiredLink>;
  readonly addresses: ReadonlyMap<string, DesiredAddress>;
  readonly neighbours: ReadonlyMap<string, DesiredNeighbour>;
  readonly fdb: ReadonlyMap<string, DesiredFdb>;
  readonly routes: ReadonlyMap<string, DesiredRoute>;
  /** Destinations of desired blackhole routes, whatever their metric. */
  readonly blackholes: ReadonlySet<string>;
  readonly sysctls: KernelState['sysctls'];
  /** Routing tables in which routes of ours may be. */
  readonly tables: readonly number[];
  /** Every interface that a desired object names, and every device of ours. */
  readonly interfaces: ReadonlySet<string>;
  /** True when a route leaves the choice of the interface to the kernel, so that a change of any of them matters. */
  readonly anyInterface: boolean;
  readonly findings: readonly Finding[];
  /** The most specific desired route of `table` whose destination holds all of `dst`. */
  routeAround(dst: IpPrefix, table: number): DesiredRoute | undefined;
}

export function indexDesired(desired: KernelState, ownership: Ownership, addOnly = false): DesiredIndex {
  const findings: Finding[] = [];
  const devices = new Set(ownership.devices);
  const collect = <T>(
    kind: string,
    objects: readonly T[],
    keyOf: (object: T) => string,
    owned: (object: T) => boolean,
  ): Map<string, T> => {
    const byKey = new Map<string, T>();
    for (const object of objects) {
      const key = keyOf(object);
      if (!owned(object)) findings.push(outsideOwnership(kind, key));
      else if (byKey.has(key)) findings.push(statedTwice(kind, key));
      else byKey.set(key, object);
    }
    return byKey;
  };
  const onOwnDevice = (object: { readonly ifname: string }): boolean => devices.has(object.ifname);
  const routes = collect('route', desired.routes, routeKey, (route) =>
    ownership.networks.some((network) => network.contains(route.dst)),
  );
  return {
    ownership,
    addOnly,
    adoptRoutesVia: new Set(ownership.adoptRoutesVia.map((address) => address.toString())),
    devices,
    links: collect('link', desired.links, nameOf, (link) => devices.has(link.name)),
    addresses: collect('address', desired.addresses, keyOfAddress, onOwnDevice),
    neighbours: collect('neighbour', desired.neighbours, keyOfNeighbour, onOwnDevice),
    fdb: collect('fdb', desired.fdb, keyOfFdb, onOwnDevice),
    routes,
    blackholes: new Set(
      [...routes.values()].flatMap(({ type, dst }) => (type === 'blackhole' ? [dst.toString()] : [])),
    ),
    sysctls: desired.sysctls,
    tables: [...new Set([ROUTE_TABLE.main, ...desired.routes.map((route) => route.table ?? ROUTE_TABLE.main)])],
    interfaces: new Set([...ownership.devices, ...namedInterfaces(desired)]),
    anyInterface: desired.routes.some((route) => route.gateway !== undefined && route.ifname === undefined),
    findings,
    routeAround: createRouteAround(routes.values()),
  };
}

const nameOf = (link: DesiredLink): string => link.name;
const keyOfAddress = (object: DesiredAddress): string => addressKey(object.ifname, object.address, object.prefixLength);
const keyOfNeighbour = (object: DesiredNeighbour): string => neighbourKey(object.ifname, object.address);
const keyOfFdb = (object: DesiredFdb): string => fdbKey(object.ifname, object.mac);

function namedInterfaces(desired: KernelState): string[] {
  const names = new Set<string>();
  for (const route of desired.routes) if (route.ifname !== undefined) names.add(route.ifname);
  for (const link of desired.links) if (link.vxlan?.lowerIfname !== undefined) names.add(link.vxlan.lowerIfname);
  return [...names];
}

/** One map per prefix length in use: a look-up costs as many probes as there are lengths, and those are few. */
function createRouteAround(routes: Iterable<DesiredRoute>): DesiredIndex['routeAround'] {
  const byPlace = new Map<string, DesiredRoute>();
  const lengths = new Set<number>();
  for (const route of routes) {
    byPlace.set(placeKey(route.dst, route.table ?? ROUTE_TABLE.main), route);
    lengths.add(route.dst.length);
  }
  const longestFirst = [...lengths].sort((a, b) => b - a);
  return (dst, table) => {
    for (const length of longestFirst) {
      const found = length <= dst.length ? byPlace.get(placeKey(shorten(dst, length), table)) : undefined;
      if (found) return found;
    }
    return undefined;
  };
}

function placeKey(dst: IpPrefix, table: number): string {
  return `${table} ${dst.toString()}`;
}

function shorten(dst: IpPrefix, length: number): IpPrefix {
  return dst.family === 4 ? Ipv4Prefix.of(dst.address, length) : Ipv6Prefix.of(dst.address, length);
}

function outsideOwnership(kind: string, key: string): Finding {
  return {
    severity: 'error',
    code: 'PLAN_OUTSIDE_OWNERSHIP',
    subject: `${kind} ${key}`,
    message: 'the backend asked for an object outside of the overlay networks and of its own devices; it was left out',
    cure: 'This is a fault of the backend: report it, naming the backend and this object.',
  };
}

function statedTwice(kind: string, key: string): Finding {
  return {
    severity: 'warning',
    code: 'PLAN_DUPLICATE',
    subject: `${kind} ${key}`,
    message: 'the backend asked twice for the same object; the first one counts',
    cure: 'Two peers probably claim the same subnet or address: compare their leases.',
  };
}
