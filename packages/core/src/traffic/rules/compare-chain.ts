import type { RuleOwner } from './ownership';
import { ruleKey, type TrafficRule } from './traffic-rule';

/*
 * One chain as it is against one chain as it must be, for both tools. Rules of other networks are left where they are: a chain that
 * holds none of them is rewritten whole, otherwise exactly our rules are taken out and put in again. Either way it is one transaction.
 */

/** One rule as the tool lists it. */
export interface ListedRule<Ref> {
  readonly owner: RuleOwner;
  /** ruleKey() of it; null when the tool printed something that we do not understand. */
  readonly key: string | null;
  /** By which the tool can delete it. */
  readonly ref: Ref;
}

export type ChainChange<Ref> =
  | { readonly kind: 'none' }
  /** Create the chain if need be, empty it, and append `rules`. */
  | { readonly kind: 'rewrite'; readonly rules: readonly TrafficRule[] }
  /** Delete `remove`, put `first` before everything, append `rules`. */
  | {
      readonly kind: 'edit';
      readonly remove: readonly Ref[];
      readonly first: readonly TrafficRule[];
      readonly rules: readonly TrafficRule[];
    }
  /** Nothing is wanted and nobody else is in it: the chain goes. */
  | { readonly kind: 'drop' };

/**
 * `listed` is null when there is no such chain. Of `desired` the rules that name no network (the mark rule) come first and are shared
 * with other daemons.
 */
export function compareChain<Ref>(
  listed: readonly ListedRule<Ref>[] | null,
  desired: readonly TrafficRule[],
): ChainChange<Ref> {
  if (listed === null) return desired.length === 0 ? { kind: 'none' } : { kind: 'rewrite', rules: desired };
  const own = listed.filter(({ owner }) => owner === 'own');
  const foreign = listed.filter(({ owner }) => owner === 'foreign');
  if (desired.length === 0) {
    if (foreign.length === 0) return { kind: 'drop' };
    return own.length === 0 ? { kind: 'none' } : { kind: 'edit', remove: refs(own), first: [], rules: [] };
  }
  const [shared, ours] = [desired.filter(isShared), desired.filter((rule) => !isShared(rule))];
  const lead = sharedRules(listed, shared);
  if (lead.right && sameKeys(own, ours)) return { kind: 'none' };
  if (foreign.length === 0) return { kind: 'rewrite', rules: desired };
  return {
    kind: 'edit',
    remove: [...refs(own), ...lead.remove],
    first: lead.right ? [] : shared,
    rules: ours,
  };
}

export function isShared({ src, dst }: TrafficRule): boolean {
  return src === undefined && dst === undefined;
}

/** The shared rules must be there, once each in the wanted form, before any rule of ours. */
function sharedRules<Ref>(
  listed: readonly ListedRule<Ref>[],
  desired: readonly TrafficRule[],
): { readonly right: boolean; readonly remove: readonly Ref[] } {
  const firstOwn = listed.findIndex(({ owner }) => owner === 'own');
  const before = firstOwn === -1 ? listed : listed.slice(0, firstOwn);
  const shared = listed.filter(({ owner }) => owner === 'shared');
  const right = sameKeys(shared, desired) && before.filter(({ owner }) => owner === 'shared').length === desired.length;
  return { right, remove: right ? [] : refs(shared) };
}

function sameKeys(listed: readonly ListedRule<unknown>[], desired: readonly TrafficRule[]): boolean {
  return listed.length === desired.length && desired.every((rule, index) => listed[index]?.key === ruleKey(rule));
}

function refs<Ref>(listed: readonly ListedRule<Ref>[]): Ref[] {
  return listed.map(({ ref }) => ref);
}
