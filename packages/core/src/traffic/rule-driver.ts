import { isTartanError } from '../errors';
import type { IpFamily, IpPrefix } from '../ip';
import type { ChainRole, FamilyRules } from './rules/traffic-rule';

export type WantedRules = Pick<FamilyRules, 'family' | 'rules'>;

/** What would have to be done. */
export interface RuleChange {
  /** Chains that differ; none: all is right. */
  readonly roles: readonly ChainRole[];
  /** What the tool would be fed with, line by line. */
  readonly input: string;
}

/** One family's rules through one tool. Nobody else may plan or apply for the same family at the same time. */
export interface RuleDriver {
  /**
   * Looks, and changes nothing. Roles without rules are to be cleared of ours; `networks` are all that count as ours.
   * Rejects with TRAFFIC_*.
   */
  plan(wanted: WantedRules, networks: readonly IpPrefix[], signal?: AbortSignal): Promise<RuleChange>;
  /** Carries out what was planned last, in one transaction per table. Rejects with TRAFFIC_*; then that table has not changed. */
  apply(wanted: WantedRules, change: RuleChange, signal?: AbortSignal): Promise<void>;
  /** The networks that rules in flannel's chains were written for, whoever wrote them. Rejects with TRAFFIC_*. */
  networks(family: IpFamily, signal?: AbortSignal): Promise<IpPrefix[]>;
}

/** Between a look and a write somebody else may change the same chain; then the write fails and is planned anew, so often. */
const MAX_ATTEMPTS = 3;

/** Makes `wanted` true and tells which chains had to be written. Rejects with TRAFFIC_*. */
export async function ensureRules(
  driver: RuleDriver,
  wanted: WantedRules,
  networks: readonly IpPrefix[],
  signal?: AbortSignal,
): Promise<readonly ChainRole[]> {
  for (let attempt = 1; ; attempt++) {
    const change = await driver.plan(wanted, networks, signal);
    if (change.input === '') return [];
    try {
      await driver.apply(wanted, change, signal);
      return change.roles;
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isTartanError(error, 'TRAFFIC_TOOL_FAILED')) throw error;
    }
  }
}
