/**
 * What to do next on the way to the node's lease. Pure: one listing in, one step out; the caller performs the step and asks again
 * with a fresh listing, until the answer is `reuse` of a record that needs no write. So every way out of acquire() has seen a
 * listing in which our key exists and no older lease overlaps it: a lost race, a lost acknowledgement and two nodes that took
 * overlapping places under different keys (other prefix length, same IPv6 part) all end in one more round.
 *
 * A lease of ours is kept, family by family, as far as it fits the config and is not overlapped by an older foreign lease. What
 * must change is changed by one atomic move, so a v4-only lease gains IPv6 without giving up its IPv4 subnet for a moment.
 * Reservations (keys without time to live) are used first, and never deleted: an administrator wrote them.
 */
import type { NetworkConfig } from '../config';
import { parseLeaseKey, type LeaseListing, type LeaseRecord } from '../datastore';
import { isTartanError, type TartanError } from '../errors';
import type { IpPrefix } from '../ip';
import type { Random } from '../runtime';
import { allocateSubnets, fitsIpv4, fitsIpv6, overlap, liesInNetworks } from './allocate';
import { signAttrs } from './attrs';
import { duplicateOf } from './duplicate';
import type { LeaseAttrs, LeaseSubnets, OwnerIdentity } from './lease';
import { describePlace, judgeOwner, sharesPublicAddress } from './ownership';

export interface AcquireSituation {
  readonly listing: LeaseListing;
  readonly config: NetworkConfig;
  /** Attributes to publish, unsigned. */
  readonly attrs: LeaseAttrs;
  readonly identity: OwnerIdentity;
  readonly previous: Partial<LeaseSubnets>;
  /** Key that this process already holds. */
  readonly heldKey: string | null;
  /** Places that conflicted in this acquisition. */
  readonly avoid: readonly LeaseSubnets[];
  /** Only leases under our present address count as ours: a clone of this host may have taken the others. */
  readonly sameAddressOnly: boolean;
  /** False where an administrator assigns subnets. */
  readonly allocation: boolean;
  readonly random: Random;
}

/** Something an operator should know; logged once per acquisition. */
export interface PlanNote {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type AcquireStep =
  | { readonly action: 'reuse'; readonly record: LeaseRecord; readonly attrs: LeaseAttrs }
  | { readonly action: 'move'; readonly record: LeaseRecord; readonly to: LeaseSubnets; readonly attrs: LeaseAttrs }
  | { readonly action: 'create'; readonly to: LeaseSubnets; readonly attrs: LeaseAttrs }
  /** Nothing is assigned to this node yet. */
  | { readonly action: 'wait'; readonly reason: string }
  | { readonly action: 'refuse'; readonly error: TartanError };

export interface AcquirePlan {
  readonly step: AcquireStep;
  /** Own leases to delete after the step; with `refuse`, before giving up. */
  readonly discard: readonly LeaseRecord[];
  readonly notes: readonly PlanNote[];
}

/** A lease of ours and what of it can stay. */
interface Candidate {
  readonly record: LeaseRecord;
  readonly keep: Partial<LeaseSubnets>;
  /** Every family of the config is kept and no other is there. */
  readonly whole: boolean;
}

export function planAcquire(situation: AcquireSituation): AcquirePlan {
  const { listing } = situation;
  const own = listing.records.filter((record) => isOurs(situation, record));
  const refusal = refuseDuplicate(situation, own);
  if (refusal) return refusal;
  const candidates = own.map((record) => candidate(situation, own, record)).sort(byPreference(situation));
  const best = candidates.find(isUsable);
  const discard = own.filter((record) => record !== best?.record && !record.reservation && situation.allocation);
  return { step: stepFor(situation, best), discard, notes: notesOn(situation, candidates, best) };
}

/**
 * Every place that is taken: leases, reservations, and keys that parse though their values do not. Of the latter, what is as wide
 * as the network blocks nothing: one bad entry must not keep all nodes from a lease.
 */
function takenPlaces({ config }: AcquireSituation, { records, skipped }: LeaseListing): LeaseSubnets[] {
  const isNarrow = (prefix: IpPrefix | null, network: IpPrefix | undefined): boolean =>
    prefix !== null && network !== undefined && prefix.length > network.length;
  const broken = skipped.flatMap(({ key }): LeaseSubnets[] => {
    const parsed = parseLeaseKey(key);
    if (!parsed.ok) return [];
    const { subnet, ipv6Subnet } = parsed.value;
    return [
      {
        subnet: isNarrow(subnet, config.ipv4?.network) ? subnet : null,
        ipv6Subnet: isNarrow(ipv6Subnet, config.ipv6?.network) ? ipv6Subnet : null,
      },
    ];
  });
  return [...records, ...broken];
}

function stepFor(situation: AcquireSituation, best: Candidate | undefined): AcquireStep {
  const { listing, config, identity, allocation } = situation;
  const attrs = signAttrs(situation.attrs, identity, best?.record.attrs);
  if (best?.whole) return { action: 'reuse', record: best.record, attrs };
  if (!allocation) return { action: 'wait', reason: whyUnsuited(config, best) };
  try {
    const others = { ...listing, records: listing.records.filter((record) => record !== best?.record) };
    const to = allocateSubnets({ ...situation, config, used: takenPlaces(situation, others), keep: best?.keep ?? {} });
    return best ? { action: 'move', record: best.record, to, attrs } : { action: 'create', to, attrs };
  } catch (error) {
    if (!isTartanError(error, 'LEASE_OUT_OF_SUBNETS')) throw error;
    return { action: 'refuse', error };
  }
}

/** In words, for whoever assigns subnets. */
function whyUnsuited({ ipv4, ipv6 }: NetworkConfig, best: Candidate | undefined): string {
  if (!best) return 'no subnet is assigned to this node';
  const networks = [ipv4?.network, ipv6?.network].flatMap((network) => (network ? [network.toString()] : []));
  return `${describePlace(best.record)} is assigned to this node, needed is one subnet inside of each of ${networks.join(' and ')}`;
}

function candidate(situation: AcquireSituation, own: readonly LeaseRecord[], record: LeaseRecord): Candidate {
  const { config, listing } = situation;
  const older = listing.records.filter(
    (other) => other.createRevision < record.createRevision && !own.includes(other) && overlap(other, record),
  );
  const free4 = !older.some(({ subnet }) => subnet !== null && record.subnet?.overlaps(subnet));
  const free6 = !older.some(({ ipv6Subnet }) => ipv6Subnet !== null && record.ipv6Subnet?.overlaps(ipv6Subnet));
  // Whoever assigns subnets need not cut them as we would; they must lie inside of the network.
  const assigned = situation.allocation ? null : liesInNetworks(config, record);
  const good4 = free4 && (assigned?.ipv4 ?? fitsIpv4(config, record.subnet));
  const good6 = free6 && (assigned?.ipv6 ?? fitsIpv6(config, record.ipv6Subnet));
  const keep = {
    ...(good4 && record.subnet && { subnet: record.subnet }),
    ...(good6 && record.ipv6Subnet && { ipv6Subnet: record.ipv6Subnet }),
  };
  return { record, keep, whole: good4 && good6 };
}

/** A lease can always be moved; a reservation only while part of it stays what the administrator wrote. */
function isUsable({ record, keep, whole }: Candidate): boolean {
  return whole || !record.reservation || Object.keys(keep).length > 0;
}

/** Held now, whole, reserved, previous, most parts kept, oldest. */
function byPreference({ heldKey, previous }: AcquireSituation): (a: Candidate, b: Candidate) => number {
  const rank = ({ record, keep, whole }: Candidate): number[] => [
    whole && record.key === heldKey ? 0 : 1,
    whole ? 0 : 1,
    record.reservation ? 0 : 1,
    isPrevious(record, previous) ? 0 : 1,
    -Object.keys(keep).length,
  ];
  return (a, b) => {
    const [ranksA, ranksB] = [rank(a), rank(b)];
    const differing = ranksA.findIndex((value, i) => value !== ranksB[i]);
    if (differing >= 0) return (ranksA[differing] ?? 0) - (ranksB[differing] ?? 0);
    return a.record.createRevision < b.record.createRevision ? -1 : 1;
  };
}

function isPrevious({ subnet, ipv6Subnet }: LeaseRecord, previous: Partial<LeaseSubnets>): boolean {
  const same4 = !previous.subnet || (subnet?.equals(previous.subnet) ?? false);
  const same6 = !previous.ipv6Subnet || (ipv6Subnet?.equals(previous.ipv6Subnet) ?? false);
  return same4 && same6 && Boolean(previous.subnet ?? previous.ipv6Subnet);
}

/** Refuses when another node publishes our address, unless ours was there first. */
function refuseDuplicate(situation: AcquireSituation, own: readonly LeaseRecord[]): AcquirePlan | null {
  const { listing, attrs, identity, allocation } = situation;
  if (!allocation) return null;
  const duplicate = duplicateOf(listing.records, attrs, identity);
  if (!duplicate) return null;
  const published = own.filter((record) => sharesPublicAddress(record.attrs, attrs));
  if (published.some((record) => record.createRevision < duplicate.record.createRevision)) return null;
  const discard = published.filter((record) => !record.reservation);
  return { step: { action: 'refuse', error: duplicate.error }, discard, notes: [] };
}

function notesOn(
  situation: AcquireSituation,
  candidates: readonly Candidate[],
  best: Candidate | undefined,
): PlanNote[] {
  return candidates.flatMap(({ record, whole }): PlanNote[] => {
    const fields = { lease: describePlace(record), key: record.key };
    const judged = judgeOwner(record.attrs, situation.attrs, situation.identity);
    if (judged.kind === 'ours' && judged.reinstalled) {
      const { machine } = record.attrs.owner ?? {};
      const message = 'taking over the lease of a node with our name and address but another machine id';
      return [{ level: 'warn', message, fields: { ...fields, machine } }];
    }
    if (whole || record === best?.record) return [];
    if (!record.reservation) return [{ level: 'warn', message: 'own lease does not fit the network config', fields }];
    return [{ level: 'warn', message: 'reservation for this node cannot be used', fields }];
  });
}

/** Where an administrator assigns subnets, the name that was entered says whose it is. */
function isOurs(situation: AcquireSituation, record: LeaseRecord): boolean {
  const { attrs, identity, sameAddressOnly, allocation } = situation;
  if (!allocation && record.attrs.owner) return record.attrs.owner.node === identity.node;
  if (sameAddressOnly && !sharesPublicAddress(record.attrs, attrs)) return false;
  return judgeOwner(record.attrs, attrs, identity).kind === 'ours';
}
