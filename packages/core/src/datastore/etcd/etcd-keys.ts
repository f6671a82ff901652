import { posix } from 'node:path';
import type { LeaseSubnets } from '../../lease/lease';
import { formatLeaseKey } from '../codec';

/** A range of keys, end exclusive. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

/**
 * Where things live below the prefix (flannel-compat 2.2). The prefix is joined as Go's path.Join does it: doubled and trailing
 * slashes vanish. Listing and watching cover `<prefix>/subnets` WITHOUT a trailing slash, as flanneld's do, so that we see what
 * upsets it: an entry such as `subnets-foo` is reported, although it is never a lease to us.
 */
export class EtcdKeys {
  readonly config: string;
  readonly subnets: string;

  constructor(prefix: string) {
    this.config = posix.join(prefix, 'config');
    this.subnets = posix.join(prefix, 'subnets');
  }

  /** All leases, and siblings whose name starts like theirs. */
  get all(): KeyRange {
    return prefixRange(this.subnets);
  }

  /** The key of a lease. Throws DATASTORE_UNWRITABLE. */
  lease(subnets: LeaseSubnets): string {
    return this.path(formatLeaseKey(subnets));
  }

  path(name: string): string {
    return `${this.subnets}/${name}`;
  }

  /** The name below `subnets/`; null for a sibling of that folder. */
  name(path: string): string | null {
    return path.startsWith(`${this.subnets}/`) ? path.slice(this.subnets.length + 1) : null;
  }

  /** Every key that excludes a lease at `subnets`: any with the same IPv4 network address; without IPv4, the same key. */
  place(subnets: LeaseSubnets): KeyRange {
    const path = this.lease(subnets);
    if (!subnets.subnet) return { key: Buffer.from(path), range_end: Buffer.from(`${path}\0`) };
    return prefixRange(this.path(`${subnets.subnet.address.toString()}-`));
  }
}

/** All keys that start with `prefix`: up to the prefix with its last byte one higher. Ours end in ASCII, so that never carries. */
function prefixRange(prefix: string): KeyRange {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: Buffer.from(prefix), range_end: end };
}

/** `range` without `key`, in at most two pieces. */
export function excluding(range: KeyRange, key: string): readonly KeyRange[] {
  const hole = Buffer.from(key);
  const after = Buffer.concat([hole, Buffer.from([0])]);
  if (Buffer.compare(hole, range.key) < 0 || Buffer.compare(hole, range.range_end) >= 0) return [range];
  const pieces = [
    { key: range.key, range_end: hole },
    { key: after, range_end: range.range_end },
  ];
  return pieces.filter((piece) => Buffer.compare(piece.key, piece.range_end) < 0);
}
