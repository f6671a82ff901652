import type { FdbEntry, InterfaceAddress, KernelEvent, Link, Neighbour, Route, VxlanData } from '../netlink';
import type { DesiredIndex } from './desired-index';
import { isStaticFdb, matchesFdb } from './fdb-delta';
import { isPermanentNeighbour } from './neighbour-delta';
import { addressKey, fdbKey, neighbourKey } from './object-key';
import { matchesRoute } from './route-delta';
import { routeKey } from './route-key';
import { mayShadow } from './route-findings';
import { routeOwner } from './route-owner';
import type { ProtocolName } from './route-protocol';
import { routeText } from './route-text';

/*
 * Which kernel notifications call for a pass? Those that leave the kernel in another state than the plan wants. An event that
 * says what the plan says is an echo of our own write, and one that has nothing to do with us is noise: a busy host has
 * thousands of both. An event is never trusted for more than this; the pass reads the kernel itself.
 */

interface KnownLink {
  readonly name: string;
  readonly signature: string;
}

export class DriftWatch {
  private index: DesiredIndex | undefined;
  private readonly links = new Map<number, KnownLink>();
  private readonly indices = new Map<string, number>();
  private readonly unsteady = new Set<string>();
  private readonly suspects = new Map<string, string>();

  constructor(private readonly protocolName: ProtocolName) {}

  /** Another plan counts from now on. */
  setIndex(index: DesiredIndex): void {
    this.index = index;
  }

  /** What a pass has read; the interfaces' names are needed to understand events. */
  setLinks(links: readonly Link[]): void {
    this.links.clear();
    this.indices.clear();
    for (const link of links) this.remember(link);
  }

  /** True when the event leaves something different from what must be. */
  concerns(event: KernelEvent): boolean {
    if (event.type === 'link') return this.linkConcerns(event.action, event.link) || this.featuresConcern(event);
    if (event.type === 'resync') return true;
    if (!this.index) return false;
    switch (event.type) {
      case 'address':
        return this.addressConcerns(this.index, event.action, event.address);
      case 'route':
        return this.routeConcerns(this.index, event.action, event.route);
      case 'neighbour':
        return this.neighbourConcerns(this.index, event.action, event.neighbour);
      case 'fdb':
        return this.fdbConcerns(this.index, event.action, event.fdb);
    }
  }

  /** Interfaces that went down, came up, or were made anew since the last call. */
  takeUnsteady(): ReadonlySet<string> {
    const taken = new Set(this.unsteady);
    this.unsteady.clear();
    return taken;
  }

  /** Who was last seen to change the object, and forgets it. */
  takeSuspect(key: string): string | undefined {
    const suspect = this.suspects.get(key);
    this.suspects.delete(key);
    return suspect;
  }

  private readonly nameOf = (ifindex: number): string => this.links.get(ifindex)?.name ?? `if${ifindex}`;

  private linkConcerns(action: 'new' | 'del', link: Link): boolean {
    const before = this.links.get(link.index);
    const after = action === 'new' ? known(link) : undefined;
    this.forget(link.index);
    if (action === 'new') this.remember(link);
    if (before?.name === after?.name && before?.signature === after?.signature) return false;
    const names = [before?.name, after?.name].filter((name) => name !== undefined);
    for (const name of names) this.unsteady.add(name);
    return (
      this.index !== undefined &&
      names.some((name) => this.index?.anyInterface === true || this.index?.interfaces.has(name) === true)
    );
  }

  private featuresConcern({ link, featuresChanged = false }: KernelEvent & { readonly type: 'link' }): boolean {
    return featuresChanged && this.index?.links.get(link.name)?.features !== undefined;
  }

  private remember(link: Link): void {
    this.links.set(link.index, known(link));
    this.indices.set(link.name, link.index);
  }

  private forget(ifindex: number): void {
    const link = this.links.get(ifindex);
    this.links.delete(ifindex);
    if (link && this.indices.get(link.name) === ifindex) this.indices.delete(link.name);
  }

  private addressConcerns(index: DesiredIndex, action: 'new' | 'del', entry: InterfaceAddress): boolean {
    const ifname = this.nameOf(entry.ifindex);
    if (!index.devices.has(ifname)) return index.anyInterface || index.interfaces.has(ifname);
    const wanted = index.addresses.has(addressKey(ifname, entry.address, entry.prefixLength));
    if (action === 'del') return wanted;
    return (!wanted && !(entry.address.family === 6 && entry.address.isLinkLocal)) || entry.dadFailed;
  }

  private routeConcerns(index: DesiredIndex, action: 'new' | 'del', route: Route): boolean {
    if (route.tos !== 0 || !index.tables.includes(route.table)) return false;
    const key = routeKey(route);
    const desired = index.routes.get(key);
    const owner = routeOwner(route, index, this.nameOf);
    if (owner === 'foreign') {
      if (action === 'new' && desired) this.suspect(key, route);
      return desired !== undefined || mayShadow(route, index);
    }
    const oif = desired?.ifname === undefined ? undefined : this.indices.get(desired.ifname);
    const asWanted = desired !== undefined && matchesRoute(route, desired, oif, index.ownership.routeProtocol);
    return action === 'new' ? !asWanted : asWanted;
  }

  private neighbourConcerns(index: DesiredIndex, action: 'new' | 'del', entry: Neighbour): boolean {
    const ifname = this.nameOf(entry.ifindex);
    if (!index.devices.has(ifname)) return false;
    const desired = index.neighbours.get(neighbourKey(ifname, entry.address));
    const permanent = isPermanentNeighbour(entry);
    if (!desired) return action === 'new' && permanent;
    return action === 'del' || !permanent || entry.mac?.equals(desired.mac) !== true;
  }

  private fdbConcerns(index: DesiredIndex, action: 'new' | 'del', entry: FdbEntry): boolean {
    const ifname = this.nameOf(entry.ifindex);
    if (!index.devices.has(ifname)) return false;
    const desired = index.fdb.get(fdbKey(ifname, entry.mac));
    if (!desired) return action === 'new' && isStaticFdb(entry);
    const asWanted = matchesFdb(entry, desired);
    return action === 'del' ? asWanted : !asWanted;
  }

  private suspect(key: string, route: Route): void {
    this.suspects.set(`route ${key}`, routeText(route, this.nameOf, this.protocolName));
  }
}

/** What of a link matters to the objects on it. */
function known({ name, index, up, carrier, mtuBytes, mac, addrGenMode, masterIndex, vxlan }: Link): KnownLink {
  return {
    name,
    signature: [index, up, carrier, mtuBytes, mac?.toString(), addrGenMode, masterIndex, tunnel(vxlan)].join(' '),
  };
}

function tunnel(vxlan: VxlanData | undefined): string {
  if (!vxlan) return '';
  const { vni, port, learning, gbp, lowerIndex, local, group } = vxlan;
  return [vni, port, learning, gbp, lowerIndex, local?.toString(), group?.toString()].join(' ');
}
