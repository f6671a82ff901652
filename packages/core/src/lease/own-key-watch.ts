import type { LeaseRecord } from '../datastore';
import { overlap } from './allocate';
import { equalAttrs, signAttrs } from './attrs';
import type { LeaseMirror, MirrorChange } from './lease-mirror';
import type { OwnLease } from './own-lease';

/** True when what the mirror shows speaks against the lease that we hold. A write of our own is taken note of. */
export function isHeldInDoubt(own: OwnLease, held: LeaseRecord, mirror: LeaseMirror, change: MirrorChange): boolean {
  if (change === 'rebuilt') return true;
  if (mirror.revision === null || mirror.revision < held.modRevision) return false;
  const record = mirror.records.get(held.key);
  if (!record || mirror.skipped.has(held.key) || !own.isOwnWriting(record.attrs)) return true;
  if (record.modRevision <= held.modRevision) return false;
  const wanted = own.attrs && signAttrs(own.attrs, own.options.identity, record.attrs);
  if (!wanted || !equalAttrs(record.attrs, wanted)) return true;
  own.adopt(record);
  return false;
}

/** True when nobody else holds addresses of the subnets that were ours, and we may take them or were given them again. */
export function isLastPlaceFree(own: OwnLease, mirror: LeaseMirror): boolean {
  const { last } = own;
  if (!last || !mirror.synced) return false;
  const assigned = mirror.records.has(last.key) || mirror.skipped.has(last.key);
  if (!own.options.datastore.capabilities.allocation && !assigned) return false;
  for (const record of mirror.records.values()) {
    if (overlap(record, last) && !own.isOwnWriting(record.attrs)) return false;
  }
  return true;
}

/** True when an administrator assigns subnets and has given this node another one than it held. */
export function isAssignedAnother({ last, options }: OwnLease, mirror: LeaseMirror): boolean {
  if (!last || !mirror.synced || options.datastore.capabilities.allocation) return false;
  const { node } = options.identity;
  return [...mirror.records.values()].some(({ key, attrs }) => key !== last.key && attrs.owner?.node === node);
}

/** Leases of this very node beside the one held, among those that may have changed. */
export function findStrays(
  own: OwnLease,
  mirror: LeaseMirror,
  change: MirrorChange,
  keys: readonly string[],
): LeaseRecord[] {
  if (change === 'status') return [];
  const seen = change === 'events' ? keys.map((key) => mirror.records.get(key)) : [...mirror.records.values()];
  return seen.filter((record) => record !== undefined).filter((record) => own.isStray(record));
}
