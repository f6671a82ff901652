import type { LeaseAttrs, LeaseSubnets } from '../lease/lease';

/** A lease as the datastore holds it. Immutable. */
export interface LeaseRecord extends LeaseSubnets {
  /** leaseKey() of the subnets, or the name found where somebody spelt it in another way; unique in the datastore. */
  readonly key: string;
  readonly attrs: LeaseAttrs;
  /** Revision at which the key came to be: of two overlapping leases the older one has precedence. */
  readonly createRevision: bigint;
  /** Revision of the last change; compare-and-swap compares this one. */
  readonly modRevision: bigint;
  /** True when the key has no time to live (flannel-compat 2.4). */
  readonly reservation: boolean;
  /** Milliseconds since the epoch. Known for records that this process created or renewed, else null. */
  readonly expiresAt: number | null;
  /** Datastore-private handle (etcd: the lease id). Callers hand it back untouched. */
  readonly handle?: unknown;
}

/** An entry that does not parse; never a reason to drop the others. */
export interface SkippedEntry {
  /** The leaf below the subnets directory; the whole key where it lies outside of it. */
  readonly key: string;
  readonly reason: string;
  /** Revision of the last change, where known: it lets the rightful owner put its key right again. */
  readonly modRevision?: bigint;
}

export interface LeaseListing {
  readonly revision: bigint;
  /** Identity of the datastore; a change means that it was rebuilt and revisions start anew. */
  readonly clusterId: string;
  readonly records: readonly LeaseRecord[];
  readonly skipped: readonly SkippedEntry[];
}

export type LeaseEvent =
  | { readonly type: 'put'; readonly record: LeaseRecord }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: bigint }
  | { readonly type: 'skipped'; readonly entry: SkippedEntry; readonly modRevision: bigint };

/** One answer of a watch: events in order, or none for a progress report. */
export interface WatchResponse {
  /** Every change up to and including this revision has been delivered. */
  readonly revision: bigint;
  readonly clusterId: string;
  readonly events: readonly LeaseEvent[];
}

export interface ConfigRecord {
  /** The JSON text as stored. */
  readonly text: string;
  readonly revision: bigint;
}

export interface DatastoreCapabilities {
  /** Keys run out by themselves unless renewed. */
  readonly expiry: boolean;
  /** Anybody can create leases; false when subnets are assigned by an administrator (static nodes file). */
  readonly allocation: boolean;
  /** Without allocation: what an administrator has to do so that a node gets its subnet. A sentence for logs and status pages. */
  readonly howToAssign?: string;
}

export interface DatastoreStatus {
  readonly reachable: boolean;
  /** Clock.now() of the last change of `reachable`, null before the first call. */
  readonly since: number | null;
  /** Text of the last failure, without secrets. */
  readonly lastError: string | null;
}

/**
 * Where leases live. Every call has a time limit of its own and honours the signal; none hangs. Errors:
 * DATASTORE_UNAVAILABLE (try again later), DATASTORE_DENIED, DATASTORE_NOT_FOUND, DATASTORE_CONFLICT, DATASTORE_COMPACTED,
 * DATASTORE_LEASE_GONE. Calls may run at the same time.
 */
export interface Datastore {
  /** For logs and errors: `etcd`, `file`, `memory`. */
  readonly name: string;
  readonly capabilities: DatastoreCapabilities;
  status(): DatastoreStatus;

  /** The network config. DATASTORE_NOT_FOUND when nobody wrote it yet. */
  getConfig(signal: AbortSignal): Promise<ConfigRecord>;
  /**
   * Yields the config whenever it may have changed (the same text may come twice), first the present one if there is one.
   * Ends by throwing: the abort reason, or what broke the watch (start it again after a pause).
   */
  watchConfig(signal: AbortSignal): AsyncIterable<ConfigRecord>;

  /** All leases at one revision, in one read. */
  list(signal: AbortSignal): Promise<LeaseListing>;
  /**
   * Creates the lease if nothing holds the same IPv4 network address (IPv6-only: the same key). `ttlSeconds` null makes a
   * reservation. DATASTORE_CONFLICT when taken.
   */
  create(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number | null,
    signal: AbortSignal,
  ): Promise<LeaseRecord>;
  /**
   * Replaces the attributes if the key still has `record.modRevision`, and renews its time to live where it has one.
   * A reservation stays one. DATASTORE_CONFLICT when changed or gone.
   */
  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord>;
  /**
   * Gives up `record` and holds `subnets` instead, in one step: nobody ever sees neither or both. A reservation stays one.
   * The new key's createRevision is new. With equal keys this is `update`. DATASTORE_CONFLICT when the record was changed or
   * is gone, or when a key other than the record's holds the new place by the rule of `create`.
   */
  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord>;
  /**
   * Extends the time to live without a visible change where possible. DATASTORE_LEASE_GONE when it has run out;
   * DATASTORE_CONFLICT when the key is not the one last seen any more (a stranger put it).
   */
  renew(record: LeaseRecord, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord>;
  /** Deletes the key if it still has `record.modRevision`. Already gone is success; DATASTORE_CONFLICT when changed. */
  delete(record: LeaseRecord, signal: AbortSignal): Promise<void>;
  /**
   * Every change after `afterRevision`, in order, resumable at `response.revision`. Progress reports come at least every
   * few minutes. Ends by throwing: the abort reason, DATASTORE_COMPACTED (list again), or what broke the stream.
   *
   * As soon as the watch stands it yields one response without events, whose revision is `afterRevision`, or the datastore's
   * own where that is lower: so a datastore that was rebuilt or restored shows itself by clusterId or revision at once.
   */
  watch(afterRevision: bigint, signal: AbortSignal): AsyncIterable<WatchResponse>;

  /**
   * This host's interfaces or addresses have changed, so open connections may lead nowhere without a sign. From now on new ones are
   * used; calls and watches under way end with DATASTORE_UNAVAILABLE and can be started again at once. Absent where there are
   * no connections.
   */
  reconnect?(): void;
  /** Releases all sockets, files and timers; calls under way fail. Idempotent. */
  close(): Promise<void>;
}
