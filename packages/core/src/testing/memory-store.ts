/**
 * The shared state behind MemoryDatastore: what etcd's key space would hold, small enough to reason about.
 *
 * Every change takes one revision and is applied in one turn of the event loop, so the store is linearizable by construction.
 * Leases (times to live) are objects of their own, as in etcd: a key refers to one, renewing extends it without touching the
 * key, and deleting a key leaves the lease alone. Time comes from the injected clock's monotonic side. Expired keys are removed
 * before every access, and by a timer while somebody watches, so a store without watchers holds no timer.
 *
 * Tests also reach around the contract: putRaw() writes what does not parse, put() overwrites without compare as flanneld does,
 * rebuild() is a cluster made anew, restore() one that went back in time, compact() drops history.
 */
import { TartanError } from '../errors';
import { leaseKey, type LeaseAttrs, type LeaseSubnets } from '../lease/lease';
import { systemClock, type Clock, type Timer } from '../runtime';
import type { ConfigRecord, LeaseEvent, LeaseListing, LeaseRecord } from '../datastore';
import { MemoryLeases } from './memory-leases';
import { MemoryDatastore, type MemoryClientOptions } from './memory-datastore';

/** setTimeout() overflows above this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface Entry {
  readonly value: { readonly subnets: LeaseSubnets; readonly attrs: LeaseAttrs } | { readonly unparsable: string };
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** Id in `leases`; null for a key without time to live. */
  readonly leaseId: number | null;
}

/** What a watcher hears: everything that one revision changed. */
export interface MemoryChange {
  readonly revision: bigint;
  readonly events: readonly LeaseEvent[];
}

/** A watcher's side of the store. */
export interface MemoryWatcher {
  onChange(change: MemoryChange): void;
  onProgress(): void;
  onBroken(): void;
}

/** A state of the store. Opaque. */
export interface MemoryBackup {
  readonly revision: bigint;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly leases: ReadonlyMap<number, number>;
}

export interface MemoryStoreOptions {
  readonly clock?: Clock;
}

export class MemoryStore {
  readonly clock: Clock;
  /** Revision of the last change; a new store is at 1, as etcd is. */
  revision = 1n;
  config: ConfigRecord | null = null;
  private generation = 1;
  private compacted = 0n;
  private entries = new Map<string, Entry>();
  private readonly leases: MemoryLeases;
  private changes: MemoryChange[] = [];
  private readonly watchers = new Set<MemoryWatcher>();
  private readonly configWatchers = new Set<() => void>();
  private expiryTimer: Timer | null = null;

  constructor(options: MemoryStoreOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.leases = new MemoryLeases(this.clock);
  }

  /** Another client of this state. */
  connect(options: MemoryClientOptions = {}): MemoryDatastore {
    return new MemoryDatastore(this, options);
  }

  get clusterId(): string {
    return `memory-${this.generation}`;
  }

  // ---- what a client may do; each throws what the contract says ----

  list(): LeaseListing {
    this.expire();
    const records: LeaseRecord[] = [];
    const skipped = [];
    for (const [key, entry] of [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if ('unparsable' in entry.value)
        skipped.push({ key, reason: entry.value.unparsable, modRevision: entry.modRevision });
      else records.push(this.record(key, entry));
    }
    return { revision: this.revision, clusterId: this.clusterId, records, skipped };
  }

  create(subnets: LeaseSubnets, attrs: LeaseAttrs, ttlSeconds: number | null): LeaseRecord {
    this.expire();
    const taken = this.keysAtPlace(subnets)[0];
    if (taken !== undefined) throw conflict(taken);
    return this.hold(subnets, attrs, this.leases.grant(ttlSeconds));
  }

  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number): LeaseRecord {
    const entry = this.expected(record);
    this.leases.revoke(entry.leaseId);
    const leaseId = this.leases.grant(record.reservation ? null : ttlSeconds);
    return this.hold(record, attrs, leaseId);
  }

  move(record: LeaseRecord, subnets: LeaseSubnets, attrs: LeaseAttrs, ttlSeconds: number): LeaseRecord {
    const entry = this.expected(record);
    const taken = this.keysAtPlace(subnets).find((key) => key !== record.key);
    if (taken !== undefined) throw conflict(taken);
    if (leaseKey(subnets) === record.key) return this.update(record, attrs, ttlSeconds);
    this.leases.revoke(entry.leaseId);
    this.entries.delete(record.key);
    const gone: LeaseEvent = { type: 'delete', key: record.key, modRevision: this.revision + 1n };
    const leaseId = this.leases.grant(record.reservation ? null : ttlSeconds);
    return this.hold(subnets, attrs, leaseId, [gone]);
  }

  renew(record: LeaseRecord, ttlSeconds: number): LeaseRecord {
    this.expire();
    const leaseId = record.handle as number | null;
    if (leaseId !== null && !this.leases.isLive(leaseId)) {
      throw new TartanError('DATASTORE_LEASE_GONE', { datastore: 'memory', key: record.key });
    }
    const entry = this.expected(record);
    if (entry.leaseId === null) return this.record(record.key, entry);
    this.leases.extend(entry.leaseId, ttlSeconds);
    this.armExpiry();
    return this.record(record.key, entry, this.leases.expiresAt(entry.leaseId));
  }

  delete(record: LeaseRecord): void {
    this.expire();
    if (!this.entries.has(record.key)) return;
    const entry = this.expected(record);
    this.erase(record.key);
    this.leases.revoke(entry.leaseId);
  }

  /** Changes after `revision` that are still kept. Throws DATASTORE_COMPACTED. */
  changesAfter(revision: bigint): MemoryChange[] {
    this.expire();
    if (revision < this.compacted) {
      throw new TartanError('DATASTORE_COMPACTED', { datastore: 'memory', revision: revision.toString() });
    }
    return this.changes.filter((change) => change.revision > revision);
  }

  /** Adds a watcher; returns what removes it. */
  subscribe(watcher: MemoryWatcher): () => void {
    this.watchers.add(watcher);
    this.armExpiry();
    return () => {
      this.watchers.delete(watcher);
      this.armExpiry();
    };
  }

  subscribeConfig(onChange: () => void): () => void {
    this.configWatchers.add(onChange);
    return () => void this.configWatchers.delete(onChange);
  }

  // ---- what tests do behind the contract's back ----

  /** Keys as stored, unparsable ones included. */
  keys(): string[] {
    this.expire();
    return [...this.entries.keys()].sort();
  }

  get(key: string): LeaseRecord | undefined {
    return this.list().records.find((record) => record.key === key);
  }

  /** Writes a lease without any compare, as flanneld's renewal does. */
  put(subnets: LeaseSubnets, attrs: LeaseAttrs, ttlSeconds: number | null = 86_400): LeaseRecord {
    this.expire();
    return this.hold(subnets, attrs, this.leases.grant(ttlSeconds));
  }

  /** Writes what does not parse, under any key; over a lease it takes the lease's place. */
  putRaw(key: string, reason = 'not a lease'): void {
    this.expire();
    this.write(key, { unparsable: reason }, null);
  }

  /** Deletes a key whoever owns it. */
  remove(key: string): void {
    this.expire();
    if (this.entries.has(key)) this.erase(key);
  }

  setConfig(text: string): void {
    this.revision++;
    this.config = { text, revision: this.revision };
    for (const onChange of [...this.configWatchers]) onChange();
  }

  /** Drops history up to and including `revision`: watches that would resume below it are refused. */
  compact(revision: bigint = this.revision): void {
    this.compacted = revision;
    this.changes = this.changes.filter((change) => change.revision > revision);
  }

  /** Moves the revision on without touching a lease, as writes elsewhere in the datastore do. */
  touch(revisions = 1): void {
    this.revision += BigInt(revisions);
  }

  /** Every watcher hears the present revision. */
  reportProgress(): void {
    this.expire();
    for (const watcher of [...this.watchers]) watcher.onProgress();
  }

  /** The cluster is made anew, empty: another cluster id, revisions from 1, watches broken. */
  rebuild(): void {
    this.generation++;
    this.revision = 1n;
    this.compacted = 0n;
    this.changes = [];
    this.entries.clear();
    this.leases.restore(new Map());
    this.config = null;
    for (const watcher of [...this.watchers]) watcher.onBroken();
    this.armExpiry();
  }

  /** The present state, for restore(). */
  backup(): MemoryBackup {
    return { revision: this.revision, entries: new Map(this.entries), leases: this.leases.backup() };
  }

  /** An old state comes back in place, as when a data directory is copied back: same cluster id, lower revision. */
  restore({ revision, entries, leases }: MemoryBackup): void {
    this.revision = revision;
    this.changes = this.changes.filter((change) => change.revision <= revision);
    this.entries = new Map(entries);
    this.leases.restore(leases);
    for (const watcher of [...this.watchers]) watcher.onBroken();
    this.armExpiry();
  }

  // ---- inside ----

  /** Keys that exclude a lease at `subnets`: any with the same IPv4 network address; without IPv4, the same key. */
  private keysAtPlace(subnets: LeaseSubnets): string[] {
    const start = subnets.subnet && `${subnets.subnet.address.toString()}-`;
    if (start === null) return this.entries.has(leaseKey(subnets)) ? [leaseKey(subnets)] : [];
    return [...this.entries.keys()].filter((key) => key.startsWith(start));
  }

  private expected(record: LeaseRecord): Entry {
    this.expire();
    const entry = this.entries.get(record.key);
    if (entry?.modRevision !== record.modRevision) throw conflict(record.key);
    return entry;
  }

  private write(key: string, value: Entry['value'], leaseId: number | null, before: readonly LeaseEvent[] = []): Entry {
    const modRevision = ++this.revision;
    const createRevision = this.entries.get(key)?.createRevision ?? modRevision;
    const entry: Entry = { value, createRevision, modRevision, leaseId };
    this.entries.set(key, entry);
    this.armExpiry();
    const event: LeaseEvent =
      'unparsable' in value
        ? { type: 'skipped', entry: { key, reason: value.unparsable }, modRevision }
        : { type: 'put', record: this.record(key, entry) };
    this.publish([...before, event]);
    return entry;
  }

  private hold(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    leaseId: number | null,
    before: readonly LeaseEvent[] = [],
  ): LeaseRecord {
    const key = leaseKey(subnets);
    const entry = this.write(key, { subnets, attrs }, leaseId, before);
    return this.record(key, entry, this.leases.expiresAt(leaseId));
  }

  private erase(key: string): void {
    this.revision++;
    this.entries.delete(key);
    this.publish([{ type: 'delete', key, modRevision: this.revision }]);
  }

  private publish(events: readonly LeaseEvent[]): void {
    const change = { revision: this.revision, events };
    this.changes.push(change);
    for (const watcher of [...this.watchers]) watcher.onChange(change);
  }

  private record(key: string, entry: Entry, expiresAt: number | null = null): LeaseRecord {
    const { subnets, attrs } = entry.value as { subnets: LeaseSubnets; attrs: LeaseAttrs };
    return {
      key,
      subnet: subnets.subnet,
      ipv6Subnet: subnets.ipv6Subnet,
      attrs,
      createRevision: entry.createRevision,
      modRevision: entry.modRevision,
      reservation: entry.leaseId === null,
      expiresAt,
      handle: entry.leaseId,
    };
  }

  private expire(): void {
    for (const id of this.leases.takeExpired()) {
      for (const [key, { leaseId }] of [...this.entries]) if (leaseId === id) this.erase(key);
    }
  }

  private armExpiry(): void {
    this.expiryTimer?.cancel();
    this.expiryTimer = null;
    const delayMs = this.watchers.size > 0 ? this.leases.nextEndMs() : null;
    if (delayMs === null) return;
    this.expiryTimer = this.clock.setTimer(Math.min(delayMs, LONGEST_TIMER_MS), () => {
      this.expire();
      this.armExpiry();
    });
  }
}

function conflict(key: string): TartanError {
  return new TartanError('DATASTORE_CONFLICT', { datastore: 'memory', key });
}
