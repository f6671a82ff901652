import { isObject, onlyMember, type JsonObject } from '../traffic/nftables/nft-json';
import { nftMapKey, nftMatch, type NamedSets } from './nft-matches';
import type { FilterChains, FilterRule, Verdict } from './packet-walk';
import { all, type Truth } from './truth';
import type { UdpPacket } from './udp-packet';

/** A chain that packets to this host go through before any program gets them. */
export interface BaseChain {
  /** ip, ip6 or inet. */
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly policy: 'accept' | 'drop';
}

/** The objects of any `nft --json list`; undefined when it printed something else. */
export function nftObjects(text: string): JsonObject[] | undefined {
  try {
    const { nftables } = JSON.parse(text) as { readonly nftables?: unknown };
    return Array.isArray(nftables) ? nftables.filter(isObject) : undefined;
  } catch {
    return undefined;
  }
}

export function baseChains(objects: readonly JsonObject[]): BaseChain[] {
  return members(objects, 'chain')
    .filter(
      ({ family, type, hook }) => isIp(family) && type === 'filter' && (hook === 'input' || hook === 'prerouting'),
    )
    .map(({ family, table, name, policy }) => ({
      family: String(family),
      table: String(table),
      name: String(name),
      policy: policy === 'drop' ? 'drop' : 'accept',
    }));
}

function isIp(family: unknown): boolean {
  return family === 'ip' || family === 'ip6' || family === 'inet';
}

/** The chains of one listed table, judged for `packet`. */
export function nftChainsFor(packet: UdpPacket, objects: readonly JsonObject[]): FilterChains {
  const sets = namedSets(objects);
  const chains = new Map<string, FilterRule[]>();
  for (const { chain, expr } of members(objects, 'rule')) {
    const rules = chains.get(String(chain)) ?? [];
    if (Array.isArray(expr)) rules.push(...readRule(packet, expr, sets));
    chains.set(String(chain), rules);
  }
  return chains;
}

/** What nft leaves out with --stateless, or what changes without a transaction, is not known. */
function namedSets(objects: readonly JsonObject[]): NamedSets {
  const known = ({ flags, elem }: JsonObject): readonly unknown[] | undefined => {
    if (Array.isArray(flags) && (flags.includes('dynamic') || flags.includes('timeout'))) return undefined;
    return Array.isArray(elem) ? (elem as readonly unknown[]) : [];
  };
  return new Map(members(objects, 'set').map((set) => [String(set['name']), known(set)]));
}

function members(objects: readonly JsonObject[], kind: string): JsonObject[] {
  return objects.map((object) => object[kind]).filter(isObject);
}

/** Statements that let the packet go on to the next one whatever they do. */
const PASSING = new Set([
  'counter',
  'log',
  'mangle',
  'set',
  'notrack',
  'ct helper',
  'ct timeout',
  'flow',
  'dup',
  'map',
]);

/** One rule, or as many as a verdict map has elements: at most one of those applies. */
function readRule(packet: UdpPacket, statements: readonly unknown[], sets: NamedSets): FilterRule[] {
  const conditions: Truth[] = [];
  for (const statement of statements) {
    const [kind = '', content] = onlyMember(statement) ?? [];
    const verdict = readVerdict(kind, content);
    if (verdict) return [{ applies: all(conditions), verdict }];
    if (kind === 'vmap') return mapRules(packet, content, conditions);
    if (kind === 'match') conditions.push(nftMatch(packet, content, sets));
    else if (!PASSING.has(kind)) conditions.push('maybe');
  }
  return [];
}

function mapRules(packet: UdpPacket, map: unknown, conditions: readonly Truth[]): FilterRule[] {
  const data = isObject(map) && isObject(map['data']) ? map['data']['set'] : undefined;
  if (!isObject(map) || !Array.isArray(data)) return [];
  return data.flatMap((entry: unknown) => {
    const [element, target] = Array.isArray(entry) ? (entry as unknown[]) : [];
    const [kind = '', content] = onlyMember(target) ?? [];
    const verdict = readVerdict(kind, content);
    return verdict ? [{ applies: all([...conditions, nftMapKey(packet, map['key'], element)]), verdict }] : [];
  });
}

/** A packet that is queued is in another program's hands: for all that can be seen here it gets in. */
function readVerdict(kind: string, content: unknown): Verdict | undefined {
  switch (kind) {
    case 'accept':
    case 'return':
    case 'continue':
    case 'drop':
      return { kind };
    case 'reject':
      return { kind: 'drop' };
    case 'queue':
      return { kind: 'accept' };
    case 'jump':
    case 'goto':
      return { kind, chain: isObject(content) ? String(content['target']) : '' };
    default:
      return undefined;
  }
}
