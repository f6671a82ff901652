import type { LeaseRecord } from '../datastore';
import type { Lease } from './lease';

/** A snapshot of thousands of peers changes by a few: the others are not made anew. */
const made = new WeakMap<LeaseRecord, Lease>();

/** The lease without what only the datastore layer needs. The same record gives the same object. */
export function toLease(record: LeaseRecord): Lease {
  const known = made.get(record);
  if (known) return known;
  const { subnet, ipv6Subnet, attrs, expiresAt, reservation, modRevision } = record;
  const lease = { subnet, ipv6Subnet, attrs, expiresAt, reservation, revision: modRevision.toString() };
  made.set(record, lease);
  return lease;
}
