import type { IpFamily, IpPrefix } from '../ip';
import type { TrafficMode } from './choose-mode';
import type { RuleDriver, WantedRules } from './rule-driver';
import type { FamilyRules } from './rules/traffic-rule';
import type { TrafficTools } from './traffic-tools';

/*
 * What a pass has to look at, in three steps of which each waits for the one before it: first the rules themselves, then what has to stand beside them,
 * last what must not be there any more. So a change of the mode has both sets of rules for a moment, and never none.
 */

export interface TrafficTask {
  /** Tool and family, for messages: `nft IPv4`. */
  readonly name: string;
  readonly family: IpFamily;
  readonly driver: RuleDriver;
  readonly wanted: WantedRules;
}

export interface PassTasks {
  readonly rules: readonly TrafficTask[];
  readonly guards: readonly TrafficTask[];
  readonly sweeps: readonly TrafficTask[];
}

export interface TaskInput {
  readonly mode: TrafficMode;
  readonly tools: TrafficTools;
  readonly rules: readonly FamilyRules[];
  /** All networks that count as ours. */
  readonly networks: readonly IpPrefix[];
}

export function planTasks({ mode, tools, rules, networks }: TaskInput): PassTasks {
  const { nft, iptables } = tools;
  const on = (family: IpFamily): WantedRules | undefined => rules.find((one) => one.family === family);
  const known = families.filter((family) => networks.some((network) => network.family === family));
  const nftTask = task('nft', nft.rules);
  const iptablesTasks = (
    which: 'rules' | 'guard',
    from: number,
    wanted: (family: IpFamily) => WantedRules,
  ): TrafficTask[] =>
    iptables
      .slice(from)
      .flatMap((xt) => known.map((family) => task(`iptables${xt.variant.suffix}`, xt[which])(wanted(family))));
  const nftSweeps = nft.detection.usable || nft.detection.listable ? families.map(nothing).map(nftTask) : [];
  switch (mode) {
    case 'nftables':
      return {
        rules: rules.map(nftTask),
        guards: iptablesTasks('guard', 0, (family) => forwardOnly(on(family) ?? nothing(family))),
        sweeps: nftSweeps.filter(({ family }) => !on(family)),
      };
    case 'iptables':
      return {
        rules: iptables.slice(0, 1).flatMap((xt) => rules.map(task('iptables', xt.rules))),
        guards: [],
        sweeps: [
          ...iptablesTasks('rules', 0, nothing).filter(
            ({ family, driver }) => driver !== iptables[0]?.rules || !on(family),
          ),
          ...nftSweeps,
        ],
      };
    case 'none':
      return { rules: [], guards: [], sweeps: [...iptablesTasks('rules', 0, nothing), ...nftSweeps] };
  }
}

const families: readonly IpFamily[] = [4, 6];

function task(tool: string, driver: RuleDriver): (wanted: WantedRules) => TrafficTask {
  return (wanted) => ({ name: `${tool} IPv${wanted.family}`, family: wanted.family, driver, wanted });
}

function nothing(family: IpFamily): WantedRules {
  return { family, rules: { masquerade: [], forward: [] } };
}

function forwardOnly({ family, rules }: WantedRules): WantedRules {
  return { family, rules: { ...rules, masquerade: [] } };
}
