import type { LeaseRecord } from '../datastore';
import type { Lease } from './lease';

/** The lease without what only the datastore layer needs. */
export function toLease({ subnet, ipv6Subnet, attrs, expiresAt, reservation, modRevision }: LeaseRecord): Lease {
  return { subnet, ipv6Subnet, attrs, expiresAt, reservation, revision: modRevision.toString() };
}
