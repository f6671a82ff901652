import { isObject, onlyMember } from '../traffic/nftables/nft-json';
import { all, any, not, truth, type Truth } from './truth';
import { comesFrom, comesInOn, goesTo, type AddressTest, type UdpPacket } from './udp-packet';

/** Elements of the named sets of a table; undefined for those that fill by themselves. */
export type NamedSets = ReadonlyMap<string, readonly unknown[] | undefined>;

/** One value that an expression can have, as nft writes it: 8472, "lo", a range, a prefix. */
type ElementTest = (element: unknown) => Truth;

/** A rule of nftables as libnftables-json(5) has it: `left` compared with `right`. */
export function nftMatch(packet: UdpPacket, match: unknown, sets: NamedSets): Truth {
  if (!isObject(match)) return 'maybe';
  const { op, left, right } = match;
  const test = elementTest(packet, left);
  if (typeof test === 'string') return test;
  const member = isMember(right, test, sets);
  if (op === '==' || op === 'in') return member;
  return op === '!=' ? not(member) : 'maybe';
}

/** Whether `right`, a value or a set, has the packet's value in it. */
function isMember(right: unknown, test: ElementTest, sets: NamedSets): Truth {
  if (typeof right === 'string' && right.startsWith('@')) {
    const elements = sets.get(right.slice(1));
    return elements ? any(elements.map((element) => test(plain(element)))) : 'maybe';
  }
  const list = isObject(right) && Array.isArray(right['set']) ? (right['set'] as unknown[]) : right;
  return Array.isArray(list) ? any(list.map((element) => test(plain(element)))) : test(list);
}

/** Whether the key of a verdict map has this value. */
export function nftMapKey(packet: UdpPacket, key: unknown, element: unknown): Truth {
  const test = elementTest(packet, key);
  return typeof test === 'string' ? test : test(plain(element));
}

/** Elements with a comment or a time-out are wrapped. */
function plain(element: unknown): unknown {
  return isObject(element) && isObject(element['elem']) ? element['elem']['val'] : element;
}

/** How to compare what `left` says with a value; a Truth where that does not depend on the value. */
function elementTest(packet: UdpPacket, left: unknown): ElementTest | Truth {
  const [kind = '', content] = onlyMember(left) ?? [];
  if (!isObject(content)) return 'maybe';
  switch (kind) {
    case 'payload':
      return payloadTest(packet, String(content['protocol']), String(content['field']));
    case 'meta':
      return metaTest(packet, String(content['key']));
    case 'ct':
      return ctTest(String(content['key']));
    case 'fib':
      return content['result'] === 'type' && String(content['flags']) === 'daddr' ? isOneOf('local') : 'maybe';
    default:
      return 'maybe';
  }
}

const OTHER_PROTOCOLS = new Set(['tcp', 'icmp', 'icmpv6', 'sctp', 'dccp', 'udplite', 'esp', 'ah', 'comp', 'igmp']);

function payloadTest(packet: UdpPacket, protocol: string, field: string): ElementTest | Truth {
  if (OTHER_PROTOCOLS.has(protocol)) return 'no';
  if (protocol === 'udp' || protocol === 'th') return field === 'dport' ? isNumber(packet.port) : 'maybe';
  if (protocol !== 'ip' && protocol !== 'ip6') return 'maybe';
  if (protocol !== (packet.family === 4 ? 'ip' : 'ip6')) return 'no';
  if (field === 'protocol' || field === 'nexthdr') return isOneOf('udp', 17);
  if (field === 'saddr') return isAddress((test) => comesFrom(packet, test));
  return field === 'daddr' ? isAddress((test) => goesTo(packet, test)) : 'maybe';
}

function metaTest(packet: UdpPacket, key: string): ElementTest | Truth {
  switch (key) {
    case 'l4proto':
      return isOneOf('udp', 17);
    case 'nfproto':
      return isOneOf(`ipv${packet.family}`);
    case 'protocol':
      return isOneOf(packet.family === 4 ? 'ip' : 'ip6');
    case 'iif':
    case 'iifname':
      return (element) => (typeof element === 'string' ? comesInOn(packet, element, '*') : 'maybe');
    case 'pkttype':
      return isOneOf('host');
    default:
      return 'maybe';
  }
}

/** A connection that begins: it is new, nobody translated it, and it goes the original way. */
function ctTest(key: string): ElementTest | Truth {
  if (key === 'state') return isOneOf('new');
  if (key === 'status') return 'no';
  return key === 'direction' ? isOneOf('original') : 'maybe';
}

function isOneOf(...values: readonly (string | number)[]): ElementTest {
  return (element) => truth(values.some((value) => value === element));
}

function isNumber(number: number): ElementTest {
  return (element) => {
    if (typeof element === 'number') return truth(element === number);
    const range = rangeOf(element);
    if (range?.every((end) => typeof end === 'number') !== true) return 'maybe';
    const [first, last] = range as [number, number];
    return all([truth(first <= number), truth(number <= last)]);
  };
}

function isAddress(test: (address: AddressTest) => Truth): ElementTest {
  return (element) => {
    if (typeof element === 'string') return test(element);
    const range = rangeOf(element);
    if (range) return test({ first: String(range[0]), last: String(range[1]) });
    const prefix = isObject(element) ? element['prefix'] : undefined;
    return isObject(prefix) ? test(`${String(prefix['addr'])}/${String(prefix['len'])}`) : 'maybe';
  };
}

function rangeOf(element: unknown): readonly [unknown, unknown] | undefined {
  const range = isObject(element) ? element['range'] : undefined;
  return Array.isArray(range) && range.length === 2 ? [range[0], range[1]] : undefined;
}
