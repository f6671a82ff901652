import type { Finding, Lease } from '@tartan/core';
import { peerName } from './peer';

const NAMED_PEERS = 3;

/** Peers of each other backend as one finding: in a cluster that is being moved there may be hundreds. */
export function otherBackends(leases: readonly Lease[]): Finding[] {
  const byType = new Map<string, string[]>();
  for (const lease of leases) {
    const { backendType } = lease.attrs;
    const names = byType.get(backendType);
    if (names) names.push(peerName(lease));
    else byType.set(backendType, [peerName(lease)]);
  }
  return [...byType].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, peers]) => otherBackend(type, peers.sort()));
}

function otherBackend(type: string, peers: readonly string[]): Finding {
  const named = peers.slice(0, NAMED_PEERS).join(', ');
  const more = peers.length > NAMED_PEERS ? ` and ${peers.length - NAMED_PEERS} more` : '';
  return {
    severity: 'warning',
    code: 'PEER_OTHER_BACKEND',
    subject: `backend ${type === '' ? 'without a name (udp or alloc)' : type}`,
    message: `peers with this backend are not reached from here: ${named}${more}`,
    cure: 'All nodes of a cluster need the same Backend.Type; restart the nodes that still run with the old config.',
  };
}
