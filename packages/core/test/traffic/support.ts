import {
  parseIpAddress,
  parseIpPrefix,
  type DesiredTraffic,
  type FamilyTraffic,
  type IpPrefix,
  type TrafficPolicy,
} from '../../src';
import { planRules } from '../../src/traffic/rules/plan-rules';
import type { FamilyRules } from '../../src/traffic/rules/traffic-rule';

export const NETWORK = '10.42.0.0/16';
export const SUBNET = '10.42.1.0/24';
export const NETWORK6 = 'fc00:42::/48';
export const SUBNET6 = 'fc00:42:0:1::/64';

export function family(network: string, subnet: string): FamilyTraffic {
  return { network: parseIpPrefix(network), subnet: parseIpPrefix(subnet) };
}

export function desiredTraffic(
  overrides: Partial<Omit<DesiredTraffic, 'nodeAddresses'>> & { readonly nodes?: readonly string[] } = {},
): DesiredTraffic {
  const { nodes = [], ...rest } = overrides;
  return {
    ipv4: family(NETWORK, SUBNET),
    ipv6: null,
    enableNFTables: false,
    nodeAddresses: nodes.map(parseIpAddress),
    interfaces: [],
    devices: [],
    ...rest,
  };
}

export function trafficPolicy(
  overrides: Partial<Omit<TrafficPolicy, 'nonMasqueradeCidrs'>> & { readonly excluded?: readonly string[] } = {},
): TrafficPolicy {
  const { excluded = [], ...rest } = overrides;
  return {
    masquerade: true,
    fullyRandom: true,
    forward: true,
    masqueradeNodeTraffic: true,
    nonMasqueradeCidrs: excluded.map(parseIpPrefix),
    ...rest,
  };
}

/** The rules of the first family that is on. */
export function rulesFor(desired = desiredTraffic(), policy = trafficPolicy()): FamilyRules {
  const [first] = planRules(desired, policy);
  if (!first) throw new Error('no family is on');
  return first;
}

export function prefixes(...texts: string[]): IpPrefix[] {
  return texts.map(parseIpPrefix);
}
