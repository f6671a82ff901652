import type { LeaseRecord } from '../datastore';
import { TartanError } from '../errors';
import type { LeaseAttrs, OwnerIdentity } from './lease';
import { describeAddress, describeOwner, describePlace, judgeOwner } from './ownership';

export interface Duplicate {
  readonly record: LeaseRecord;
  /** LEASE_DUPLICATE_PUBLIC_IP, naming both nodes. */
  readonly error: TartanError<'LEASE_DUPLICATE_PUBLIC_IP'>;
}

/** The oldest lease by which another node publishes the public address of `attrs`, if there is one. */
export function duplicateOf(
  records: readonly LeaseRecord[],
  attrs: LeaseAttrs,
  identity: OwnerIdentity,
): Duplicate | null {
  const [record] = records
    .filter((other) => judgeOwner(other.attrs, attrs, identity).kind === 'duplicate')
    .sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1));
  return record ? { record, error: duplicateError(record, attrs, identity) } : null;
}

function duplicateError(record: LeaseRecord, attrs: LeaseAttrs, identity: OwnerIdentity): Duplicate['error'] {
  const otherNode = describeOwner(record.attrs);
  const name = (node: string, machine = 'unknown'): string =>
    otherNode === identity.node ? `${node} (machine ${machine})` : node;
  return new TartanError('LEASE_DUPLICATE_PUBLIC_IP', {
    publicIP: describeAddress(attrs),
    subnet: describePlace(record),
    ourNode: name(identity.node, identity.machine),
    otherNode: name(otherNode, record.attrs.owner?.machine),
  });
}
