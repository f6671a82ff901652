import type { IpAddress, IpPrefix } from '../ip';
import type { KernelEvent, Link, Route } from '../netlink';
import { ROUTE_PROTOCOL_TARTAN } from './route-protocol';

/*
 * Which kernel notifications may change how packets reach peers? A host with busy pods makes hundreds of devices, addresses
 * and routes a minute, and thousands of look-ups for each would be waste. So: links and addresses count on interfaces that
 * lead to peers; routes count when they cover a peer's address (a new interface matters only through its routes), and those
 * of the overlay itself never do.
 */

export interface UnderlayScope {
  readonly networks: readonly IpPrefix[];
  readonly peers: readonly IpAddress[];
  readonly interfaces: ReadonlySet<string>;
}

export class UnderlayWatch {
  private scope: UnderlayScope = { networks: [], peers: [], interfaces: new Set() };
  private readonly links = new Map<number, { readonly name: string; readonly state: string }>();

  setScope(scope: UnderlayScope): void {
    this.scope = scope;
  }

  /** True when the routes to peers may be others after this event. */
  concerns(event: KernelEvent): boolean {
    switch (event.type) {
      case 'resync':
        return true;
      case 'link':
        return this.linkConcerns(event.action, event.link);
      case 'address':
        return this.leadsToPeers(event.address.ifindex);
      case 'route':
        return this.routeConcerns(event.route);
      case 'neighbour':
      case 'fdb':
        return false;
    }
  }

  private linkConcerns(action: 'new' | 'del', { index, name, up, carrier }: Link): boolean {
    const before = this.links.get(index);
    const state = `${name} ${up} ${carrier}`;
    if (action === 'del') this.links.delete(index);
    else this.links.set(index, { name, state });
    if (action === 'new' && before?.state === state) return false;
    return this.scope.interfaces.has(name) || (before !== undefined && this.scope.interfaces.has(before.name));
  }

  /** An interface not seen yet may be one that leads to peers. */
  private leadsToPeers(ifindex: number): boolean {
    const link = this.links.get(ifindex);
    return link === undefined || this.scope.interfaces.has(link.name);
  }

  private routeConcerns({ dst, protocol }: Route): boolean {
    const { networks, peers } = this.scope;
    if (protocol === ROUTE_PROTOCOL_TARTAN || networks.some((network) => network.contains(dst))) return false;
    return peers.some((peer) => dst.contains(peer));
  }
}
