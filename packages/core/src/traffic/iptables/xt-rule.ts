import { hostPrefix, parseIpAddress, parseIpPrefix, type IpFamily, type IpPrefix } from '../../ip';
import { toPrefixes, toRanges } from '../rules/address-ranges';
import type { RuleShape } from '../rules/ownership';
import type { AddressMatch, MarkMatch, TrafficRule } from '../rules/traffic-rule';
import { xtOptions, xtWords, type XtOption } from './xt-words';

/** A line of `-S` that appends a rule. */
export interface XtRule {
  /** All of the line behind the chain's name: what -D wants to see again. */
  readonly spec: string;
  readonly options: readonly XtOption[];
  readonly target: string;
  readonly comment: string;
  readonly shape: Partial<RuleShape>;
  /** Undefined when part of the rule was not understood. */
  readonly complete?: TrafficRule;
}

/** Reads `SPEC` of `-A CHAIN SPEC`. */
export function readXtRule(spec: string, family: IpFamily): XtRule {
  const options = xtOptions(xtWords(spec));
  const [src, dst, mark] = [address(options, '-s'), address(options, '-d'), markMatch(options)];
  const target = value(options, '-j') ?? value(options, '-g') ?? '';
  const verdict = verdicts.get(target);
  const shape = { ...(src && { src }), ...(dst && { dst }), ...(mark && { mark }), ...(verdict && { verdict }) };
  const facts = { spec, options, target, comment: value(options, '--comment') ?? '', shape };
  if (!verdict || !options.every(isUnderstood)) return facts;
  const fullyRandom = options.some(({ name }) => name === '--random-fully');
  return { ...facts, complete: { ...shape, family, verdict, ...(fullyRandom && { fullyRandom }) } };
}

/** One line's SPEC per rule; a rule with several prefixes becomes several. The text is what `-S` prints for it. */
export function writeXtRule(rule: TrafficRule, comment: string): string[] {
  const { src, dst, mark, verdict, fullyRandom } = rule;
  const heads = matchTexts('-s', rule.family, src).flatMap((from) =>
    matchTexts('-d', rule.family, dst).map((to) => [from, to].filter(Boolean)),
  );
  const tail = [
    ...(mark ? [`-m mark --mark ${hex(mark.value)}/${hex(mark.mask)}`] : []),
    `-m comment --comment "${comment}"`,
    `-j ${verdict.toUpperCase()}`,
    ...(fullyRandom ? ['--random-fully'] : []),
  ];
  return heads.map((head) => [...head, ...tail].join(' '));
}

/** Every prefix is a rule of its own in iptables, so a rule with several becomes several here too, and lists can be compared. */
export function splitRule(rule: TrafficRule): TrafficRule[] {
  const sides = (match: AddressMatch | undefined): (AddressMatch | undefined)[] =>
    match && !match.not
      ? toPrefixes(rule.family, match.ranges).map((prefix) => ({ not: false, ranges: toRanges([prefix]) }))
      : [match];
  return sides(rule.src).flatMap((src) =>
    sides(rule.dst).map((dst) => ({ ...rule, ...(src && { src }), ...(dst && { dst }) })),
  );
}

const verdicts = new Map([
  ['ACCEPT', 'accept'],
  ['RETURN', 'return'],
  ['MASQUERADE', 'masquerade'],
] as const) as ReadonlyMap<string, TrafficRule['verdict']>;

/** Parts that we write ourselves; a rule with any other does something else. */
function isUnderstood({ name, not, values }: XtOption): boolean {
  if (name === '-s' || name === '-d') return true;
  if (not) return false;
  if (name === '-m') return values[0] === 'comment' || values[0] === 'mark';
  return ['-j', '--comment', '--mark', '--random-fully'].includes(name);
}

function matchTexts(flag: '-s' | '-d', family: IpFamily, match: AddressMatch | undefined): string[] {
  if (!match) return [''];
  return toPrefixes(family, match.ranges).map((prefix) => `${match.not ? '! ' : ''}${flag} ${prefix.toString()}`);
}

function address(options: readonly XtOption[], flag: '-s' | '-d'): AddressMatch | undefined {
  const option = options.find(({ name }) => name === flag);
  const prefix = option && parsePrefix(option.values[0] ?? '');
  return prefix && { not: option.not, ranges: toRanges([prefix]) };
}

function parsePrefix(text: string): IpPrefix | undefined {
  try {
    return text.includes('/') ? parseIpPrefix(text) : hostPrefix(parseIpAddress(text));
  } catch {
    return undefined;
  }
}

/** `0x4000/0x4000`; without a mask all bits count. */
function markMatch(options: readonly XtOption[]): MarkMatch | undefined {
  const option = options.find(({ name }) => name === '--mark');
  if (!option || option.not) return undefined;
  const [text = '', mask = '0xffffffff'] = (option.values[0] ?? '').split('/');
  return { value: Number(text), mask: Number(mask) };
}

function value(options: readonly XtOption[], name: string): string | undefined {
  return options.find((option) => option.name === name)?.values[0];
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
