import type { DumpSieve, FdbEntry, Link, Neighbour, Route } from '../netlink';
import { usableLink } from './delta-parts';
import type { DesiredIndex } from './desired-index';
import { matchesFdb } from './fdb-delta';
import type { DesiredFdb, DesiredNeighbour, DesiredRoute } from './kernel-state';
import { matchesNeighbour } from './neighbour-delta';
import { fdbKey, neighbourKey } from './object-key';
import { matchesRoute } from './route-delta';
import { routeKey } from './route-key';
import { routeOwner } from './route-owner';
import { linkNames } from './route-text';

/*
 * With 5,000 peers a pass that has nothing to do reads 15,000 objects, and to hold them all until the last one is compared costs more
 * processor time, for the garbage collector, than reading and comparing them. So each is compared as it is read: what is exactly as
 * desired is noted and let go, and the delta is computed from the rest.
 */

/** Desired objects that are in the kernel as they should be. */
export interface InPlace {
  readonly routes: ReadonlySet<DesiredRoute>;
  readonly neighbours: ReadonlySet<DesiredNeighbour>;
  readonly fdb: ReadonlySet<DesiredFdb>;
}

export const nothingInPlace: InPlace = { routes: new Set(), neighbours: new Set(), fdb: new Set() };

export interface PlanSieve {
  /** Complete once the lists are. */
  readonly inPlace: InPlace;
  readonly routes: DumpSieve<Route>;
  readonly neighbours: DumpSieve<Neighbour>;
  readonly fdb: DumpSieve<FdbEntry>;
}

/** `links` are those of this moment: what waits for its interface is not in place. */
export function planSieve(index: DesiredIndex, links: readonly Link[]): PlanSieve {
  const linkName = linkNames(links);
  const linkByName = new Map(links.map((link) => [link.name, link]));
  const routes = new Set<DesiredRoute>();
  const neighbours = new Set<DesiredNeighbour>();
  const fdb = new Set<DesiredFdb>();
  return {
    inPlace: { routes, neighbours, fdb },
    routes: noting(routes, (route) => {
      const desired = route.tos === 0 ? index.routes.get(routeKey(route)) : undefined;
      if (!desired || routeOwner(route, index, linkName) === 'foreign') return undefined;
      const usable = desired.ifname === undefined ? undefined : usableLink({ linkByName }, desired.ifname);
      if (usable && 'reason' in usable) return undefined;
      return matchesRoute(route, desired, usable?.link.index, index.ownership.routeProtocol) ? desired : undefined;
    }),
    neighbours: noting(neighbours, (entry) => {
      const desired = index.neighbours.get(neighbourKey(linkName(entry.ifindex), entry.address));
      if (!desired || 'reason' in usableLink({ linkByName }, desired.ifname)) return undefined;
      return matchesNeighbour(entry, desired) ? desired : undefined;
    }),
    fdb: noting(fdb, (entry) => {
      const desired = index.fdb.get(fdbKey(linkName(entry.ifindex), entry.mac));
      return desired && matchesFdb(entry, desired) ? desired : undefined;
    }),
  };
}

/** Lets go what `find` has a desired object for, once for each; a second one is left for the delta to judge. */
function noting<Item, Desired>(inPlace: Set<Desired>, find: (item: Item) => Desired | undefined): DumpSieve<Item> {
  return {
    open: () => {
      const seen = new Set<Desired>();
      return {
        keeps: (item) => {
          const desired = find(item);
          if (desired === undefined || seen.has(desired) || inPlace.has(desired)) return true;
          seen.add(desired);
          return false;
        },
        done: () => seen.forEach((desired) => inPlace.add(desired)),
      };
    },
  };
}
