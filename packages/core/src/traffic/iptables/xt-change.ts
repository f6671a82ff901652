import type { IpPrefix } from '../../ip';
import { compareChain, type ChainChange, type ListedRule } from '../rules/compare-chain';
import { ruleOwner } from '../rules/ownership';
import { chainRoles, ruleKey, type ChainRole, type FamilyRules, type TrafficRule } from '../rules/traffic-rule';
import type { RuleChange } from '../rule-driver';
import { xtPlaces, type XtPlace } from './xt-names';
import type { XtPlaceState, XtState } from './xt-listing';
import { firstObstacle } from './xt-obstacles';
import { splitRule, writeXtRule, type XtRule } from './xt-rule';

/** What this host's iptables takes. */
export interface XtCapabilities {
  readonly fullyRandom: boolean;
}

export interface XtChangeRequest {
  readonly state: XtState;
  readonly wanted: Pick<FamilyRules, 'rules'>;
  /** All that count as ours. */
  readonly networks: readonly IpPrefix[];
  readonly capabilities: XtCapabilities;
  /** A chain is right although it cannot be read. */
  readonly accepted?: (role: ChainRole) => boolean;
}

/** Each table's part is one transaction of iptables-restore. Roles whose table was not listed are left out. Pure. */
export function planXtChange({ state, wanted, networks, capabilities, accepted }: XtChangeRequest): RuleChange {
  const roles: ChainRole[] = [];
  const lines: string[] = [];
  for (const role of chainRoles) {
    const place = state[role];
    if (!place) continue;
    const desired = desiredXtRules(wanted.rules[role], capabilities);
    const change = accepted?.(role)
      ? ({ kind: 'none' } as const)
      : compareChain(listedXtRules(place.chain, networks), desired);
    const part = [
      ...jumpRemovals(place, role, networks, change),
      ...chainLines(xtPlaces[role], change),
      ...jumpInsertion(place, role, networks, desired.length > 0),
    ];
    if (part.length === 0) continue;
    roles.push(role);
    lines.push(`*${xtPlaces[role].table}`, ...part, 'COMMIT');
  }
  return { roles, input: lines.map((line) => `${line}\n`).join('') };
}

/** One rule per prefix, and nothing that the tool cannot do. */
export function desiredXtRules(rules: readonly TrafficRule[], { fullyRandom }: XtCapabilities): TrafficRule[] {
  return rules.flatMap(splitRule).map((rule) => (rule.fullyRandom && !fullyRandom ? { ...rule, fullyRandom } : rule));
}

export function listedXtRules(
  chain: readonly XtRule[] | null,
  networks: readonly IpPrefix[],
): ListedRule<XtRule>[] | null {
  return (
    chain?.map((rule) => ({
      owner: ruleOwner(rule.shape, networks),
      key: rule.complete ? ruleKey(rule.complete) : null,
      ref: rule,
    })) ?? null
  );
}

function chainLines(place: XtPlace, change: ChainChange<XtRule>): string[] {
  const { chain } = place;
  const append = (rules: readonly TrafficRule[]): string[] =>
    rules.flatMap((rule) => writeXtRule(rule, place.comment)).map((spec) => `-A ${chain} ${spec}`);
  switch (change.kind) {
    case 'none':
      return [];
    case 'drop':
      return [`-F ${chain}`, `-X ${chain}`];
    case 'rewrite':
      return [`:${chain} - [0:0]`, ...append(change.rules)];
    case 'edit':
      return [
        ...change.remove.map(({ spec }) => `-D ${chain} ${spec}`),
        ...[...change.first]
          .reverse()
          .flatMap((rule) => writeXtRule(rule, place.comment).map((spec) => `-I ${chain} 1 ${spec}`)),
        ...append(change.rules),
      ];
  }
}

/** Jumps that are not the one to keep, all of them when the chain goes, and rules of flannel versions that had no chains. */
function jumpRemovals(
  { builtin }: XtPlaceState,
  role: ChainRole,
  networks: readonly IpPrefix[],
  change: ChainChange<XtRule>,
): string[] {
  const { chain, builtin: name } = xtPlaces[role];
  const kept = change.kind === 'drop' ? undefined : rightJump(builtin, role, networks);
  return builtin
    .filter((rule) => (rule.target === chain && rule !== kept) || isOldStyle(rule, role, networks))
    .map(({ spec }) => `-D ${name} ${spec}`);
}

function jumpInsertion(
  { builtin }: XtPlaceState,
  role: ChainRole,
  networks: readonly IpPrefix[],
  wanted: boolean,
): string[] {
  if (!wanted || rightJump(builtin, role, networks)) return [];
  const { chain, builtin: name, comment } = xtPlaces[role];
  const jump = `-m comment --comment "${comment}" -j ${chain}`;
  const obstacle = firstObstacle(othersOf(builtin, role, networks), role, networks);
  return [obstacle === undefined ? `-A ${name} ${jump}` : `-I ${name} ${obstacle + 1} ${jump}`];
}

/** The first unconditional jump to our chain, if nothing before it takes the decision away. */
function rightJump(builtin: readonly XtRule[], role: ChainRole, networks: readonly IpPrefix[]): XtRule | undefined {
  const jump = builtin.find((rule) => rule.target === xtPlaces[role].chain && isUnconditional(rule));
  if (!jump) return undefined;
  const before = othersOf(builtin.slice(0, builtin.indexOf(jump)), role, networks);
  return firstObstacle(before, role, networks) === undefined ? jump : undefined;
}

/** Everything that stays where it is. */
function othersOf(rules: readonly XtRule[], role: ChainRole, networks: readonly IpPrefix[]): XtRule[] {
  return rules.filter((rule) => rule.target !== xtPlaces[role].chain && !isOldStyle(rule, role, networks));
}

function isUnconditional({ options }: XtRule): boolean {
  return options.every(
    ({ name, values }) => name === '-j' || name === '--comment' || (name === '-m' && values[0] === 'comment'),
  );
}

function isOldStyle(rule: XtRule, role: ChainRole, networks: readonly IpPrefix[]): boolean {
  const { comment, chain } = xtPlaces[role];
  return rule.comment === comment && rule.target !== chain && ruleOwner(rule.shape, networks) === 'own';
}
