import {
  NEIGHBOUR_STATE,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
  parseIpAddress,
  parseIpPrefix,
  type Route,
  type RouteSpec,
  type RouteType,
} from '@tartan/core';
import { viewRoute } from './fake-route-ops';
import type { FakeTables } from './fake-tables';

/** The whole state as text in iproute2's manner, sorted, for comparison with toEqual. */
export interface FakeSnapshot {
  readonly links: string[];
  readonly addresses: string[];
  /** Main table; kernel-made routes left out. */
  readonly routes: string[];
  readonly neighbours: string[];
  readonly fdb: string[];
}

const types = ['blackhole', 'unreachable', 'prohibit', 'throw', 'local'] as const;

export function snapshotOf(tables: FakeTables): FakeSnapshot {
  const name = (index: number): string => tables.links.get(index)?.name ?? `#${index}`;
  const permanent = (state: number): string => (state & NEIGHBOUR_STATE.permanent ? ' permanent' : '');
  return {
    links: [...tables.links.values()]
      .filter((link) => !link.loopback)
      .map((link) => `${link.name} ${link.up ? 'up' : 'down'} mtu ${link.mtuBytes}`)
      .sort(),
    addresses: tables.addresses
      .filter((entry) => !entry.address.isLoopback)
      .map((entry) => `${entry.address.toString()}/${entry.prefixLength} dev ${name(entry.ifindex)}`)
      .sort(),
    routes: [...tables.routes.all()]
      .filter((route) => route.table === ROUTE_TABLE.main && route.protocol !== ROUTE_PROTOCOL.kernel)
      .map((route) => printRoute(tables, route))
      .sort(),
    neighbours: [...tables.neighbours.values()]
      .map(
        (one) => `${one.address.toString()} dev ${name(one.ifindex)} lladdr ${String(one.mac)}${permanent(one.state)}`,
      )
      .sort(),
    fdb: [...tables.fdb.values()]
      .flat()
      .map((one) => `${String(one.mac)} dev ${name(one.ifindex)} dst ${String(one.dst)}${permanent(one.state)}`)
      .sort(),
  };
}

/** `10.5.1.0/24 via 192.168.0.2 dev eth0 proto 3 metric 10 onlink`; parts that are the default are left out. */
export function printRoute(tables: FakeTables, route: Route): string {
  const device = route.oif === undefined ? undefined : tables.links.get(route.oif)?.name;
  const usualMetric = route.dst.family === 6 ? 1024 : 0;
  return [
    route.type === 'unicast' ? '' : route.type,
    route.dst.toString(),
    route.gateway && `via ${route.gateway.toString()}`,
    device && route.type !== 'blackhole' && `dev ${device}`,
    `proto ${route.protocol}`,
    route.prefSrc && `src ${route.prefSrc.toString()}`,
    route.metric !== usualMetric && `metric ${route.metric}`,
    route.onlink && 'onlink',
    route.mtuBytes && `mtu ${route.mtuBytes}`,
    viewRoute(tables, route).dead && 'linkdown',
  ]
    .filter(Boolean)
    .join(' ');
}

/** The reverse of printRoute; `proto` is a number or one of iproute2's names, boot unless told. Throws on what it cannot read. */
export function parseRoute(tables: FakeTables, text: string): RouteSpec {
  const words = text.trim().split(/\s+/);
  const type = types.find((known) => known === words[0]) as RouteType | undefined;
  if (type !== undefined) words.shift();
  const dst = words.shift() ?? '';
  const given = pairs(words);
  const device = given.get('dev');
  const link = device === undefined ? undefined : tables.linkNamed(device);
  if (device !== undefined && !link) throw new Error(`no fake link is named ${device}`);
  return {
    dst: parseIpPrefix(dst === 'default' ? '0.0.0.0/0' : dst),
    protocol: protocolNumber(given.get('proto') ?? 'boot'),
    ...(type === undefined ? {} : { type }),
    ...(link ? { oif: link.index } : {}),
    ...optional(given, 'via', 'gateway', parseIpAddress),
    ...optional(given, 'src', 'prefSrc', parseIpAddress),
    ...optional(given, 'metric', 'metric', Number),
    ...optional(given, 'table', 'table', Number),
    ...optional(given, 'mtu', 'mtuBytes', Number),
    ...(given.has('onlink') ? { onlink: true } : {}),
  };
}

function pairs(words: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let place = 0; place < words.length; place++) {
    const word = words[place] as string;
    if (word === 'onlink') given.set(word, '');
    else if (['via', 'dev', 'proto', 'src', 'metric', 'table', 'mtu'].includes(word)) {
      given.set(word, words[++place] ?? '');
    } else throw new Error(`route text: "${word}" is not understood`);
  }
  return given;
}

function optional<Key extends keyof RouteSpec, Value>(
  given: ReadonlyMap<string, string>,
  word: string,
  key: Key,
  parse: (text: string) => Value,
): Partial<Record<Key, Value>> {
  const text = given.get(word);
  return text === undefined ? {} : ({ [key]: parse(text) } as Record<Key, Value>);
}

function protocolNumber(text: string): number {
  const named = (ROUTE_PROTOCOL as Readonly<Record<string, number>>)[text];
  const number = named ?? Number(text);
  if (!Number.isInteger(number)) throw new Error(`route text: "${text}" is no protocol`);
  return number;
}
