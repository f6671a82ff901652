import type { IpFamily, IpPrefix } from '../../ip';
import type { ListedRule } from '../rules/compare-chain';
import { ruleOwner, type RuleShape } from '../rules/ownership';
import { chainRoles, ruleKey, type ChainRole } from '../rules/traffic-rule';
import { nftChains } from './nft-names';
import { isObject, type JsonObject } from './nft-json';
import { readNftRule } from './nft-rule-json';

/** By which nft deletes a rule; `text` is the rule without what changes by itself, `shape` what was understood of it. */
export interface NftRuleRef {
  readonly handle: number;
  readonly text: string;
  readonly shape: Partial<RuleShape>;
}

export interface NftChainState {
  /** False when a chain of that name is not hooked in as it must be. */
  readonly asDefined: boolean;
  readonly rules: readonly ListedRule<NftRuleRef>[];
}

/** Our table of one family as the kernel has it. */
export interface NftTableState {
  readonly chains: Readonly<Record<ChainRole, NftChainState | null>>;
  /** Something else is in the table: it must not be deleted whole. */
  readonly hasOthers: boolean;
}

/** Reads `nft --json list table`. `networks` are the daemon's own. Throws when it is no JSON. */
export function readNftListing(text: string, family: IpFamily, networks: readonly IpPrefix[]): NftTableState {
  const { nftables = [] } = JSON.parse(text) as { readonly nftables?: readonly unknown[] };
  const objects = nftables.filter(isObject);
  const chains = pick(objects, 'chain');
  const rules = pick(objects, 'rule');
  const state = (role: ChainRole): NftChainState | null => {
    const definition = nftChains[role];
    const chain = chains.find(({ name }) => name === definition.name);
    if (!chain) return null;
    const inside = rules.filter((rule) => rule['chain'] === definition.name);
    return { asDefined: isAsDefined(chain, role), rules: inside.map((rule) => listed(rule, family, networks)) };
  };
  const known = new Set<unknown>(chainRoles.map((role) => nftChains[role].name));
  const others = objects.some(
    (object) => !('metainfo' in object || 'table' in object || 'chain' in object || 'rule' in object),
  );
  return {
    chains: { masquerade: state('masquerade'), forward: state('forward') },
    hasOthers: others || chains.some(({ name }) => !known.has(name)),
  };
}

function pick(objects: readonly JsonObject[], kind: string): JsonObject[] {
  return objects.map((object) => object[kind]).filter(isObject);
}

function isAsDefined(chain: JsonObject, role: ChainRole): boolean {
  const { type, hook, priority } = nftChains[role];
  return chain['type'] === type && chain['hook'] === hook && chain['prio'] === priority && chain['policy'] === 'accept';
}

function listed(rule: JsonObject, family: IpFamily, networks: readonly IpPrefix[]): ListedRule<NftRuleRef> {
  const { shape, complete } = readNftRule(rule['expr'], family);
  return {
    owner: ruleOwner(shape, networks),
    key: complete ? ruleKey(complete) : null,
    ref: { handle: Number(rule['handle']), text: JSON.stringify([rule['handle'], rule['expr']]), shape },
  };
}
