/**
 * Whose lease is this? The original knows owners by public address alone, so two hosts behind one NAT address share a lease and
 * fight over it, and IPv6-only nodes (all `0.0.0.0`) get one lease together (flannel-compat 13 E11, E13). Tartan publishes node
 * name and machine id beside the address, and judges by both:
 *
 *   owner on the lease            | address is ours               | address is another one
 *   ------------------------------|-------------------------------|---------------------------------------------
 *   none (flanneld wrote it)      | ours                          | foreign
 *   same node, same machine       | ours                          | ours: the address changed
 *   same node, one id not known   | ours                          | foreign
 *   same node, other machine      | ours: reinstalled             | foreign: two hosts of one name
 *   other node                    | duplicate: refused, both named | foreign
 *
 * A name that images ship with (localhost, ...) proves nothing: with it, the same machine id and address are needed, since
 * cloned disks share both name and machine id; another machine id on our address is a duplicate. Clones that were given the same
 * proper name cannot be told from one host whose address changed; a running node notices (reclaim-plan) and does not fight back.
 */
import type { LeaseAttrs, LeaseSubnets, OwnerIdentity } from './lease';

export type Ownership =
  | { readonly kind: 'ours'; readonly reinstalled: boolean }
  /** Somebody else publishes our public address. */
  | { readonly kind: 'duplicate'; readonly owner: OwnerIdentity }
  | { readonly kind: 'foreign' };

const GENERIC_NAMES = new Set(['', 'localhost', 'localhost.localdomain', 'localhost4', 'localhost6', '(none)']);

const OURS: Ownership = { kind: 'ours', reinstalled: false };
const FOREIGN: Ownership = { kind: 'foreign' };

/** Judges a lease's attributes from the view of the node that is `identity` and publishes `own`. */
export function judgeOwner(attrs: LeaseAttrs, own: LeaseAttrs, identity: OwnerIdentity): Ownership {
  const { owner } = attrs;
  if (!owner) return isOwnUnsigned(attrs, own) ? OURS : FOREIGN;
  const sameAddress = sharesPublicAddress(attrs, own);
  const sameMachine = owner.machine === identity.machine;
  if (owner.node !== identity.node) return sameAddress ? { kind: 'duplicate', owner } : FOREIGN;
  const generic = GENERIC_NAMES.has(identity.node.toLowerCase());
  if (sameMachine) return sameAddress || !generic ? OURS : FOREIGN;
  if (!sameAddress) return FOREIGN;
  if (owner.machine === undefined || identity.machine === undefined) return OURS;
  return generic ? { kind: 'duplicate', owner } : { kind: 'ours', reinstalled: true };
}

/** True for a lease that only this node can have written: ours, signed with a machine id, and under our address. */
export function isCertainlyOurs(attrs: LeaseAttrs, own: LeaseAttrs, identity: OwnerIdentity): boolean {
  const judged = judgeOwner(attrs, own, identity);
  if (judged.kind !== 'ours' || judged.reinstalled) return false;
  return attrs.owner?.machine !== undefined && sharesPublicAddress(attrs, own);
}

/** Two nodes cannot both be reached at one address, of either family. */
export function sharesPublicAddress(a: LeaseAttrs, b: LeaseAttrs): boolean {
  return sharesIpv4(a, b) || sharesIpv6(a, b);
}

/** The address of the node, for logs and errors. */
export function describeAddress({ publicIP, publicIPv6 }: LeaseAttrs): string {
  return publicIP.isUnspecified && publicIPv6 ? publicIPv6.toString() : publicIP.toString();
}

/** The node's name, or its address where the lease is not signed. */
export function describeOwner(attrs: LeaseAttrs): string {
  return attrs.owner?.node ?? describeAddress(attrs);
}

/** `10.5.1.0/24`, or both subnets of a dual-stack lease. */
export function describePlace({ subnet, ipv6Subnet }: LeaseSubnets): string {
  return [subnet, ipv6Subnet].flatMap((prefix) => (prefix ? [prefix.toString()] : [])).join(' and ');
}

/** flanneld knows a lease by PublicIP; its IPv6-only leases, which all say 0.0.0.0, by PublicIPv6. */
function isOwnUnsigned(attrs: LeaseAttrs, own: LeaseAttrs): boolean {
  if (sharesIpv4(attrs, own)) return true;
  return attrs.publicIP.isUnspecified && own.publicIP.isUnspecified && sharesIpv6(attrs, own);
}

function sharesIpv4(a: LeaseAttrs, b: LeaseAttrs): boolean {
  return !a.publicIP.isUnspecified && a.publicIP.equals(b.publicIP);
}

function sharesIpv6(a: LeaseAttrs, b: LeaseAttrs): boolean {
  return a.publicIPv6 !== null && b.publicIPv6 !== null && a.publicIPv6.equals(b.publicIPv6);
}
