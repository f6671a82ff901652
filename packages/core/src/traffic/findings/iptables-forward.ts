import type { IpPrefix } from '../../ip';
import type { Finding } from '../../reconcile';
import { blocksForwarding } from '../iptables/xt-obstacles';
import type { XtPlaceState } from '../iptables/xt-listing';
import type { XtTool } from '../iptables/xt-tool';
import { commands } from './cure';

/** What iptables does with forwarded packets of one network when no rules of ours may help. */
export interface ForwardPlace {
  readonly tool: XtTool;
  readonly state: XtPlaceState;
  readonly network: IpPrefix;
}

/** Undefined when they get through, or when somebody else accepts them, in whatever chain. */
export async function inspectIptablesForward(place: ForwardPlace, signal?: AbortSignal): Promise<Finding | undefined> {
  const { tool, state, network } = place;
  if (!blocksForwarding(state, [network])) return undefined;
  const rules = await tool.save(network.family, 'filter', signal).catch(() => '');
  return acceptsBothWays(rules, network) ? undefined : forwardFinding(place);
}

export function acceptsBothWays(rules: string, network: IpPrefix): boolean {
  const lines = rules.split('\n').filter((line) => / -j ACCEPT\b/.test(line));
  return ['-s', '-d'].every((flag) => lines.some((line) => line.includes(` ${flag} ${network.toString()} `)));
}

export function forwardFinding({ tool, state, network }: ForwardPlace): Finding {
  const program = `${network.family === 4 ? 'iptables' : 'ip6tables'}${tool.variant.suffix}`;
  const [who, lines] = cure(state, network.toString(), program);
  return {
    severity: 'warning',
    code: 'FORWARD_DROPPED',
    subject: `${program} FORWARD`,
    message: `${who} drops forwarded packets of pods (${network.toString()}), and --iptables-forward-rules is off`,
    cure: `${commands(lines)} (or switch --iptables-forward-rules on)`,
  };
}

function cure({ builtin }: XtPlaceState, network: string, program: string): [who: string, lines: string[]] {
  const has = (pattern: RegExp): boolean => builtin.some(({ target }) => pattern.test(target));
  if (has(/^ufw6?-/)) return ['ufw', [`ufw route allow from ${network}`, `ufw route allow to ${network}`]];
  const isDocker = has(/^DOCKER-USER$/);
  const insert = ['-s', '-d'].map(
    (flag) => `${program} -I ${isDocker ? 'DOCKER-USER' : 'FORWARD'} ${flag} ${network} -j ACCEPT`,
  );
  return [isDocker ? 'Docker' : 'the FORWARD chain', insert];
}
