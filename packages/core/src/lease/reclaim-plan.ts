/**
 * What to do about the lease of a running node when something speaks against it: a renewal that was refused, an event on our key,
 * a listing without it. Pure, like acquire-plan, and asked again after each step until it says `hold` or `taken`.
 *
 * The subnet of a live node never changes here: containers use its addresses. The same place is taken again, or somebody else
 * has it and the policy of the caller decides. Only an administrator's word changes it: assigned subnets follow the assignment. `Ours` is narrower than at start: a lease with our identity but an address that we
 * never published was written by a clone of this host (same disk image), and writing it back would start a fight.
 */
import type { LeaseListing, LeaseRecord } from '../datastore';
import { overlap } from './allocate';
import { equalAttrs, signAttrs } from './attrs';
import { leaseKey, type LeaseAttrs, type LeaseSubnets, type OwnerIdentity } from './lease';
import { describeAddress, judgeOwner } from './ownership';

export interface ReclaimSituation {
  readonly listing: LeaseListing;
  /** The lease as we last held it. */
  readonly last: LeaseRecord;
  /** Attributes to publish, unsigned. */
  readonly attrs: LeaseAttrs;
  readonly identity: OwnerIdentity;
  /** False where an administrator assigns subnets. */
  readonly allocation: boolean;
}

export type ReclaimStep =
  /** The key is ours and says what we want. */
  | { readonly action: 'hold'; readonly record: LeaseRecord }
  /** The key is ours, its attributes are not what we publish. */
  | { readonly action: 'rewrite'; readonly record: LeaseRecord; readonly attrs: LeaseAttrs }
  /** The key holds what nobody can read; `record` carries the revision to compare with. */
  | { readonly action: 'repair'; readonly record: LeaseRecord; readonly attrs: LeaseAttrs }
  | { readonly action: 'create'; readonly to: LeaseSubnets; readonly attrs: LeaseAttrs }
  /** A lease of ours stands elsewhere and blocks our place. */
  | { readonly action: 'move'; readonly record: LeaseRecord; readonly to: LeaseSubnets; readonly attrs: LeaseAttrs }
  /** The key holds what nobody can read, and the datastore does not tell its revision. */
  | { readonly action: 'wait'; readonly reason: string }
  /** The administrator has taken the subnet from this node; `reassigned`: and has given it another one. */
  | { readonly action: 'unassigned'; readonly reassigned: boolean }
  /** `ours` is our own younger lease on an overlapping place, to be given up. */
  | {
      readonly action: 'taken';
      readonly by: LeaseRecord;
      readonly ours: LeaseRecord | null;
      readonly reassigned?: boolean;
    };

export function planReclaim(situation: ReclaimSituation): ReclaimStep {
  const { listing, last } = situation;
  const present = listing.records.find(({ key }) => key === last.key);
  return present ? judgePresent(situation, present) : planAbsent(situation);
}

/** True when nobody but this very node writes such attributes. */
export function isOwnWriting(
  situation: Pick<ReclaimSituation, 'last' | 'attrs' | 'identity'>,
  attrs: LeaseAttrs,
): boolean {
  const judged = judgeOwner(attrs, situation.attrs, situation.identity);
  if (judged.kind !== 'ours' || judged.reinstalled) return false;
  const address = describeAddress(attrs);
  return address === describeAddress(situation.attrs) || address === describeAddress(situation.last.attrs);
}

function judgePresent(situation: ReclaimSituation, record: LeaseRecord): ReclaimStep {
  const { identity } = situation;
  if (!isOwnWriting(situation, record.attrs)) {
    return { action: 'taken', by: record, ours: null, reassigned: isReassigned(situation) };
  }
  const older = overlapping(situation, record).find((other) => other.createRevision < record.createRevision);
  if (older) return { action: 'taken', by: older, ours: record };
  const attrs = signAttrs(situation.attrs, identity, record.attrs);
  return equalAttrs(record.attrs, attrs) ? { action: 'hold', record } : { action: 'rewrite', record, attrs };
}

/** Nothing of ours can be read: whoever holds addresses of our place could not know of us, and has it now. */
function planAbsent(situation: ReclaimSituation): ReclaimStep {
  const { listing, last, identity } = situation;
  const attrs = signAttrs(situation.attrs, identity, last.attrs);
  const [by] = overlapping(situation, last);
  if (by) return { action: 'taken', by, ours: null, reassigned: isReassigned(situation) };
  const broken = listing.skipped.find(({ key }) => key === last.key);
  if (broken?.modRevision !== undefined) {
    return { action: 'repair', record: { ...last, modRevision: broken.modRevision }, attrs };
  }
  if (broken) return { action: 'wait', reason: broken.reason };
  if (!situation.allocation) return { action: 'unassigned', reassigned: isReassigned(situation) };
  const elsewhere = listing.records.find((record) => overlap(record, last));
  if (elsewhere) return { action: 'move', record: elsewhere, to: last, attrs };
  return { action: 'create', to: last, attrs };
}

/** Where an administrator assigns subnets, the name that was entered says whose it is. */
function isReassigned({ listing, last, identity, allocation }: ReclaimSituation): boolean {
  if (allocation) return false;
  return listing.records.some(({ key, attrs }) => key !== last.key && attrs.owner?.node === identity.node);
}

/** Foreign leases on addresses of `place`. */
function overlapping(situation: ReclaimSituation, place: LeaseSubnets): LeaseRecord[] {
  return situation.listing.records.filter(
    (other) => other.key !== leaseKey(place) && overlap(other, place) && !isOwnWriting(situation, other.attrs),
  );
}
