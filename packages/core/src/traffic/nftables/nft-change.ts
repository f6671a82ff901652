import { compareChain, type ChainChange } from '../rules/compare-chain';
import { chainRoles, type ChainRole, type FamilyRules, type TrafficRule } from '../rules/traffic-rule';
import type { RuleChange } from '../rule-driver';
import type { NftChainState, NftRuleRef, NftTableState } from './nft-listing';
import { NftScript, type NftCapabilities } from './nft-script';

/** `state` is null when there is no such table. `accepted` says that a chain is right although it cannot be read. Pure. */
export function planNftChange(
  state: NftTableState | null,
  { family, rules }: Pick<FamilyRules, 'family' | 'rules'>,
  capabilities: NftCapabilities,
  accepted: (role: ChainRole) => boolean = () => false,
): RuleChange {
  const changes = chainRoles.map((role) => {
    const chain = state?.chains[role] ?? null;
    return { role, chain, change: accepted(role) ? none : changeOf(chain, capable(rules[role], capabilities)) };
  });
  const roles = changes.filter(({ change }) => change.kind !== 'none').map(({ role }) => role);
  const script = new NftScript(family, capabilities);
  if (roles.length === 0) return { roles, input: leftoverTable(state) ? deleteTable(script) : '' };
  const empty = changes.every(
    ({ chain, change }) => change.kind === 'drop' || (chain === null && change.kind === 'none'),
  );
  if (empty && state && !state.hasOthers) return { roles, input: deleteTable(script) };
  script.addTable();
  for (const { role, chain, change } of changes) writeChange(script, role, chain, change);
  return { roles, input: script.text };
}

const none = { kind: 'none' } as const;

/** What the tool cannot do is not expected of it either. */
export function capable(rules: readonly TrafficRule[], { fullyRandom }: NftCapabilities): TrafficRule[] {
  return rules.map((rule) => (rule.fullyRandom && !fullyRandom ? { ...rule, fullyRandom } : rule));
}

/** A chain that is hooked in elsewhere does nothing of what it must; nobody's rules in it can work. */
function changeOf(chain: NftChainState | null, desired: readonly TrafficRule[]): ChainChange<NftRuleRef> {
  if (chain === null || chain.asDefined) return compareChain(chain?.rules ?? null, desired);
  return desired.length === 0 ? { kind: 'drop' } : { kind: 'rewrite', rules: desired };
}

function leftoverTable(state: NftTableState | null): boolean {
  return state !== null && !state.hasOthers && chainRoles.every((role) => state.chains[role] === null);
}

function deleteTable(script: NftScript): string {
  script.deleteTable();
  return script.text;
}

function writeChange(
  script: NftScript,
  role: ChainRole,
  chain: NftChainState | null,
  change: ChainChange<NftRuleRef>,
): void {
  switch (change.kind) {
    case 'none':
      return;
    case 'drop':
      script.flushChain(role);
      script.deleteChain(role);
      return;
    case 'rewrite':
      if (chain && !chain.asDefined) {
        script.flushChain(role);
        script.deleteChain(role);
      }
      script.addChain(role);
      script.flushChain(role);
      for (const rule of change.rules) script.addRule(role, rule);
      return;
    case 'edit':
      for (const { handle } of change.remove) script.deleteRule(role, handle);
      for (const rule of [...change.first].reverse()) script.insertRule(role, rule);
      for (const rule of change.rules) script.addRule(role, rule);
  }
}
