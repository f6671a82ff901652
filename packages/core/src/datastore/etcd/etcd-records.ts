import type { IEvent, IKeyValue } from 'etcd3';
import type { LeaseEvent, LeaseRecord, SkippedEntry } from '../datastore';
import { decodeLeaseValue, parseLeaseKey } from '../codec';
import type { EtcdKeys } from './etcd-keys';
import { NO_LEASE, type EtcdLease } from './etcd-leases';

/** What a LeaseRecord of ours carries for the next write. */
export interface EtcdHandle {
  /** Full key. */
  readonly path: string;
  /** The value as stored, to be rewritten with what others put into it. */
  readonly text: string;
  /** NO_LEASE for a reservation. */
  readonly leaseId: string;
}

export type EtcdEntry = { readonly record: LeaseRecord } | { readonly skipped: SkippedEntry };

/**
 * A key and value as a lease. The record's key is the name below `subnets/` as it stands in etcd: leaseKey() of the subnets,
 * unless somebody spelt it in another way that flanneld also reads.
 */
export function readEntry(keys: EtcdKeys, kv: IKeyValue, lease?: EtcdLease): EtcdEntry {
  const path = kv.key.toString();
  const name = keys.name(path);
  if (name === null) return { skipped: { key: path, reason: `the key is not below ${keys.subnets}/` } };
  const subnets = parseLeaseKey(name);
  if (!subnets.ok) return { skipped: { key: name, reason: subnets.reason } };
  const text = kv.value.toString();
  const attrs = decodeLeaseValue(text);
  if (!attrs.ok) return { skipped: { key: name, reason: attrs.reason } };
  const handle: EtcdHandle = { path, text, leaseId: kv.lease };
  const record: LeaseRecord = {
    key: name,
    ...subnets.value,
    attrs: attrs.value,
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    reservation: kv.lease === NO_LEASE,
    expiresAt: lease?.id === kv.lease ? lease.expiresAt : null,
    handle,
  };
  return { record };
}

/** Of a delete, etcd tells only the key: also one that never was a lease. */
export function readEvent(keys: EtcdKeys, { type, kv }: IEvent): LeaseEvent {
  const modRevision = BigInt(kv.mod_revision);
  if (type === 'Delete') {
    const path = kv.key.toString();
    return { type: 'delete', key: keys.name(path) ?? path, modRevision };
  }
  const entry = readEntry(keys, kv);
  return 'record' in entry
    ? { type: 'put', record: entry.record }
    : { type: 'skipped', entry: entry.skipped, modRevision };
}

/** The handle of a record that this kind of datastore made. */
export function handleOf(record: LeaseRecord): EtcdHandle {
  return record.handle as EtcdHandle;
}
