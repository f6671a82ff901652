import {
  badSubnetFinding,
  comparePeers,
  noAddressFinding,
  ownAddressFinding,
  takenSubnetFinding,
  type Finding,
  type Lease,
} from '@tartan/core';
import type { Peer, UsablePeer } from './peer';
import type { Tunnel } from './tunnel';

export interface SeparatedPeers {
  readonly usable: readonly UsablePeer[];
  readonly skipped: readonly Finding[];
}

/** Splits `candidates`, of one family, by whether packets can be sent to them; both lists are in order of subnets. `lease` is ours. */
export function separatePeers(candidates: readonly Peer[], tunnel: Tunnel, lease: Lease): SeparatedPeers {
  const usable: UsablePeer[] = [];
  const skipped: Finding[] = [];
  const { local, lowerIfname } = tunnel;
  for (const peer of [...candidates].sort(comparePeers)) {
    const reason =
      noAddressFinding(peer, local.family) ??
      badSubnetFinding(peer, { network: peer.overlay.network, lease }) ??
      ownAddressFinding(peer, { local, ifname: lowerIfname }) ??
      takenSubnetFinding(peer, usable.at(-1));
    if (reason) skipped.push(reason);
    else usable.push(peer as UsablePeer);
  }
  return { usable, skipped };
}
