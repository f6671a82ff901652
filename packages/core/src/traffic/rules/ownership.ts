import type { IpFamily, IpPrefix } from '../../ip';
import { toPrefixes, toRanges } from './address-ranges';
import { matchKey, type AddressMatch, type TrafficRule } from './traffic-rule';

/*
 * Whose rule is it? Several daemons with different networks share one host, and they share flannel's chains and tables too: their names
 * are what upgrades, downgrades and other tools know. So a rule belongs to the network that it speaks of:
 *
 *   from C …, or from all but C …          C's
 *   to C from inside C, or from anywhere   C's
 *   the mark rule                          everybody's: it names no network
 *   anything else                          a stranger's, never touched
 *
 * "From C to X" is C's rule and not X's, so a network that one daemon excludes from masquerading may well be the other daemon's own.
 */

export type RuleOwner = 'own' | 'shared' | 'foreign';

/** What a listed rule says about addresses and mark, as far as it was understood. */
export type RuleShape = Pick<TrafficRule, 'src' | 'dst' | 'mark' | 'verdict'>;

/** `networks` are the daemon's own: the one in force and those before it. */
export function ruleOwner(rule: Partial<RuleShape>, networks: readonly IpPrefix[]): RuleOwner {
  const { src, dst, mark, verdict } = rule;
  if (networks.some((network) => speaksOf(network, src, dst))) return 'own';
  return mark && !src && !dst && verdict === 'return' ? 'shared' : 'foreign';
}

/**
 * The other way round, where nothing is known of any network: those that rules in flannel's own chains were written for. Who masquerades
 * names C as the source, turned round or not; who accepts names it on either side. Rules that return name subnets and strangers as well.
 */
export function networksSpokenOf(family: IpFamily, rules: readonly Partial<RuleShape>[]): IpPrefix[] {
  const found = rules.flatMap(({ src, dst, verdict }) => {
    const match = verdict === 'masquerade' ? src : verdict === 'accept' ? acceptedSide(src, dst) : undefined;
    const prefixes = match ? toPrefixes(family, match.ranges) : [];
    return prefixes.length === 1 ? prefixes : [];
  });
  return [...new Map(found.map((prefix) => [prefix.toString(), prefix])).values()];
}

function acceptedSide(src: AddressMatch | undefined, dst: AddressMatch | undefined): AddressMatch | undefined {
  return [src, dst].find((match) => match?.not === false);
}

function speaksOf(network: IpPrefix, src: AddressMatch | undefined, dst: AddressMatch | undefined): boolean {
  if (src && isExactly(src, network)) return true;
  return dst !== undefined && isExactly(dst, network) && !dst.not && (src === undefined || isInside(src, network));
}

/** Whether it is turned round does not matter. */
function isExactly({ ranges }: AddressMatch, network: IpPrefix): boolean {
  return matchKey({ not: false, ranges }) === matchKey({ not: false, ranges: toRanges([network]) });
}

function isInside({ ranges }: AddressMatch, network: IpPrefix): boolean {
  const [around] = toRanges([network]);
  return around !== undefined && ranges.every(({ first, last }) => first >= around.first && last <= around.last);
}
