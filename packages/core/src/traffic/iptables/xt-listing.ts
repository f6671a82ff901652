import type { IpFamily } from '../../ip';
import { chainRoles, type ChainRole } from '../rules/traffic-rule';
import { xtPlaces } from './xt-names';
import { readXtRule, type XtRule } from './xt-rule';

/** One built-in chain with our chain behind it, as the tool lists them. */
export interface XtPlaceState {
  /** ACCEPT or DROP. */
  readonly policy: string;
  readonly builtin: readonly XtRule[];
  /** Our chain; null when it does not exist. */
  readonly chain: readonly XtRule[] | null;
}

/** Absent: that table was not listed. */
export type XtState = Readonly<Partial<Record<ChainRole, XtPlaceState>>>;

/**
 * Reads what `-S` or iptables-save printed, of one table or of several behind each other. A role is absent when its built-in chain was not
 * listed. Lines of other chains are skipped.
 */
export function readXtListing(text: string, family: IpFamily): XtState {
  const chains = new Map<string, XtRule[]>();
  const policies = new Map<string, string>();
  const wanted = new Set<string>(chainRoles.flatMap((role) => [xtPlaces[role].builtin, xtPlaces[role].chain]));
  for (const line of text.split('\n')) {
    const [, kind = '', name = '', rest = ''] = /^(-[PNA] |:)(\S+) ?(.*)$/.exec(line) ?? [];
    if (!wanted.has(name)) continue;
    if (kind === '-A ') chains.get(name)?.push(readXtRule(rest.trim(), family));
    else chains.set(name, []);
    if (kind === '-P ' || kind === ':') policies.set(name, rest.split(' ')[0] ?? '');
  }
  const state: Partial<Record<ChainRole, XtPlaceState>> = {};
  for (const role of chainRoles) {
    const { builtin, chain } = xtPlaces[role];
    const [rules, policy] = [chains.get(builtin), policies.get(builtin)];
    if (rules && policy !== undefined) state[role] = { policy, builtin: rules, chain: chains.get(chain) ?? null };
  }
  return state;
}
