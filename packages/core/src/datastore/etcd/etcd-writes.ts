/**
 * Everything that changes a lease in etcd.
 *
 * Every write is one transaction on what was last seen: a place is taken only while no key holds it, a key is changed only at the
 * revision at which it was read. A request may reach etcd twice (etcd-transport.ts), so a refused transaction looks once more:
 * if the key holds our value on our etcd lease, it was our own first attempt that won.
 */
import type { IRangeResponse, ITxnRequest, ITxnResponse } from 'etcd3';
import { TartanError } from '../../errors';
import { leaseKey, type LeaseAttrs, type LeaseSubnets } from '../../lease/lease';
import { decodeLeaseValue, encodeLeaseValue } from '../codec';
import type { LeaseRecord } from '../datastore';
import { excluding, type EtcdKeys } from './etcd-keys';
import { NO_LEASE, type EtcdLease, type EtcdLeases } from './etcd-leases';
import { handleOf, type EtcdHandle } from './etcd-records';
import type { EtcdTransport } from './etcd-transport';
import { atRevision, emptyRange, foundKey, getKey, put, remove } from './etcd-txn';
import { GrpcCode, isGrpcFailure } from './grpc-failure';

export interface EtcdWritesOptions {
  readonly keys: EtcdKeys;
  readonly leases: EtcdLeases;
  readonly transport: EtcdTransport;
}

/** What a key shall hold. */
interface Target {
  readonly subnets: LeaseSubnets;
  readonly path: string;
  readonly text: string;
}

/** A transaction whose success puts the target, and whose failure reads its key. */
interface Commit {
  readonly operation: string;
  readonly target: Target;
  /** Null for a reservation. */
  readonly lease: EtcdLease | null;
  /** True when the lease was granted for this write, so that its id proves who wrote. */
  readonly fresh: boolean;
  readonly txn: ITxnRequest;
  /** Null where the key is made by this write. */
  readonly createRevision: bigint | null;
}

export class EtcdWrites {
  constructor(private readonly options: EtcdWritesOptions) {}

  async create(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number | null,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const { keys, leases } = this.options;
    const operation = 'create';
    const key = leaseKey(subnets);
    const target: Target = { subnets, path: keys.lease(subnets), text: encodeLeaseValue(key, attrs) };
    const place = keys.place(subnets);
    const lease = ttlSeconds === null ? null : await leases.grant(operation, ttlSeconds, signal);
    const txn: ITxnRequest = {
      compare: [emptyRange(place)],
      success: [put(target.path, target.text, lease?.id ?? NO_LEASE)],
      failure: [getKey(target.path)],
    };
    return this.commit({ operation, target, lease, fresh: lease !== null, txn, createRevision: null }, signal);
  }

  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    const { path, text: previous } = handleOf(record);
    const target = { subnets: record, path, text: encodeLeaseValue(record.key, attrs, previous) };
    return this.rewrite('update', record, target, ttlSeconds, signal);
  }

  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const text = encodeLeaseValue(leaseKey(subnets), attrs, handleOf(record).text);
    const target = { subnets, path: this.options.keys.lease(subnets), text };
    return this.rewrite('move', record, target, ttlSeconds, signal);
  }

  async renew(record: LeaseRecord, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    const operation = 'renew';
    const { path, text, leaseId } = handleOf(record);
    const request = { service: 'KV', method: 'range', message: { key: Buffer.from(path) } } as const;
    const { response } = await this.options.transport.call<IRangeResponse>(operation, request, signal);
    const [kv] = response.kvs;
    if (!kv) throw await this.whyAbsent(operation, record.key, leaseId, signal);
    if (BigInt(kv.mod_revision) !== record.modRevision) throw conflict(record.key);
    if (kv.lease === NO_LEASE) return { ...record, expiresAt: null };
    const lease = await this.options.leases.extend(operation, kv.lease, ttlSeconds, signal);
    if (lease === 'gone') throw gone(record.key);
    if (lease !== 'short') return { ...record, expiresAt: lease.expiresAt };
    return this.rewrite(operation, record, { subnets: record, path, text }, ttlSeconds, signal);
  }

  /** A key goes with its etcd lease; if that still lives, somebody deleted the key alone. */
  private async whyAbsent(operation: string, key: string, leaseId: string, signal: AbortSignal): Promise<TartanError> {
    if (leaseId === NO_LEASE) return conflict(key);
    const lease = await this.options.leases.extend(operation, leaseId, 0, signal);
    if (lease === 'gone') return gone(key);
    this.options.leases.abandon(leaseId);
    return conflict(key);
  }

  async delete(record: LeaseRecord, signal: AbortSignal): Promise<void> {
    const { path, leaseId } = handleOf(record);
    const txn: ITxnRequest = {
      compare: [atRevision(path, record.modRevision)],
      success: [remove(path)],
      failure: [getKey(path)],
    };
    const { response } = await this.send('delete', txn, signal);
    if (!response.succeeded && foundKey(response)) throw conflict(record.key);
    this.options.leases.abandon(leaseId);
  }

  /** Puts `target` in place of `record`, under another key where they differ, on a lease that lasts. */
  private async rewrite(
    operation: string,
    record: LeaseRecord,
    target: Target,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const { keys, leases } = this.options;
    const { path: before, leaseId } = handleOf(record);
    const lease = leaseId === NO_LEASE ? null : await this.lasting(operation, leaseId, ttlSeconds, signal);
    const moves = target.path !== before;
    const place = moves ? excluding(keys.place(target.subnets), before) : [];
    const txn: ITxnRequest = {
      compare: [atRevision(before, record.modRevision), ...place.map(emptyRange)],
      success: [put(target.path, target.text, lease?.id ?? NO_LEASE), ...(moves ? [remove(before)] : [])],
      failure: [getKey(target.path)],
    };
    const fresh = lease !== null && lease.id !== leaseId;
    const createRevision = moves ? null : record.createRevision;
    const written = await this.commit({ operation, target, lease, fresh, txn, createRevision }, signal);
    if (fresh) leases.abandon(leaseId);
    return written;
  }

  /** The lease with its time started anew, or another where it is gone or too short. */
  private async lasting(operation: string, id: string, ttlSeconds: number, signal: AbortSignal): Promise<EtcdLease> {
    const extended = await this.options.leases.extend(operation, id, ttlSeconds, signal);
    return typeof extended === 'string' ? this.options.leases.grant(operation, ttlSeconds, signal) : extended;
  }

  private async commit(commit: Commit, signal: AbortSignal): Promise<LeaseRecord> {
    const { operation, target, lease, fresh, txn } = commit;
    const key = this.options.keys.name(target.path) ?? target.path;
    try {
      const { response, attempts } = await this.send(operation, txn, signal);
      if (response.succeeded) return this.record(commit, key, BigInt(response.header.revision));
      const kv = foundKey(response);
      const holdsTarget = kv?.value.toString() === target.text && kv.lease === (lease?.id ?? NO_LEASE);
      if (holdsTarget && (fresh || attempts > 1)) return this.record(commit, key, BigInt(kv.mod_revision));
      throw conflict(key);
    } catch (error) {
      if (fresh) this.options.leases.abandon(lease?.id ?? NO_LEASE);
      // The etcd lease ended between the calls, and the key with it.
      if (isGrpcFailure(error, GrpcCode.NOT_FOUND)) throw conflict(key);
      throw error;
    }
  }

  private record({ target, lease, createRevision }: Commit, key: string, modRevision: bigint): LeaseRecord {
    const { subnet, ipv6Subnet } = target.subnets;
    const attrs = decodeLeaseValue(target.text);
    if (!attrs.ok) throw new TartanError('DATASTORE_UNWRITABLE', { key, reason: attrs.reason });
    const handle: EtcdHandle = { path: target.path, text: target.text, leaseId: lease?.id ?? NO_LEASE };
    return {
      key,
      subnet,
      ipv6Subnet,
      attrs: attrs.value,
      createRevision: createRevision ?? modRevision,
      modRevision,
      reservation: lease === null,
      expiresAt: lease?.expiresAt ?? null,
      handle,
    };
  }

  private send(
    operation: string,
    message: ITxnRequest,
    signal: AbortSignal,
  ): ReturnType<typeof this.options.transport.call<ITxnResponse>> {
    const request = { service: 'KV', method: 'txn', message } as const;
    return this.options.transport.call<ITxnResponse>(operation, request, signal);
  }
}

function conflict(key: string): TartanError {
  return new TartanError('DATASTORE_CONFLICT', { datastore: 'etcd', key });
}

function gone(key: string): TartanError {
  return new TartanError('DATASTORE_LEASE_GONE', { datastore: 'etcd', key });
}
