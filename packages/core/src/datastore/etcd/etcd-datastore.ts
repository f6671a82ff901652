/**
 * Leases in etcd v3, in the places and with the bytes that flanneld uses (flannel-compat 2).
 *
 *   etcd-datastore    the contract: reading, watching, errors
 *   etcd-writes       transactions        etcd-leases      times to live
 *   etcd-watch        one watch stream    etcd-records     key and value to LeaseRecord
 *   etcd-transport    fail-over, limits   etcd-connection  one gRPC connection (etcd3)
 *   etcd-auth         session tokens      tls-files        certificates that change
 *
 * Listing is one linearizable range read. Times to live of other nodes' keys are not asked for; the original does, one round
 * trip per key, and drops the lease when that fails (flannel-compat 13 E8).
 */
import type { IKeyValue, IRangeResponse } from 'etcd3';
import { TartanError } from '../../errors';
import { silentLogger, systemClock } from '../../runtime';
import type { LeaseAttrs, LeaseSubnets } from '../../lease/lease';
import type {
  ConfigRecord,
  Datastore,
  DatastoreCapabilities,
  DatastoreStatus,
  LeaseListing,
  LeaseRecord,
  SkippedEntry,
  WatchResponse,
} from '../datastore';
import { Reachability } from '../shared/reachability';
import { EtcdAuth } from './etcd-auth';
import { EtcdKeys, type KeyRange } from './etcd-keys';
import { EtcdLeases } from './etcd-leases';
import { checkEtcdOptions, DEFAULT_ETCD_PREFIX, parseEtcdEndpoints, type EtcdDatastoreOptions } from './etcd-options';
import { readEntry, readEvent } from './etcd-records';
import { EtcdTransport } from './etcd-transport';
import { watchRange, type EtcdWatchAnswer } from './etcd-watch';
import { EtcdWrites } from './etcd-writes';
import { isGrpcFailure, toTartanError } from './grpc-failure';
import { TlsFiles } from './tls-files';

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_PROGRESS_INTERVAL_MS = 60_000;
/** How long close() waits for leases left over to be revoked. */
const CLOSE_GRACE_MS = 1_000;

/** Throws DATASTORE_OPTION_INVALID. Connects with the first call. */
export function createEtcdDatastore(options: EtcdDatastoreOptions): Datastore {
  return new EtcdDatastore(options);
}

class EtcdDatastore implements Datastore {
  readonly name = 'etcd';
  readonly capabilities: DatastoreCapabilities = { expiry: true, allocation: true };
  private readonly keys: EtcdKeys;
  private readonly reachability: Reachability;
  private readonly transport: EtcdTransport;
  private readonly leases: EtcdLeases;
  private readonly writes: EtcdWrites;

  constructor(private readonly options: EtcdDatastoreOptions) {
    checkEtcdOptions(options);
    const { tls = {}, username = '', password = '', timeoutMs = DEFAULT_TIMEOUT_MS, random = Math.random } = options;
    const { clock = systemClock, logger = silentLogger, prefix = DEFAULT_ETCD_PREFIX } = options;
    const endpoints = parseEtcdEndpoints(options.endpoints, tls);
    const fields = { endpoints: endpoints.map(({ target }) => target) };
    const secure = endpoints.some((endpoint) => endpoint.secure);
    if (!secure && Object.values(tls).some((file) => file !== undefined && file !== '')) {
      logger.warn('certificate files are not used, the etcd endpoints are http', fields);
    }
    this.keys = new EtcdKeys(prefix);
    this.reachability = new Reachability({ datastore: this.name, clock, logger, fields });
    this.transport = new EtcdTransport({
      endpoints,
      tlsFiles: secure ? new TlsFiles({ tls, clock, logger }) : null,
      auth: new EtcdAuth(username === '' ? null : { name: username, password }, logger),
      reachability: this.reachability,
      timeoutMs,
      clock,
      logger,
      random,
    });
    this.leases = new EtcdLeases({ transport: this.transport, clock, logger });
    this.writes = new EtcdWrites({ keys: this.keys, leases: this.leases, transport: this.transport });
  }

  status(): DatastoreStatus {
    return this.reachability.status();
  }

  reconnect(): void {
    this.transport.reconnect();
  }

  getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    return this.guard('getConfig', async () => {
      const { kvs } = await this.range('getConfig', { key: Buffer.from(this.keys.config) }, signal);
      if (kvs[0]) return configRecord(kvs[0]);
      throw new TartanError('DATASTORE_NOT_FOUND', { datastore: this.name, key: this.keys.config });
    });
  }

  async *watchConfig(signal: AbortSignal): AsyncGenerator<ConfigRecord> {
    const operation = 'watchConfig';
    const key = Buffer.from(this.keys.config);
    const { kvs, header } = await this.guard(operation, () => this.range(operation, { key }, signal));
    if (kvs[0]) yield configRecord(kvs[0]);
    const range = { key, range_end: Buffer.concat([key, Buffer.from([0])]) };
    for await (const { events } of this.answers(operation, range, BigInt(header.revision), signal)) {
      for (const { type, kv } of events) if (type === 'Put') yield configRecord(kv);
    }
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.guard('list', async () => {
      const { kvs, header } = await this.range('list', this.keys.all, signal);
      const records: LeaseRecord[] = [];
      const skipped: SkippedEntry[] = [];
      for (const kv of kvs) {
        const entry = readEntry(this.keys, kv);
        if ('record' in entry) records.push(entry.record);
        else skipped.push(entry.skipped);
      }
      return { revision: BigInt(header.revision), clusterId: header.cluster_id, records, skipped };
    });
  }

  create(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number | null,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    return this.guard('create', () => this.writes.create(subnets, attrs, ttlSeconds, signal));
  }

  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.guard('update', () => this.writes.update(record, attrs, ttlSeconds, signal));
  }

  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    return this.guard('move', () => this.writes.move(record, subnets, attrs, ttlSeconds, signal));
  }

  renew(record: LeaseRecord, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.guard('renew', () => this.writes.renew(record, ttlSeconds, signal));
  }

  delete(record: LeaseRecord, signal: AbortSignal): Promise<void> {
    return this.guard('delete', () => this.writes.delete(record, signal));
  }

  async *watch(afterRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    for await (const { revision, clusterId, events } of this.answers('watch', this.keys.all, afterRevision, signal)) {
      yield { revision, clusterId, events: events.map((event) => readEvent(this.keys, event)) };
    }
  }

  async close(): Promise<void> {
    const { clock = systemClock } = this.options;
    const patience = new AbortController();
    const grace = clock.sleep(CLOSE_GRACE_MS, patience.signal).catch(() => undefined);
    await Promise.race([this.leases.settled(), grace]);
    patience.abort();
    this.transport.close();
  }

  private async range(operation: string, message: Partial<KeyRange>, signal: AbortSignal): Promise<IRangeResponse> {
    const request = { service: 'KV', method: 'range', message } as const;
    return (await this.transport.call<IRangeResponse>(operation, request, signal)).response;
  }

  /** A watch that finds a member willing to serve it; once it stands, whatever ends it ends this. */
  private async *answers(
    operation: string,
    range: KeyRange,
    afterRevision: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<EtcdWatchAnswer> {
    const { transport, reachability } = this;
    const { clock = systemClock, progressIntervalMs = DEFAULT_PROGRESS_INTERVAL_MS } = this.options;
    for (let attempts = 1; ; attempts++) {
      let standing = false;
      try {
        const watch = watchRange({ transport, clock, progressIntervalMs, range, afterRevision, signal });
        for await (const answer of watch) {
          if (!standing) reachability.succeeded(operation);
          standing = true;
          yield answer;
        }
      } catch (error) {
        if (!isGrpcFailure(error)) throw error;
        if (!standing && attempts <= transport.spareAttempts(error)) continue;
        const failure = toTartanError(error, operation);
        throw standing ? failure : reachability.failed(operation, failure);
      }
    }
  }

  private async guard<Result>(operation: string, run: () => Promise<Result>): Promise<Result> {
    try {
      const result = await run();
      this.leases.sweep();
      return result;
    } catch (error) {
      throw isGrpcFailure(error) ? toTartanError(error, operation) : error;
    }
  }
}

function configRecord(kv: IKeyValue): ConfigRecord {
  return { text: kv.value.toString(), revision: BigInt(kv.mod_revision) };
}
