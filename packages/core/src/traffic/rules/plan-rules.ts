import { hostPrefix, parseIpPrefix, type IpFamily, type IpPrefix } from '../../ip';
import type { DesiredTraffic, FamilyTraffic, TrafficPolicy } from '../traffic-manager';
import { addresses, allBut, type FamilyRules, type MarkMatch, type TrafficRule } from './traffic-rule';

/*
 * Which packets leave this node with its own address, and which are let through. C is the cluster's network, P this node's part of
 * it (flannel-compat 5.1; the order counts, the first rule that matches decides):
 *
 *   1  marked 0x4000 by kube-proxy   return      kube-proxy masquerades it by itself
 *   a  C to an excluded network      return      --non-masquerade-cidrs
 *   b  C to a node of the cluster    return      --masq-node-traffic=false
 *   2  P to C                        return      our pods to all pods: they see each other's addresses
 *   3  C to P                        return      all pods to our pods
 *   4  outside C to P                return      clients outside to our pods: the pod sees the client
 *   5  C to anything but multicast   masquerade  pods to the outside
 *   6  outside C to C                masquerade  this host, or its clients, to pods elsewhere: answers must come back here
 *
 * The mark is a bit field of which kube-proxy owns one bit, so it is compared under a mask. Rules 2 and 3 name P because a packet from
 * pod to pod of which neither is here has been sent through this node by an address translation (a NodePort); its answer must come
 * back here, so rule 5 takes it.
 */

/** The bit by which kube-proxy says "masquerade this" (--iptables-masquerade-bit 14). */
export const KUBE_PROXY_MARK: MarkMatch = { value: 0x4000, mask: 0x4000 };

const MULTICAST: Readonly<Record<IpFamily, IpPrefix>> = {
  4: parseIpPrefix('224.0.0.0/4'),
  6: parseIpPrefix('ff00::/8'),
};

/** Rules for every family that is on; none for a role that is switched off. Pure. */
export function planRules(desired: DesiredTraffic, policy: TrafficPolicy): FamilyRules[] {
  return [desired.ipv4, desired.ipv6]
    .filter((family) => family !== null)
    .map((family) => ({
      family: family.network.family,
      network: family.network,
      rules: {
        masquerade: policy.masquerade ? masqueradeRules(family, desired, policy) : [],
        forward: policy.forward ? forwardRules(family) : [],
      },
    }));
}

function masqueradeRules(
  { network, subnet }: FamilyTraffic,
  { nodeAddresses }: DesiredTraffic,
  { nonMasqueradeCidrs, masqueradeNodeTraffic, fullyRandom }: TrafficPolicy,
): TrafficRule[] {
  const { family } = network;
  const [cluster, own] = [addresses([network]), addresses([subnet])];
  const excluded = nonMasqueradeCidrs.filter((cidr) => cidr.family === family);
  const nodes = masqueradeNodeTraffic ? [] : nodeAddresses.filter((address) => address.family === family);
  const rule = (facts: Omit<TrafficRule, 'family'>): TrafficRule => ({ family, ...facts });
  const returning = (purpose: string, prefixes: readonly IpPrefix[]): TrafficRule[] =>
    prefixes.length === 0 ? [] : [rule({ src: cluster, dst: addresses(prefixes), verdict: 'return', purpose })];
  return [
    markRule(family),
    ...returning('excluded network', excluded),
    ...returning('cluster node', nodes.map(hostPrefix)),
    rule({ src: own, dst: cluster, verdict: 'return', purpose: 'own pods to pods' }),
    rule({ src: cluster, dst: own, verdict: 'return', purpose: 'pods to own pods' }),
    rule({ src: allBut(network), dst: own, verdict: 'return', purpose: 'outside to own pods' }),
    rule({
      src: cluster,
      dst: allBut(MULTICAST[family]),
      verdict: 'masquerade',
      fullyRandom,
      purpose: 'pods to outside',
    }),
    rule({
      src: allBut(network),
      dst: cluster,
      verdict: 'masquerade',
      fullyRandom,
      purpose: 'outside to pods elsewhere',
    }),
  ];
}

/** Shared by all networks in one chain: it says nothing about any of them. */
export function markRule(family: IpFamily): TrafficRule {
  return { family, mark: KUBE_PROXY_MARK, verdict: 'return', purpose: 'kube-proxy decides' };
}

function forwardRules({ network }: FamilyTraffic): TrafficRule[] {
  const { family } = network;
  return [
    { family, src: addresses([network]), verdict: 'accept', purpose: 'from pods' },
    { family, dst: addresses([network]), verdict: 'accept', purpose: 'to pods' },
  ];
}
