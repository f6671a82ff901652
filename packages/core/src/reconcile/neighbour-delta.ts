import { NEIGHBOUR_STATE, type Neighbour } from '../netlink';
import {
  peerText,
  usableLink,
  type DeltaContext,
  type KindDelta,
  type PlannedOp,
  type WaitingObject,
} from './delta-parts';
import type { DesiredNeighbour } from './kernel-state';
import { neighbourKey } from './object-key';

/*
 * Static neighbour entries (ARP, ND) on our own devices. Only permanent ones count: what the kernel learns by itself ages out,
 * and a permanent entry takes the place of a learned one.
 */

export function neighbourDelta(context: DeltaContext): KindDelta {
  const present = permanentByKey(context);
  const adds: PlannedOp[] = [];
  const waiting: WaitingObject[] = [];
  for (const [key, desired] of context.index.neighbours) {
    if (context.inPlace.neighbours.has(desired) && !present.has(key)) continue;
    const usable = usableLink(context, desired.ifname);
    if ('reason' in usable) {
      waiting.push({ key: `neighbour ${key}`, ifname: desired.ifname, reason: usable.reason });
    } else if (context.index.addOnly ? !present.has(key) : !matchesNeighbour(present.get(key), desired)) {
      adds.push(replaceOp(key, desired, usable.link.index));
    }
  }
  return { adds, deletes: strayNeighbours(context, present), waiting, findings: [] };
}

/** True when `entry` is the static entry that `desired` asks for. */
export function matchesNeighbour(entry: Neighbour | undefined, desired: DesiredNeighbour): boolean {
  return entry !== undefined && isPermanentNeighbour(entry) && entry.mac?.equals(desired.mac) === true;
}

/** True for an entry that the kernel keeps until somebody deletes it. */
export function isPermanentNeighbour({ state }: Neighbour): boolean {
  return (state & NEIGHBOUR_STATE.permanent) !== 0;
}

function permanentByKey(context: DeltaContext): Map<string, Neighbour> {
  const own = context.actual.neighbours.filter(
    (entry) => isPermanentNeighbour(entry) && context.index.devices.has(context.linkName(entry.ifindex)),
  );
  return new Map(own.map((entry) => [neighbourKey(context.linkName(entry.ifindex), entry.address), entry]));
}

function replaceOp(key: string, desired: DesiredNeighbour, ifindex: number): PlannedOp {
  return {
    op: { op: 'neighbour-replace', neighbour: { ifindex, address: desired.address, mac: desired.mac } },
    kind: 'neighbour',
    key: `neighbour ${key}`,
    subject: `neighbour ${key}${peerText(desired)}`,
    ifname: desired.ifname,
  };
}

function strayNeighbours(context: DeltaContext, present: ReadonlyMap<string, Neighbour>): PlannedOp[] {
  return [...present]
    .filter(([key]) => !context.index.neighbours.has(key))
    .map(([key, { ifindex, address }]) => ({
      op: { op: 'neighbour-delete', neighbour: { ifindex, address } },
      kind: 'neighbour',
      key: `neighbour ${key}`,
      subject: `neighbour ${key}`,
      ifname: context.linkName(ifindex),
    }));
}
