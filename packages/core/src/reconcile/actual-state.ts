import type { FdbEntry, InterfaceAddress, Link, Neighbour, Route, RtNetlink } from '../netlink';
import type { PlanSieve } from './plan-sieve';

/** What the kernel holds, as read at the start of a round; without what a sieve has found in place. */
export interface ActualState {
  readonly links: readonly Link[];
  /** Of our own devices at least. */
  readonly addresses: readonly InterfaceAddress[];
  /** Of every table that the plan uses. */
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
}

export interface ReadScope {
  /** Names of the devices that are wholly ours: their addresses, neighbours and FDB entries are read. */
  readonly devices: readonly string[];
  readonly tables: readonly number[];
}

/** Reads what matters for one plan; hosts with a thousand pod interfaces pay nothing for them. `links` are those of this moment. */
export async function readActualState(
  netlink: RtNetlink,
  scope: ReadScope,
  links: readonly Link[],
  sieve?: PlanSieve,
): Promise<ActualState> {
  const routes = await Promise.all(scope.tables.map((table) => netlink.listRoutes({ table }, sieve?.routes)));
  const own = links.filter((link) => scope.devices.includes(link.name));
  const perDevice = await Promise.all(own.map((link) => readDevice(netlink, link.index, sieve)));
  return {
    links,
    routes: routes.flat(),
    addresses: perDevice.flatMap((device) => device.addresses),
    neighbours: perDevice.flatMap((device) => device.neighbours),
    fdb: perDevice.flatMap((device) => device.fdb),
  };
}

async function readDevice(
  netlink: RtNetlink,
  ifindex: number,
  sieve: PlanSieve | undefined,
): Promise<Pick<ActualState, 'addresses' | 'neighbours' | 'fdb'>> {
  const [addresses, neighbours, fdb] = await Promise.all([
    netlink.listAddresses({ ifindex }),
    netlink.listNeighbours({ ifindex }, sieve?.neighbours),
    netlink.listFdb({ ifindex }, sieve?.fdb),
  ]);
  return { addresses, neighbours, fdb };
}
