import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Prefix,
  leaseKey,
  type LeaseAttrs,
  type LeaseSubnets,
  type OwnerIdentity,
} from '@tartan/core';
import type { KubeNode } from './kube-node';
import { decodeAnnotations, takesPart } from './lease-annotations';

/** The families that the network config has on. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** What a Node means as a lease. */
export type NodeLease =
  /** It does not take part: no lease of anybody. */
  | { readonly kind: 'none' }
  | ({ readonly kind: 'lease'; readonly key: string; readonly attrs: LeaseAttrs } & LeaseSubnets)
  | { readonly kind: 'skipped'; readonly key: string; readonly reason: string };

/** Names the Node where no subnet does. */
export function nodeKey(name: string): string {
  return `nodes/${name}`;
}

/** The lease of another node. */
export function leaseOfNode(node: KubeNode, families: Families): NodeLease {
  if (!takesPart(node.annotations)) return { kind: 'none' };
  let key = nodeKey(node.name);
  try {
    const subnets = subnetsOfNode(node, families);
    if (!subnets) throw new Error('the node has no podCIDR of a family that the network has');
    key = leaseKey(subnets);
    return { kind: 'lease', key, ...subnets, attrs: decodeAnnotations(node.name, node.annotations, families) };
  } catch (error) {
    return { kind: 'skipped', key, reason: `node ${node.name}: ${(error as Error).message}` };
  }
}

/** Our own node's assignment: nothing is known to be published by us yet. */
export function assignmentOfNode(node: KubeNode, families: Families, owner: OwnerIdentity): NodeLease {
  try {
    const subnets = subnetsOfNode(node, families);
    if (!subnets) return { kind: 'none' };
    const attrs = { publicIP: Ipv4Address.fromNumber(0), publicIPv6: null, backendType: '', owner };
    return { kind: 'lease', key: leaseKey(subnets), ...subnets, attrs };
  } catch (error) {
    return { kind: 'skipped', key: nodeKey(node.name), reason: `node ${node.name}: ${(error as Error).message}` };
  }
}

/** The last podCIDR of each family that is on (flannel-compat 3.3); null when there is none. Throws Error with the reason. */
export function subnetsOfNode({ podCIDRs }: KubeNode, families: Families): LeaseSubnets | null {
  if (podCIDRs.length > 2) throw new Error(`${podCIDRs.length} podCIDRs, at most two can be used`);
  let subnet: Ipv4Prefix | null = null;
  let ipv6Subnet: Ipv6Prefix | null = null;
  for (const text of podCIDRs) {
    if (text.includes(':')) ipv6Subnet = Ipv6Prefix.parse(text);
    else subnet = Ipv4Prefix.parse(text);
  }
  if (!families.ipv4) subnet = null;
  if (!families.ipv6) ipv6Subnet = null;
  return subnet || ipv6Subnet ? { subnet, ipv6Subnet } : null;
}
