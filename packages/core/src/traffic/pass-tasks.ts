import type { IpFamily, IpPrefix } from '../ip';
import type { TrafficMode } from './choose-mode';
import type { RuleDriver, WantedRules } from './rule-driver';
import type { FamilyRules } from './rules/traffic-rule';
import type { TrafficTools, XtTools } from './traffic-tools';

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
  /** What it looks at lives in nftables, so that a change there shows in the generation. */
  readonly inNftables: boolean;
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
  /** Look at both families, whatever the networks are. */
  readonly everyFamily?: boolean;
}

export function planTasks({ mode, tools, rules, networks, everyFamily = false }: TaskInput): PassTasks {
  const { nft, iptables } = tools;
  const on = (family: IpFamily): WantedRules | undefined => rules.find((one) => one.family === family);
  const known = families.filter((family) => everyFamily || networks.some((network) => network.family === family));
  const nftTask = task('nft', nft.rules, true);
  const iptablesTasks = (
    which: 'rules' | 'guard',
    from: number,
    wanted: (family: IpFamily) => WantedRules,
  ): TrafficTask[] => iptables.slice(from).flatMap((xt) => known.map((family) => xtTask(xt, which)(wanted(family))));
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
        rules: iptables.slice(0, 1).flatMap((xt) => rules.map(xtTask(xt, 'rules'))),
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

type TaskFor = (wanted: WantedRules) => TrafficTask;

function task(tool: string, driver: RuleDriver, inNftables: boolean): TaskFor {
  return (wanted) => {
    const { family } = wanted;
    return { name: `${tool} IPv${family}`, family, driver, wanted, inNftables };
  };
}

function xtTask({ variant, ...xt }: XtTools, which: 'rules' | 'guard'): TaskFor {
  return task(`iptables${variant.suffix}`, xt[which], variant.flavour === 'nf_tables');
}

/** The tasks whose subject may have changed since it was seen to be right, when nftables is as it was then. */
export function outsideNftables({ rules, guards, sweeps }: PassTasks): PassTasks {
  const outside = (tasks: readonly TrafficTask[]): TrafficTask[] => tasks.filter(({ inNftables }) => !inNftables);
  return { rules: outside(rules), guards: outside(guards), sweeps: outside(sweeps) };
}

function nothing(family: IpFamily): WantedRules {
  return { family, rules: { masquerade: [], forward: [] } };
}

function forwardOnly({ family, rules }: WantedRules): WantedRules {
  return { family, rules: { ...rules, masquerade: [] } };
}
