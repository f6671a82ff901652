import { NEIGHBOUR_STATE, type FdbEntry } from '../netlink';
import { peerText, type DeltaContext, type KindDelta, type PlannedOp, type WaitingObject } from './delta-parts';
import type { DesiredFdb } from './kernel-state';
import { fdbKey } from './object-key';

/*
 * Static forwarding entries of our own VXLAN devices: MAC address → VTEP. A unicast MAC has one VTEP, and replacing the entry
 * moves it (vxlan_fdb_replace, drivers/net/vxlan/vxlan_core.c, v6.1), so the MAC is the key. An entry that carries its own port
 * or VNI is not one of ours and is replaced. The all-zero MAC is the kernel's default destination for a device with a group.
 */

const ALL_ZERO = '00:00:00:00:00:00';

export function fdbDelta(context: DeltaContext): KindDelta {
  const present = staticByKey(context);
  const adds: PlannedOp[] = [];
  const waiting: WaitingObject[] = [];
  for (const [key, desired] of context.index.fdb) {
    if (context.inPlace.fdb.has(desired) && !present.has(key)) continue;
    const link = context.linkByName.get(desired.ifname);
    if (!link) waiting.push({ key: `fdb ${key}`, ifname: desired.ifname, reason: 'missing' });
    else if (context.index.addOnly ? !present.has(key) : !matchesFdb(present.get(key), desired))
      adds.push(replaceOp(key, desired, link.index));
  }
  return { adds, deletes: strayEntries(context, present), waiting, findings: [] };
}

/** True when `entry` is the static entry that `desired` asks for. */
export function matchesFdb(entry: FdbEntry | undefined, desired: DesiredFdb): boolean {
  return (
    entry !== undefined &&
    isStaticFdb(entry) &&
    entry.dst?.equals(desired.dst) === true &&
    entry.port === undefined &&
    entry.vni === undefined
  );
}

/** True for a VXLAN entry that the kernel keeps until somebody deletes it. */
export function isStaticFdb({ state, dst }: FdbEntry): boolean {
  return dst !== undefined && (state & NEIGHBOUR_STATE.permanent) !== 0;
}

function staticByKey(context: DeltaContext): Map<string, FdbEntry> {
  const own = context.actual.fdb.filter(
    (entry) => isStaticFdb(entry) && context.index.devices.has(context.linkName(entry.ifindex)),
  );
  return new Map(own.map((entry) => [fdbKey(context.linkName(entry.ifindex), entry.mac), entry]));
}

function replaceOp(key: string, desired: DesiredFdb, ifindex: number): PlannedOp {
  return {
    op: { op: 'fdb-replace', fdb: { ifindex, mac: desired.mac, dst: desired.dst } },
    kind: 'fdb',
    key: `fdb ${key}`,
    subject: `fdb ${key}${peerText(desired)}`,
    ifname: desired.ifname,
  };
}

function strayEntries(context: DeltaContext, present: ReadonlyMap<string, FdbEntry>): PlannedOp[] {
  return [...present]
    .filter(([key, { mac }]) => !context.index.fdb.has(key) && mac.toString() !== ALL_ZERO)
    .map(([key, { ifindex, mac, dst }]) => ({
      op: { op: 'fdb-delete', fdb: { ifindex, mac, ...(dst && { dst }) } },
      kind: 'fdb',
      key: `fdb ${key}`,
      subject: `fdb ${key}`,
      ifname: context.linkName(ifindex),
    }));
}
