/**
 * A Datastore in memory: one client of a MemoryStore. It passes the conformance suite that etcd and file pass, and fails on
 * demand: single calls, a partition, a broken watch, a write whose acknowledgement is lost. Faults belong to one client, so a
 * test can cut one node off while the others go on.
 */
import { TartanError } from '../errors';
import { abortReason } from '../runtime';
import type { LeaseAttrs, LeaseSubnets } from '../lease/lease';
import type {
  ConfigRecord,
  Datastore,
  DatastoreCapabilities,
  DatastoreStatus,
  LeaseListing,
  LeaseRecord,
  WatchResponse,
} from '../datastore';
import { Inbox } from './inbox';
import type { MemoryStore } from './memory-store';

export type MemoryOperation =
  'getConfig' | 'watchConfig' | 'list' | 'create' | 'update' | 'move' | 'renew' | 'delete' | 'watch';

export interface MemoryClientOptions {
  readonly capabilities?: Partial<DatastoreCapabilities>;
  /** Milliseconds that a call spends on its way there, and again on its way back; nothing unless given. */
  readonly latencyMs?: () => number;
}

export interface FailOptions {
  /** How many calls; 1 unless given. */
  readonly times?: number;
  /** DATASTORE_UNAVAILABLE unless given. */
  readonly error?: Error;
  /** True: the store does what was asked and only the answer gets lost. */
  readonly afterwards?: boolean;
}

interface Fault extends FailOptions {
  left: number;
}

export class MemoryDatastore implements Datastore {
  readonly name = 'memory';
  readonly capabilities: DatastoreCapabilities;
  /** Calls so far by kind, failed ones included. */
  readonly calls = new Map<MemoryOperation, number>();
  private readonly faults = new Map<MemoryOperation, Fault[]>();
  private readonly inboxes = new Set<Inbox<unknown>>();
  private partitioned = false;
  private closed = false;
  private state: DatastoreStatus = { reachable: false, since: null, lastError: null };

  constructor(
    readonly store: MemoryStore,
    private readonly options: MemoryClientOptions = {},
  ) {
    this.capabilities = { expiry: true, allocation: true, ...options.capabilities };
  }

  // ---- faults ----

  /** The next calls of this kind fail. Queued after those asked for earlier. */
  fail(operation: MemoryOperation, options: FailOptions = {}): void {
    const queue = this.faults.get(operation) ?? [];
    queue.push({ ...options, left: options.times ?? 1 });
    this.faults.set(operation, queue);
  }

  /** From now on every call fails, and open watches break. */
  partition(): void {
    this.partitioned = true;
    this.breakWatches();
  }

  heal(): void {
    this.partitioned = false;
  }

  /** No fault any more: the partition is healed, and calls that should have failed will not. */
  calm(): void {
    this.faults.clear();
    this.heal();
  }

  /** Open watches end with DATASTORE_UNAVAILABLE; new ones work. */
  breakWatches(): void {
    for (const inbox of [...this.inboxes]) inbox.fail(this.unavailable('watch', 'the stream broke'));
  }

  // ---- Datastore ----

  status(): DatastoreStatus {
    return this.state;
  }

  getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    return this.call('getConfig', signal, () => {
      if (this.store.config) return this.store.config;
      throw new TartanError('DATASTORE_NOT_FOUND', { datastore: this.name, key: 'config' });
    });
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.call('list', signal, () => this.store.list());
  }

  create(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number | null,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    return this.call('create', signal, () => this.store.create(subnets, attrs, ttlSeconds));
  }

  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.call('update', signal, () => this.store.update(record, attrs, ttlSeconds));
  }

  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    return this.call('move', signal, () => this.store.move(record, subnets, attrs, ttlSeconds));
  }

  renew(record: LeaseRecord, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.call('renew', signal, () => this.store.renew(record, ttlSeconds));
  }

  delete(record: LeaseRecord, signal: AbortSignal): Promise<void> {
    return this.call('delete', signal, () => this.store.delete(record));
  }

  async *watch(afterRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const { store } = this;
    await this.call('watch', signal, () => store.changesAfter(afterRevision));
    const inbox = this.open<WatchResponse>(signal);
    const push = (revision: bigint, events: WatchResponse['events']): void =>
      inbox.push({ revision, clusterId: store.clusterId, events });
    const unsubscribe = store.subscribe({
      onChange: ({ revision, events }) => {
        if (revision > afterRevision) push(revision, events);
      },
      onProgress: () => push(store.revision, []),
      onBroken: () => inbox.fail(this.unavailable('watch', 'the stream broke')),
    });
    try {
      push(afterRevision < store.revision ? afterRevision : store.revision, []);
      for (const { revision, events } of store.changesAfter(afterRevision)) push(revision, events);
      for (;;) yield await inbox.take();
    } finally {
      unsubscribe();
      this.shut(inbox);
    }
  }

  async *watchConfig(signal: AbortSignal): AsyncGenerator<ConfigRecord> {
    const { store } = this;
    await this.call('watchConfig', signal, () => undefined);
    const inbox = this.open<ConfigRecord>(signal);
    const push = (): void => {
      if (store.config) inbox.push(store.config);
    };
    push();
    const unsubscribe = store.subscribeConfig(push);
    try {
      for (;;) yield await inbox.take();
    } finally {
      unsubscribe();
      this.shut(inbox);
    }
  }

  close(): Promise<void> {
    this.closed = true;
    this.breakWatches();
    return Promise.resolve();
  }

  // ---- inside ----

  private async call<Result>(
    operation: MemoryOperation,
    signal: AbortSignal,
    apply: () => Result,
  ): Promise<Awaited<Result>> {
    this.calls.set(operation, (this.calls.get(operation) ?? 0) + 1);
    await this.travel(signal);
    const fault = this.nextFault(operation);
    if (fault && !fault.afterwards) throw this.failure(operation, fault);
    this.assertReachable(operation);
    const result = await apply();
    await this.travel(signal);
    if (fault) throw this.failure(operation, fault);
    this.assertReachable(operation);
    this.note(true, null);
    return result;
  }

  private async travel(signal: AbortSignal): Promise<void> {
    const ms = this.options.latencyMs?.() ?? 0;
    if (ms > 0) await this.store.clock.sleep(ms, signal);
    else await Promise.resolve();
    if (signal.aborted) throw abortReason(signal);
  }

  private nextFault(operation: MemoryOperation): Fault | undefined {
    const queue = this.faults.get(operation);
    const fault = queue?.[0];
    if (fault && --fault.left <= 0) queue.shift();
    return fault;
  }

  private failure(operation: MemoryOperation, fault: Fault): Error {
    const error = fault.error ?? this.unavailable(operation, 'told to fail');
    this.note(false, error.message);
    return error;
  }

  private assertReachable(operation: MemoryOperation): void {
    if (!this.partitioned && !this.closed) return;
    const error = this.unavailable(operation, this.closed ? 'closed' : 'partitioned');
    this.note(false, error.message);
    throw error;
  }

  private unavailable(operation: string, reason: string): TartanError {
    return new TartanError('DATASTORE_UNAVAILABLE', { datastore: this.name, operation, reason });
  }

  private note(reachable: boolean, lastError: string | null): void {
    const changed = this.state.since === null || this.state.reachable !== reachable;
    const since = changed ? this.store.clock.now() : this.state.since;
    this.state = { reachable, since, lastError: lastError ?? this.state.lastError };
  }

  private open<Item>(signal: AbortSignal): Inbox<Item> {
    const inbox = new Inbox<Item>(signal);
    this.inboxes.add(inbox);
    return inbox;
  }

  private shut(inbox: Inbox<unknown>): void {
    inbox.close();
    this.inboxes.delete(inbox);
  }
}
