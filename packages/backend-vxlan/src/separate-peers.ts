import {
  badSubnetFinding,
  comparePeers,
  noAddressFinding,
  ownAddressFinding,
  peerFinding as finding,
  takenSubnetFinding,
  type Finding,
  type Lease,
  type MacAddress,
} from '@tartan/core';
import type { Peer, UsablePeer } from './peer';

/*
 * Peers that nothing is programmed for, and why: what core's checks find, and what only VXLAN has.
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
  for (const peer of [...candidates].sort(comparePeers)) {
    const reason =
      unknownDevice(peer) ??
      otherVni(peer, context) ??
      noAddressFinding(peer, peer.subnet.family) ??
      badSubnetFinding(peer, { network: peer.vtep.network, lease: context.lease }) ??
      ownAddressFinding(peer, { local: peer.vtep.local, ifname: peer.vtep.lowerIfname }) ??
      takenSubnetFinding(peer, usable.at(-1)) ??
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
