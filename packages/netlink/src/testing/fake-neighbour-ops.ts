import {
  MacAddress,
  NEIGHBOUR_FLAG,
  NEIGHBOUR_STATE,
  type FdbSpec,
  type IpAddress,
  type NeighbourSpec,
} from '@tartan/core';
import { Refusal, type FakeTables } from './fake-tables';

/** RTM_NEWNEIGH with NLM_F_CREATE | NLM_F_REPLACE in AF_INET or AF_INET6. */
export function replaceNeighbour(tables: FakeTables, spec: NeighbourSpec): void {
  tables.link(spec.ifindex);
  const neighbour = {
    ifindex: spec.ifindex,
    address: spec.address,
    mac: spec.mac,
    state: spec.state ?? NEIGHBOUR_STATE.permanent,
    flags: 0,
  };
  tables.neighbours.set(neighbourKey(spec), neighbour);
  tables.emit({ type: 'neighbour', action: 'new', neighbour });
}

export function deleteNeighbour(tables: FakeTables, spec: Pick<NeighbourSpec, 'ifindex' | 'address'>): void {
  tables.link(spec.ifindex);
  const key = neighbourKey(spec);
  const neighbour = tables.neighbours.get(key);
  if (!neighbour) throw new Refusal('ENOENT');
  tables.neighbours.delete(key);
  // neigh_delete() first tells that the entry failed.
  const failed = { ...neighbour, state: NEIGHBOUR_STATE.failed };
  tables.emit({ type: 'neighbour', action: 'new', neighbour: failed });
  tables.emit({ type: 'neighbour', action: 'del', neighbour: failed });
}

/** NTF_USE: the segment answers at once, or not at all. A living entry stays as it is. */
export function probeNeighbour(tables: FakeTables, spec: Pick<NeighbourSpec, 'ifindex' | 'address'>): void {
  tables.link(spec.ifindex);
  const { failed, incomplete, reachable } = NEIGHBOUR_STATE;
  const known = tables.neighbours.get(neighbourKey(spec));
  if (known && (known.state & (failed | incomplete)) === 0) return;
  const { ifindex, address } = spec;
  const neighbour = tables.silent.has(address.toString())
    ? { ifindex, address, state: failed, flags: 0 }
    : { ifindex, address, mac: segmentMac(address), state: reachable, flags: 0 };
  tables.neighbours.set(neighbourKey(spec), neighbour);
  tables.emit({ type: 'neighbour', action: 'new', neighbour });
}

/** Somebody's card on the segment. */
function segmentMac(address: IpAddress): MacAddress {
  return MacAddress.fromBytes(Buffer.concat([Buffer.from([0x02, 0x5e]), address.toBytes().subarray(-4)]));
}

/** neigh_ifdown(): going down takes every neighbour of the link, permanent ones as well. */
export function flushNeighbours(tables: FakeTables, ifindex: number): void {
  for (const neighbour of [...tables.neighbours.values()]) {
    if (neighbour.ifindex === ifindex) deleteNeighbour(tables, neighbour);
  }
}

/** RTM_NEWNEIGH in AF_BRIDGE with NTF_SELF. A unicast MAC has one VTEP: the new one takes the place of the old. */
export function replaceFdb(tables: FakeTables, spec: FdbSpec): void {
  const vxlan = tables.link(spec.ifindex).kind === 'vxlan';
  const entry = {
    ifindex: spec.ifindex,
    mac: spec.mac,
    ...(vxlan ? { dst: spec.dst } : {}),
    state: spec.state ?? NEIGHBOUR_STATE.permanent,
    flags: NEIGHBOUR_FLAG.self,
  };
  tables.fdb.set(fdbKey(spec), [entry]);
  tables.emit({ type: 'fdb', action: 'new', fdb: entry });
}

/** vxlan_fdb_delete(): an unknown MAC is an error, an unknown destination of a known one is not. */
export function deleteFdb(
  tables: FakeTables,
  spec: Pick<FdbSpec, 'ifindex' | 'mac'> & Partial<Pick<FdbSpec, 'dst'>>,
): void {
  tables.link(spec.ifindex);
  const key = fdbKey(spec);
  const entries = tables.fdb.get(key);
  if (!entries) throw new Refusal('ENOENT');
  const { dst } = spec;
  const doomed = dst ? entries.filter((entry) => entry.dst?.equals(dst)) : entries;
  const rest = entries.filter((entry) => !doomed.includes(entry));
  if (rest.length === 0) tables.fdb.delete(key);
  else tables.fdb.set(key, rest);
  for (const entry of doomed) tables.emit({ type: 'fdb', action: 'del', fdb: entry });
}

export function flushFdb(tables: FakeTables, ifindex: number): void {
  for (const [entry] of [...tables.fdb.values()]) {
    if (entry?.ifindex === ifindex) deleteFdb(tables, { ifindex, mac: entry.mac });
  }
}

function neighbourKey(spec: Pick<NeighbourSpec, 'ifindex' | 'address'>): string {
  return `${spec.ifindex} ${spec.address.toString()}`;
}

function fdbKey(spec: Pick<FdbSpec, 'ifindex' | 'mac'>): string {
  return `${spec.ifindex} ${spec.mac.toString()}`;
}
