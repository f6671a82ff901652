import type { IpFamily, IpPrefix } from '../../ip';
import { toRanges, type AddressRange } from './address-ranges';

/*
 * Rules as data, the same for nftables and iptables. Both implementations render them, and read what the kernel lists back into
 * them, so that "is it as it should be" is one comparison of keys, whoever wrote the rules and however the tool prints them.
 */

export interface AddressMatch {
  /** Matches every address but these. */
  readonly not: boolean;
  /** At least one. */
  readonly ranges: readonly AddressRange[];
}

export interface MarkMatch {
  readonly value: number;
  readonly mask: number;
}

/** `return` leaves the chain: the packet is not masqueraded here, and whoever comes after may still decide. */
export type TrafficVerdict = 'accept' | 'masquerade' | 'return';

export interface TrafficRule {
  readonly family: IpFamily;
  readonly src?: AddressMatch;
  readonly dst?: AddressMatch;
  readonly mark?: MarkMatch;
  readonly verdict: TrafficVerdict;
  /** Masquerade with a port chosen at random, whether it is taken or not; false where the kernel or the tool cannot. */
  readonly fullyRandom?: boolean;
  /** Why it is there, for comments in the kernel and for docs; no part of what the rule does. */
  readonly purpose?: string;
}

/** The two places where overlay traffic meets rules. */
export type ChainRole = 'masquerade' | 'forward';
export const chainRoles: readonly ChainRole[] = ['masquerade', 'forward'];

export type RulesByRole = Readonly<Record<ChainRole, readonly TrafficRule[]>>;

/** Every rule that must exist for one network in one family. */
export interface FamilyRules {
  readonly family: IpFamily;
  /** What the rules belong to: rules of other networks in the same chains are another daemon's. */
  readonly network: IpPrefix;
  readonly rules: RulesByRole;
}

export function addresses(prefixes: readonly IpPrefix[]): AddressMatch {
  return { not: false, ranges: toRanges(prefixes) };
}

export function allBut(prefix: IpPrefix): AddressMatch {
  return { not: true, ranges: toRanges([prefix]) };
}

/** Text that is equal exactly for rules that do the same. */
export function ruleKey({ family, src, dst, mark, verdict, fullyRandom = false }: TrafficRule): string {
  return [
    `ipv${family}`,
    ...(mark ? [`mark ${mark.value}/${mark.mask}`] : []),
    ...(src ? [`from ${matchKey(src)}`] : []),
    ...(dst ? [`to ${matchKey(dst)}`] : []),
    verdict,
    ...(fullyRandom ? ['fully-random'] : []),
  ].join(' ');
}

export function matchKey({ not, ranges }: AddressMatch): string {
  return `${not ? '!' : ''}${ranges.map(({ first, last }) => `${first}-${last}`).join(',')}`;
}
