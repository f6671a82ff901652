import type { IpAddress, IpFamily, IpPrefix } from '../ip';
import type { Lease } from '../lease/lease';
import type { Finding } from '../reconcile';

/*
 * What can be wrong with a peer of any backend that tunnels. The kernel would take any of these without complaint, and packets would
 * vanish, or go to somebody else. A peer is judged per family, so that a fault in one leaves the other alone (flannel-compat V8).
 */

/** One family of a peer. */
export interface PeerPlace {
  /** For messages: node name where known, and public address. */
  readonly name: string;
  readonly subnet: IpPrefix;
  /** Where its tunnel ends; null when it published no address. */
  readonly remote: IpAddress | null;
}

/** Adds what each finding about a peer says of it. A warning unless told. */
export function peerFinding(
  { name, subnet }: PeerPlace,
  code: string,
  { severity = 'warning', ...rest }: { severity?: Finding['severity']; message: string; cure: string },
): Finding {
  return { severity, code, subject: `peer ${name}, ${subnet.toString()}`, ...rest };
}

/** `underlay`: the family of the network between the hosts. */
export function noAddressFinding(peer: PeerPlace, underlay: IpFamily): Finding | undefined {
  if (peer.remote) return undefined;
  return peerFinding(peer, 'PEER_WITHOUT_ADDRESS', {
    message: `the peer holds an IPv${peer.subnet.family} subnet but publishes no IPv${underlay} address to send it to`,
    cure: `Give the peer's interface an IPv${underlay} address and restart its daemon.`,
  });
}

/** `network` is the overlay network of the peer's family, `lease` our own. */
export function badSubnetFinding(
  peer: PeerPlace,
  { network, lease }: { readonly network: IpPrefix; readonly lease: Lease },
): Finding | undefined {
  const { subnet } = peer;
  if (!network.contains(subnet)) {
    return peerFinding(peer, 'PEER_OUTSIDE_NETWORK', {
      severity: 'error',
      message: `the peer's subnet lies outside of the overlay network ${network.toString()}`,
      cure: 'Its lease is from another network config, or forged: delete the lease, and the peer takes a new one.',
    });
  }
  const own = subnet.family === 4 ? lease.subnet : lease.ipv6Subnet;
  return own?.overlaps(subnet) === true ? overlap(peer, `our own ${own.toString()}`) : undefined;
}

/** Two hosts with one address, often the NAT address of a virtual machine manager: packets would come back to us. */
export function ownAddressFinding(
  peer: PeerPlace,
  { local, ifname }: { readonly local: IpAddress; readonly ifname: string },
): Finding | undefined {
  if (!peer.remote?.equals(local)) return undefined;
  return peerFinding(peer, 'PEER_SAME_ADDRESS', {
    severity: 'error',
    message: `the peer publishes ${local.toString()}, which is the address of our own ${ifname}`,
    cure: 'Choose the right interface with --iface on one of the two nodes. If the peer is gone, delete its lease.',
  });
}

/** `before` is the last of the peers of this family, in the order of comparePeers(), that nothing is wrong with. */
export function takenSubnetFinding(peer: PeerPlace, before: PeerPlace | undefined): Finding | undefined {
  return before?.subnet.overlaps(peer.subnet) === true
    ? overlap(peer, `${before.subnet.toString()} of peer ${before.name}`)
    : undefined;
}

function overlap(peer: PeerPlace, other: string): Finding {
  return peerFinding(peer, 'PEER_SUBNET_OVERLAP', {
    severity: 'error',
    message: `the peer's subnet overlaps ${other}`,
    cure: 'Two nodes hold the same addresses: delete the lease of the one that should move, and restart it.',
  });
}

/** Within one family: by first address and length; then by name, so that the order of the leases never matters. */
export function comparePeers(a: PeerPlace, b: PeerPlace): number {
  const [first, second] = [a.subnet.address.value, b.subnet.address.value];
  if (first !== second) return first < second ? -1 : 1;
  if (a.subnet.length !== b.subnet.length) return a.subnet.length - b.subnet.length;
  return a.name < b.name ? -1 : 1;
}
