/**
 * Which leases are programmed. Two leases that share an address cannot both be: the one that is older (createRevision) keeps it,
 * the younger one is left out as a whole and reported, so a node that grabbed a subnet in error cannot draw away the traffic of
 * the rightful holder. Our own subnets come before all, whoever is older: containers here use them, and a route for them would
 * cut those off.
 */
import type { LeaseRecord } from '../datastore';
import { overlap } from './allocate';
import type { LeaseSubnets } from './lease';

export interface Overlap {
  readonly record: LeaseRecord;
  readonly holder: LeaseRecord;
}

export interface PeerView {
  readonly peers: readonly LeaseRecord[];
  readonly overlaps: readonly Overlap[];
}

/** `peers` in order of precedence after `own`; the result keeps that order. */
export function resolveOverlaps(peers: readonly LeaseRecord[], own: LeaseRecord | null): PeerView {
  const suspects = own ? [own, ...peers] : peers;
  const involved = findInvolved(suspects);
  const held: LeaseRecord[] = own && involved.has(own) ? [own] : [];
  const overlaps: Overlap[] = [];
  const accepted = peers.filter((record) => {
    if (!involved.has(record)) return true;
    const holder = held.find((other) => overlap(other, record));
    if (holder) overlaps.push({ record, holder });
    else held.push(record);
    return !holder;
  });
  return { peers: accepted, overlaps };
}

/** Oldest first; of the same age, by key. */
export function byAge(a: LeaseRecord, b: LeaseRecord): number {
  if (a.createRevision !== b.createRevision) return a.createRevision < b.createRevision ? -1 : 1;
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

/** Those that overlap any other: one sweep over each family, sorted by address. */
function findInvolved(records: readonly LeaseRecord[]): Set<LeaseRecord> {
  const involved = new Set<LeaseRecord>();
  sweep(records, ({ subnet }) => subnet && [subnet.address.value, subnet.address.value + subnet.size], involved);
  sweep(
    records,
    ({ ipv6Subnet }) => ipv6Subnet && [ipv6Subnet.address.value, ipv6Subnet.address.value + ipv6Subnet.size],
    involved,
  );
  return involved;
}

function sweep(
  records: readonly LeaseRecord[],
  extent: (subnets: LeaseSubnets) => readonly [start: number | bigint, end: number | bigint] | null,
  involved: Set<LeaseRecord>,
): void {
  const spans = records.flatMap((record) => {
    const found = extent(record);
    return found ? [{ record, start: found[0], end: found[1] }] : [];
  });
  spans.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  let widest: (typeof spans)[number] | null = null;
  for (const span of spans) {
    if (widest && span.start < widest.end) involved.add(widest.record).add(span.record);
    if (!widest || span.end > widest.end) widest = span;
  }
}
