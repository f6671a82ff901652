import type { DesiredRoute, UnderlayFacts } from '@tartan/core';
import type { UsablePeer } from './peer';

/*
 * DirectRouting: a peer on our own segment can be the next hop itself, and saves the tunnel's headers. What counts is proof, since a
 * router in between drops packets to pods without a word:
 *
 * - the kernel reaches the peer's address without a gateway,
 * - over a link that resolves neighbours: a WireGuard or PPP interface reaches far hosts "without a gateway" too, and flannel
 *   takes those for direct,
 * - and the peer's address answers there, to ARP or ND.
 *
 * Without proof the peer keeps the tunnel. Its neighbour and FDB entries stay in either case, so that the way there and back is one
 * replaced route.
 */

/** The route past the tunnel, or undefined where nothing proves that it works. */
export function directRoute(peer: UsablePeer, underlay: UnderlayFacts): DesiredRoute | undefined {
  const route = underlay.routeTo(peer.remote);
  if (route?.gateway !== null || !route.broadcast || route.neighbour !== 'answers') return undefined;
  if (route.ifname === peer.vtep.ifname) return undefined;
  return { dst: peer.subnet, gateway: peer.remote, ifname: route.ifname, peer: peer.name };
}
