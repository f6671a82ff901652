import type { IpPrefix } from '../../ip';
import { toRanges } from '../rules/address-ranges';
import type { AddressMatch, ChainRole } from '../rules/traffic-rule';
import { xtPlaces } from './xt-names';
import type { XtPlaceState } from './xt-listing';
import type { XtRule } from './xt-rule';

/*
 * Which rules before our jump take the decision away from it? The jump has to stand before a catch-all of somebody else (`-j REJECT` at the end of
 * FORWARD, a MASQUERADE for everything in POSTROUTING) and before chains of whose content we know nothing (Docker's, ufw's, firewalld's). It must not
 * stand before what the operator means to go first: rules about certain ports, states or strangers' addresses, DOCKER-USER, and the chains
 * of network policy engines, which an ACCEPT before them would bypass.
 */

/** Chains that keep their place before ours. */
const RESPECTED =
  /^(?:DOCKER-USER|(?:KUBE|KUBE-ROUTER|CILIUM|OLD_CILIUM|FLANNEL|WEAVE|AZURE-NPM|ANTREA|GLOO|ISTIO)[-_].*|cali[-:].*|felix-.*)$/;

const DECIDES: Readonly<Record<ChainRole, ReadonlySet<string>>> = {
  forward: new Set(['DROP', 'REJECT', 'RETURN', 'QUEUE', 'NFQUEUE', 'TARPIT', 'STEAL']),
  masquerade: new Set(['MASQUERADE', 'SNAT', 'NETMAP', 'SAME', 'ACCEPT', 'RETURN']),
};

/** Targets of iptables-extensions(8) that let a packet go on, or that decide nothing of what `DECIDES` lists. */
const HARMLESS = new Set(
  (
    'ACCEPT DROP REJECT QUEUE NFQUEUE MASQUERADE SNAT NETMAP RETURN AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DNAT DNPT DSCP ECN ' +
    'HL HMARK IDLETIMER LED LOG MARK NFLOG NOTRACK RATEEST REDIRECT SECMARK SET SNPT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TRACE TTL ULOG'
  ).split(' '),
);

/** Options that do not narrow a rule down to something that an operator must have meant. */
const BROAD = new Set([
  '-s', '-d', '-i', '-o', '-j', '-g', '-m', '--comment', '--ctstate', '--state', '--reject-with', '--to-source',
  '--random', '--random-fully', '--persistent', '--queue-num', '--queue-bypass',
]); // prettier-ignore
const BROAD_MATCHES = new Set(['comment', 'conntrack', 'state']);

/** Position, from 0, of the first rule that our jump has to stand before; undefined when there is none. Our own jumps do not count. */
export function firstObstacle(
  rules: readonly XtRule[],
  role: ChainRole,
  networks: readonly IpPrefix[],
): number | undefined {
  const index = rules.findIndex((rule) => isObstacle(rule, role, networks));
  return index === -1 ? undefined : index;
}

/** True when traffic of `networks` may not get through FORWARD without rules of ours. */
export function blocksForwarding({ policy, builtin }: XtPlaceState, networks: readonly IpPrefix[]): boolean {
  return policy === 'DROP' || firstObstacle(builtin, 'forward', networks) !== undefined;
}

function isObstacle(rule: XtRule, role: ChainRole, networks: readonly IpPrefix[]): boolean {
  const { target } = rule;
  if (target === '' || target === xtPlaces[role].chain || !isBroad(rule) || !mayConcern(rule, networks)) return false;
  if (DECIDES[role].has(target)) return true;
  return !HARMLESS.has(target) && !RESPECTED.test(target);
}

function isBroad({ options }: XtRule): boolean {
  return options.every(({ name, values }) => {
    if (name === '-m') return BROAD_MATCHES.has(values[0] ?? '');
    if (name === '--ctstate' || name === '--state') return values[0] !== 'INVALID';
    return BROAD.has(name);
  });
}

function mayConcern({ shape: { src, dst } }: XtRule, networks: readonly IpPrefix[]): boolean {
  return networks.some((network) => overlaps(src, network) && overlaps(dst, network));
}

function overlaps(match: AddressMatch | undefined, network: IpPrefix): boolean {
  if (!match || match.not) return true;
  const [own] = toRanges([network]);
  return own !== undefined && match.ranges.some(({ first, last }) => first <= own.last && last >= own.first);
}
