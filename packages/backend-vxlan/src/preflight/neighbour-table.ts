import { isTartanError, type DesiredSysctl, type Finding, type IpFamily, type RtNetlink } from '@tartan/core';

/*
 * The kernel's neighbour table is bounded: above gc_thresh3 entries new ones are refused ("neighbour table overflow" in the kernel log,
 * ENOBUFS here), above gc_thresh1 it throws out old ones all the time. The defaults are 1024 and 128, for the whole host: all
 * its network namespaces share the table (arp(7)). Since v5.0 permanent entries, like ours for peers, do not count; pods and peers
 * reached directly do, and before v5.0 everything does (neigh_alloc() in net/core/neighbour.c).
 *
 * So: room for every peer and every pod that the node can have. The limits are raised where we may write them, never lowered.
 */

export interface NeighbourLimits {
  readonly family: IpFamily;
  /** gc_thresh3: entries that the table can hold. */
  readonly limit: number;
  /** The limits may be raised from here. */
  readonly writable: boolean;
}

/** The kernel's own proportions: 128, 512, 1024. */
const LEVELS = [
  { name: 'gc_thresh3', share: 1 },
  { name: 'gc_thresh2', share: 1 / 2 },
  { name: 'gc_thresh1', share: 1 / 8 },
] as const;

/** undefined where the host's table is not visible: in network namespaces of their own (and in rootless containers). */
export async function readNeighbourLimits(netlink: RtNetlink, family: IpFamily): Promise<NeighbourLimits | undefined> {
  const path = limitPath(family, 'gc_thresh3');
  const text = await netlink.readSysctl(path);
  if (text === undefined) return undefined;
  return { family, limit: Number(text), writable: await isWritable(netlink, path, text) };
}

/** Pods that a node may have: the hosts of a /24. */
const POD_ENTRIES = 256;

/** Entries that a node with so many peers may need, per family. */
export function wantedEntries(peers: number): number {
  return peers + POD_ENTRIES;
}

/**
 * What must be set so that `entries` fit with as many again to spare; nothing where it cannot be. A limit that was wide enough is kept so; the
 * lower levels are left to whoever set it.
 */
export function neighbourRoom({ family, limit, writable }: NeighbourLimits, entries: number): DesiredSysctl[] {
  const wanted = wantedLimit(entries);
  return writable ? roomFor(family, wanted).slice(0, wanted <= limit ? 1 : undefined) : [];
}

/** The same where it cannot be set, as long as the limit is too low. */
export function neighbourRoomFindings({ family, limit, writable }: NeighbourLimits, entries: number): Finding[] {
  const wanted = wantedLimit(entries);
  return writable || wanted <= limit ? [] : [tooSmall(limit, entries, roomFor(family, wanted))];
}

function wantedLimit(entries: number): number {
  return 2 ** Math.ceil(Math.log2(entries * 2));
}

/** From the top, so that gc_thresh1 <= gc_thresh2 <= gc_thresh3 holds at each moment. */
function roomFor(family: IpFamily, wanted: number): DesiredSysctl[] {
  return LEVELS.map(({ name, share }) => ({
    path: limitPath(family, name),
    value: String(wanted * share),
    atLeast: true,
  }));
}

function limitPath(family: IpFamily, name: string): string {
  return `net/ipv${family}/neigh/default/${name}`;
}

/** Writing what is there already changes nothing and tells. */
async function isWritable(netlink: RtNetlink, path: string, value: string): Promise<boolean> {
  try {
    await netlink.writeSysctl(path, value);
    return true;
  } catch (error) {
    if (!isTartanError(error, 'KERNEL_REFUSED')) throw error;
    return false;
  }
}

function tooSmall(limit: number, entries: number, sysctls: readonly DesiredSysctl[]): Finding {
  const settings = sysctls.map(({ path, value }) => `${path.replaceAll('/', '.')}=${value}`);
  return {
    severity: 'warning',
    code: 'NEIGHBOUR_TABLE_SMALL',
    subject: sysctls.map(({ path }) => path.replaceAll('/', '.'))[0] ?? '',
    message: `the host's neighbour table is limited to ${limit} entries, peers and pods of this node may need ${entries}`,
    cure: `On the host: sysctl -w ${settings.join(' ')}, and the same lines in /etc/sysctl.d.`,
  };
}
