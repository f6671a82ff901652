import type { Finding, Lease, MacAddress } from '@tartan/core';
import type { Peer, UsablePeer } from './peer';

/*
 * Peers that nothing is programmed for, and why. The kernel would take any of these without complaint, and packets would
 * vanish, or go to somebody else. A peer is judged per family, so that a fault in one leaves the other alone (flannel-compat V8).
 */

export interface SeparationContext {
  readonly vni: number;
  /** Our own lease. */
  readonly lease: Lease;
  /** That of our own device. */
  readonly mac: MacAddress;
}

export interface SeparatedPeers {
  readonly usable: readonly UsablePeer[];
  readonly skipped: readonly Finding[];
}

/** Splits `candidates`, of one family, by whether they can be programmed; both lists are in order of subnets. */
export function separatePeers(candidates: readonly Peer[], context: SeparationContext): SeparatedPeers {
  const usable: UsablePeer[] = [];
  const skipped: Finding[] = [];
  const holders = new Map<string, UsablePeer>();
  for (const peer of [...candidates].sort(bySubnet)) {
    const reason =
      unknownDevice(peer) ??
      otherVni(peer, context) ??
      noAddress(peer) ??
      badSubnet(peer, context) ??
      ownAddress(peer) ??
      takenSubnet(peer, usable) ??
      takenMac(peer as UsablePeer, context, holders);
    if (reason) {
      skipped.push(reason);
      continue;
    }
    usable.push(peer as UsablePeer);
    holders.set((peer as UsablePeer).device.mac.toString(), peer as UsablePeer);
  }
  return { usable, skipped };
}

function unknownDevice(peer: Peer): Finding | undefined {
  if (!('problem' in peer.device)) return undefined;
  return finding(peer, 'PEER_DATA_INVALID', {
    message: `nothing can be sent to the peer: ${peer.device.problem}`,
    cure: 'The lease was written by something that is neither flannel nor Tartan: correct or delete it.',
  });
}

function otherVni(peer: Peer, { vni }: SeparationContext): Finding | undefined {
  if ('problem' in peer.device || peer.device.vni === undefined || peer.device.vni === vni) return undefined;
  return finding(peer, 'PEER_OTHER_VNI', {
    message: `the peer uses VNI ${peer.device.vni}, this node ${vni}`,
    cure: 'All nodes of a cluster need the same VNI; restart the nodes that still run with the old config.',
  });
}

function noAddress(peer: Peer): Finding | undefined {
  if (peer.remote) return undefined;
  const family = `IPv${peer.subnet.family}`;
  return finding(peer, 'PEER_WITHOUT_ADDRESS', {
    message: `the peer holds an ${family} subnet but publishes no ${family} address to send it to`,
    cure: `Give the peer's interface an ${family} address and restart its daemon.`,
  });
}

function badSubnet(peer: Peer, { lease }: SeparationContext): Finding | undefined {
  const { subnet, vtep } = peer;
  if (!vtep.network.contains(subnet)) {
    return finding(peer, 'PEER_OUTSIDE_NETWORK', {
      severity: 'error',
      message: `the peer's subnet lies outside of the overlay network ${vtep.network.toString()}`,
      cure: 'Its lease is from another network config, or forged: delete the lease, and the peer takes a new one.',
    });
  }
  const own = subnet.family === 4 ? lease.subnet : lease.ipv6Subnet;
  return own?.overlaps(subnet) === true ? overlap(peer, `our own ${own.toString()}`) : undefined;
}

/** Two hosts with one address, often the NAT address of a virtual machine manager: packets would come back to us. */
function ownAddress(peer: Peer): Finding | undefined {
  const { local, lowerIfname } = peer.vtep;
  if (!peer.remote?.equals(local)) return undefined;
  return finding(peer, 'PEER_SAME_ADDRESS', {
    severity: 'error',
    message: `the peer publishes ${local.toString()}, which is the address of our own ${lowerIfname}`,
    cure: 'Choose the right interface with --iface on one of the two nodes. If the peer is gone, delete its lease.',
  });
}

/** `usable` is sorted and free of overlaps, so only its last member can reach into the next subnet. */
function takenSubnet(peer: Peer, usable: readonly UsablePeer[]): Finding | undefined {
  const before = usable.at(-1);
  return before?.subnet.overlaps(peer.subnet) === true
    ? overlap(peer, `${before.subnet.toString()} of peer ${before.name}`)
    : undefined;
}

/** One MAC has one VTEP, so a second peer with it would take the first one's packets. */
function takenMac(
  peer: UsablePeer,
  context: SeparationContext,
  holders: ReadonlyMap<string, UsablePeer>,
): Finding | undefined {
  const { mac } = peer.device;
  const holder = holders.get(mac.toString());
  const own = context.mac.equals(mac);
  if (!own && !holder) return undefined;
  return finding(peer, 'PEER_SAME_MAC', {
    severity: 'error',
    message: `the peer's VTEP address ${mac.toString()} is also that of ${own ? 'this node' : `peer ${holder?.name}`}`,
    cure:
      'The hosts are probably clones of one image: give one of them another machine id ' +
      `(rm /etc/machine-id; systemd-machine-id-setup), then "ip link del ${peer.vtep.ifname}" there and restart its daemon.`,
  });
}

function overlap(peer: Peer, other: string): Finding {
  return finding(peer, 'PEER_SUBNET_OVERLAP', {
    severity: 'error',
    message: `the peer's subnet overlaps ${other}`,
    cure: 'Two nodes hold the same addresses: delete the lease of the one that should move, and restart it.',
  });
}

function finding(
  { name, subnet }: Peer,
  code: string,
  { severity = 'warning', ...rest }: { severity?: Finding['severity']; message: string; cure: string },
): Finding {
  return { severity, code, subject: `peer ${name}, ${subnet.toString()}`, ...rest };
}

/** By first address and length; then by name, so that the order of the leases never matters. */
function bySubnet(a: Peer, b: Peer): number {
  const [first, second] = [a.subnet.address.value, b.subnet.address.value];
  if (first !== second) return first < second ? -1 : 1;
  if (a.subnet.length !== b.subnet.length) return a.subnet.length - b.subnet.length;
  return a.name < b.name ? -1 : 1;
}
