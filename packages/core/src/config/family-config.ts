import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';
import type { ConfigProblems } from './config-problems';
import type { FamilyConfig } from './network-config';

/*
 * How a network is cut into subnets: the checks and derived values of the original (flannel-compat 1.2), once for both families,
 * with numbers as bigint. It also refuses what the original accepts and then fails on: Min above Max, and networks that no
 * kernel forwards.
 */

interface Special<Prefix> {
  readonly range: Prefix;
  readonly what: string;
}

interface FamilyRules<Prefix, Address> {
  readonly name: string;
  readonly keys: { readonly network: string; readonly length: string; readonly min: string; readonly max: string };
  readonly bits: number;
  /** Derived subnets are this long as long as the network has room for four of them. */
  readonly usualLength: number;
  readonly longestSubnet: number;
  readonly example: string;
  readonly onlyOther: string;
  readonly special: readonly Special<Prefix>[];
  readonly address: (value: bigint) => Address;
  readonly networkOf: (address: Address, length: number) => { readonly address: Address };
}

/** What the members of one family hold; undefined where absent or "derive". */
export interface FamilyMembers<Prefix, Address> {
  readonly network: Prefix | undefined;
  /** 0: derive. */
  readonly length: number;
  readonly min: Address | undefined;
  readonly max: Address | undefined;
  /** Subnets are not leased but assigned from outside, of any length and anywhere in the network. */
  readonly assigned: boolean;
}

/** The network must hold at least four subnets. */
const ROOM_BITS = 2;

const ipv4Rules: FamilyRules<Ipv4Prefix, Ipv4Address> = {
  name: 'IPv4',
  keys: { network: 'Network', length: 'SubnetLen', min: 'SubnetMin', max: 'SubnetMax' },
  bits: 32,
  usualLength: 24,
  longestSubnet: 30,
  example: '10.5.0.0/16',
  onlyOther: '"EnableIPv4": false for an overlay of IPv6 alone',
  special: [
    { range: Ipv4Prefix.parse('0.0.0.0/8'), what: '"this network" (RFC 1122)' },
    { range: Ipv4Prefix.parse('127.0.0.0/8'), what: 'the loopback network (RFC 1122)' },
    { range: Ipv4Prefix.parse('224.0.0.0/4'), what: 'the multicast range (RFC 5771)' },
  ],
  address: (value) => Ipv4Address.fromNumber(Number(value)),
  networkOf: (address, length) => Ipv4Prefix.of(address, length),
};

const ipv6Rules: FamilyRules<Ipv6Prefix, Ipv6Address> = {
  name: 'IPv6',
  keys: { network: 'IPv6Network', length: 'IPv6SubnetLen', min: 'IPv6SubnetMin', max: 'IPv6SubnetMax' },
  bits: 128,
  usualLength: 64,
  longestSubnet: 126,
  example: 'fd00:10:5::/48',
  onlyOther: '"EnableIPv6": false for an overlay of IPv4 alone',
  special: [
    { range: Ipv6Prefix.parse('::/127'), what: 'the unspecified and the loopback address (RFC 4291)' },
    { range: Ipv6Prefix.parse('::ffff:0:0/96'), what: 'the IPv4-mapped range (RFC 4291)' },
    { range: Ipv6Prefix.parse('fe80::/10'), what: 'the link-local range, which no router forwards (RFC 4291)' },
    { range: Ipv6Prefix.parse('ff00::/8'), what: 'the multicast range (RFC 4291)' },
  ],
  address: (value) => Ipv6Address.fromBigInt(value),
  networkOf: (address, length) => Ipv6Prefix.of(address, length),
};

export function ipv4Family(
  members: FamilyMembers<Ipv4Prefix, Ipv4Address>,
  problems: ConfigProblems,
): FamilyConfig<Ipv4Prefix, Ipv4Address> | null {
  return deriveFamily(ipv4Rules, members, problems);
}

export function ipv6Family(
  members: FamilyMembers<Ipv6Prefix, Ipv6Address>,
  problems: ConfigProblems,
): FamilyConfig<Ipv6Prefix, Ipv6Address> | null {
  return deriveFamily(ipv6Rules, members, problems);
}

interface AnyAddress {
  readonly value: number | bigint;
  toString(): string;
}

interface AnyPrefix<Address> {
  readonly family: number;
  readonly address: Address;
  readonly length: number;
  readonly last: Address;
  contains(other: unknown): boolean;
  overlaps(other: unknown): boolean;
  toString(): string;
}

/** Null when a problem was found. */
function deriveFamily<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  rules: FamilyRules<Prefix, Address>,
  { network, length, min, max, assigned }: FamilyMembers<Prefix, Address>,
  problems: ConfigProblems,
): FamilyConfig<Prefix, Address> | null {
  const { keys } = rules;
  if (network === undefined || (network.length === 0 && BigInt(network.address.value) === 0n)) {
    const found = network === undefined ? 'absent' : `${network.toString()}, which counts as absent`;
    problems.add(
      keys.network,
      found,
      `the ${rules.name} network of the overlay, such as "${rules.example}", or ${rules.onlyOther}`,
    );
    return null;
  }
  const before = problems.count;
  checkNetwork(rules, network, problems);
  if (assigned) return problems.count > before ? null : wholeNetwork(rules, network);
  checkRoom(rules, network, problems);
  const subnetLength = subnetLengthOf(rules, network, length, problems);
  if (subnetLength === undefined || problems.count > before) return null;

  const size = 1n << BigInt(rules.bits - subnetLength);
  const subnetMin = min ?? rules.address(BigInt(network.address.value) + size);
  const subnetMax = max ?? rules.address(BigInt(network.last.value) + 1n - size);
  if (min) checkBound(rules, { key: keys.min, bound: min, network, subnetLength }, problems);
  if (max) checkBound(rules, { key: keys.max, bound: max, network, subnetLength }, problems);
  if (problems.count === before) checkOrder(rules, { subnetMin, subnetMax, minGiven: min !== undefined }, problems);
  return problems.count > before ? null : { network, subnetLength, subnetMin, subnetMax };
}

/** What is assigned may be anything in the network; the length is the one that is usual. */
function wholeNetwork<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  { bits, usualLength }: FamilyRules<Prefix, Address>,
  network: Prefix,
): FamilyConfig<Prefix, Address> {
  const subnetLength = Math.min(bits, Math.max(usualLength, network.length + ROOM_BITS));
  return { network, subnetLength, subnetMin: network.address, subnetMax: network.last };
}

function checkNetwork<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  { keys, special, example }: FamilyRules<Prefix, Address>,
  network: Prefix,
  problems: ConfigProblems,
): void {
  const clash = special.find(({ range }) => network.overlaps(range));
  if (!clash) return;
  const expected = `a network apart from ${clash.range.toString()}, ${clash.what}; such as "${example}"`;
  problems.add(keys.network, network.toString(), expected);
}

function checkRoom<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  { keys, special, usualLength, longestSubnet }: FamilyRules<Prefix, Address>,
  network: Prefix,
  problems: ConfigProblems,
): void {
  const longest = longestSubnet - ROOM_BITS;
  if (network.length <= longest || special.some(({ range }) => network.overlaps(range))) return;
  problems.add(
    keys.network,
    network.toString(),
    `a prefix length of at most ${longest}, so that there is room for four subnets of /${longestSubnet}; ` +
      `with ${usualLength - ROOM_BITS} or less each host gets a /${usualLength}`,
  );
}

/** Undefined when a problem was found. */
function subnetLengthOf<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  { keys, usualLength, longestSubnet }: FamilyRules<Prefix, Address>,
  network: Prefix,
  length: number,
  problems: ConfigProblems,
): number | undefined {
  const shortest = network.length + ROOM_BITS;
  if (length === 0) return Math.max(usualLength, shortest);
  if (length >= shortest && length <= longestSubnet) return length;
  if (shortest <= longestSubnet) {
    const expected = `a prefix length from ${shortest} to ${longestSubnet}, so that ${network.toString()} has room for four subnets`;
    problems.add(keys.length, String(length), expected);
  }
  return undefined;
}

function checkBound<Prefix extends AnyPrefix<Address>, Address extends AnyAddress>(
  { networkOf }: FamilyRules<Prefix, Address>,
  { key, bound, network, subnetLength }: { key: string; bound: Address; network: Prefix; subnetLength: number },
  problems: ConfigProblems,
): void {
  const aligned = networkOf(bound, subnetLength).address;
  if (!network.contains(bound)) {
    problems.add(key, bound.toString(), `an address inside of ${network.toString()}`);
  } else if (aligned.value !== bound.value) {
    const expected = `the network address of a /${subnetLength}, such as ${aligned.toString()}`;
    problems.add(key, bound.toString(), expected);
  }
}

function checkOrder<Prefix, Address extends AnyAddress>(
  { keys }: FamilyRules<Prefix, Address>,
  { subnetMin, subnetMax, minGiven }: { subnetMin: Address; subnetMax: Address; minGiven: boolean },
  problems: ConfigProblems,
): void {
  if (subnetMin.value <= subnetMax.value) return;
  if (minGiven) {
    const expected = `at most ${subnetMax.toString()}, which is ${keys.max}: otherwise there is no subnet to lease`;
    problems.add(keys.min, subnetMin.toString(), expected);
  } else {
    const expected = `at least ${subnetMin.toString()}, or a ${keys.min} too: the first subnet is left out unless ${keys.min} names it`;
    problems.add(keys.max, subnetMax.toString(), expected);
  }
}
