import type { Lease } from '../lease/lease';
import type { Finding } from '../reconcile';

/** For messages: `node-b (192.0.2.2)`, or the address alone for leases that flanneld wrote. */
export function peerName({ attrs: { owner, publicIP, publicIPv6 } }: Lease): string {
  const address = publicIP.isUnspecified && publicIPv6 ? publicIPv6.toString() : publicIP.toString();
  return owner ? `${owner.node} (${address})` : address;
}

const NAMED_PEERS = 3;

/** One finding per other backend, not one per peer: in a cluster that is being moved there may be hundreds. */
export function otherBackendFindings(leases: readonly Lease[]): Finding[] {
  const byType = new Map<string, string[]>();
  for (const lease of leases) {
    const names = byType.get(lease.attrs.backendType);
    if (names) names.push(peerName(lease));
    else byType.set(lease.attrs.backendType, [peerName(lease)]);
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
