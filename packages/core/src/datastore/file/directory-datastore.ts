/**
 * Leases in a shared directory. Every write holds the directory's lock, looks at the files as they are now, compares with what the
 * caller saw, and changes one file in one step.
 *
 * What it gives: two nodes never create the same place, a stranger's entry is never overwritten, readers never see half an entry.
 * What it does not: times to live are compared with each host's own clock (hence the grace period), and changes made by
 * other hosts are seen at the polling interval.
 */
import { readFile, rename, unlink } from 'node:fs/promises';
import { TartanError } from '../../errors';
import type { Clock } from '../../runtime';
import { leaseKey, type LeaseAttrs, type LeaseSubnets } from '../../lease/lease';
import { encodeLeaseValue, formatLeaseKey } from '../codec';
import type {
  ConfigRecord,
  Datastore,
  DatastoreCapabilities,
  DatastoreStatus,
  LeaseListing,
  LeaseRecord,
  WatchResponse,
} from '../datastore';
import type { DirectoryLock, HeldLock } from './directory-lock';
import { entryIdentity, readEntryFile, valueOfIdentity, writeEntryFile, type ReadEntry } from './entry-file';
import { createFile, hasCode, replaceFile, syncDirectory } from './exclusive-file';
import type { FileView } from './file-view';
import type { LeaseDirectory } from './lease-directory';

/** Part of a call's time that may be spent waiting for the lock. */
const LOCK_SHARE = 0.8;

export interface DirectoryDatastoreOptions {
  readonly directory: LeaseDirectory;
  readonly lock: DirectoryLock;
  readonly view: FileView;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** An entry as it stands in its file now. */
type Present =
  { readonly state: 'absent' | 'unreadable' } | { readonly state: 'dead' | 'live'; readonly entry: ReadEntry };

export class DirectoryDatastore implements Datastore {
  readonly name = 'file';
  readonly capabilities: DatastoreCapabilities = { expiry: true, allocation: true };

  constructor(private readonly options: DirectoryDatastoreOptions) {}

  status(): DatastoreStatus {
    return this.options.view.status();
  }

  getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    return this.options.view.getConfig(signal);
  }

  watchConfig(signal: AbortSignal): AsyncIterable<ConfigRecord> {
    return this.options.view.watchConfig(signal);
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.options.view.list(signal);
  }

  watch(afterRevision: bigint, signal: AbortSignal): AsyncIterable<WatchResponse> {
    return this.options.view.watch(afterRevision, signal);
  }

  create(
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number | null,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    return this.write('create', signal, async (lock) => {
      const key = formatLeaseKey(subnets);
      const value = encodeLeaseValue(key, attrs);
      const created = await this.clear(lock, subnets);
      const entry = { created, version: 1, expiresAt: this.expiry(ttlSeconds), value };
      await lock.confirm();
      const { directory } = this.options;
      const made = await createFile(directory.path, directory.fileOf(key), writeEntryFile(entry));
      if (!made) throw conflict(key);
      return this.seen(key, entry.expiresAt);
    });
  }

  update(record: LeaseRecord, attrs: LeaseAttrs, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.write('update', signal, async (lock) => {
      const { created, version, expiresAt } = await this.expected(record);
      const value = encodeLeaseValue(record.key, attrs, valueOfIdentity(record.handle as string));
      const until = expiresAt === null ? null : this.expiry(ttlSeconds);
      await this.replace(lock, record.key, { created, version: version + 1, expiresAt: until, value });
      return this.seen(record.key, until);
    });
  }

  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const key = leaseKey(subnets);
    if (key === record.key) return this.update(record, attrs, ttlSeconds, signal);
    return this.write('move', signal, async (lock) => {
      const { directory } = this.options;
      const { expiresAt } = await this.expected(record);
      const value = encodeLeaseValue(formatLeaseKey(subnets), attrs, valueOfIdentity(record.handle as string));
      const created = await this.clear(lock, subnets, record.key);
      const until = expiresAt === null ? null : this.expiry(ttlSeconds);
      // First the new content under the old name, then the name: whoever looks in between sees one place, not two.
      await this.replace(lock, record.key, { created, version: 1, expiresAt: until, value });
      await lock.confirm();
      await rename(directory.fileOf(record.key), directory.fileOf(key));
      await syncDirectory(directory.path);
      return this.seen(key, until);
    });
  }

  renew(record: LeaseRecord, ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.write('renew', signal, async (lock) => {
      const entry = await this.expected(record, 'DATASTORE_LEASE_GONE');
      if (entry.expiresAt === null) return { ...record, expiresAt: null };
      const until = this.expiry(ttlSeconds);
      await this.replace(lock, record.key, { ...entry, expiresAt: until });
      return this.seen(record.key, until);
    });
  }

  delete(record: LeaseRecord, signal: AbortSignal): Promise<void> {
    return this.write('delete', signal, async (lock) => {
      const { state } = await this.present(record.key);
      if (state === 'absent') return;
      if (state !== 'dead') await this.expected(record);
      await lock.confirm();
      await unlink(this.options.directory.fileOf(record.key));
      await syncDirectory(this.options.directory.path);
      await this.options.view.refresh();
    });
  }

  close(): Promise<void> {
    this.options.view.close();
    return Promise.resolve();
  }

  /** Runs a write under the lock, with nobody of this process reading in between. */
  private write<Result>(
    operation: string,
    signal: AbortSignal,
    task: (lock: HeldLock) => Promise<Result>,
  ): Promise<Result> {
    const { view, lock, clock, timeoutMs } = this.options;
    // Earlier than the limit of the whole call, so that the error can say who holds the lock.
    const endsAt = clock.monotonic() + timeoutMs * LOCK_SHARE;
    const mayWait = (): boolean => !signal.aborted && clock.monotonic() < endsAt;
    return view.exclusively(operation, signal, async () => {
      await view.refresh();
      return lock.run(mayWait, task);
    });
  }

  /**
   * Makes sure that nothing but `except` holds the place, removing what has run out. Resolves with the creation time for an entry
   * there: later than that of every other entry.
   */
  private async clear(lock: HeldLock, subnets: LeaseSubnets, except?: string): Promise<number> {
    const { directory, clock } = this.options;
    const { entries } = await directory.scan();
    const taken = [...entries.keys()].find((key) => key !== except && isSamePlace(key, subnets));
    if (taken !== undefined) throw conflict(taken);
    if ((await this.present(leaseKey(subnets))).state === 'dead') {
      await lock.confirm();
      await unlink(directory.fileOf(leaseKey(subnets)));
    }
    let created = Math.floor(clock.now() * 1000);
    for (const entry of entries.values()) {
      if (entry.kind === 'lease') created = Math.max(created, Number(entry.createRevision) + 1);
    }
    return created;
  }

  /** The entry, if it is alive and looks as it did to the caller. */
  private async expected(
    record: LeaseRecord,
    whenDead: 'DATASTORE_CONFLICT' | 'DATASTORE_LEASE_GONE' = 'DATASTORE_CONFLICT',
  ): Promise<ReadEntry> {
    const present = await this.present(record.key);
    if (present.state === 'dead') throw new TartanError(whenDead, { datastore: this.name, key: record.key });
    if (present.state !== 'live' || entryIdentity(present.entry) !== record.handle) throw conflict(record.key);
    return present.entry;
  }

  private async present(key: string): Promise<Present> {
    const { directory } = this.options;
    try {
      const entry = readEntryFile(await readFile(directory.fileOf(key), 'utf8'));
      if (!entry.ok) return { state: 'unreadable' };
      const dead = directory.isDead({ deadAt: directory.deadAt(entry.value.expiresAt) });
      return { state: dead ? 'dead' : 'live', entry: entry.value };
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return { state: 'absent' };
      throw error;
    }
  }

  private async replace(lock: HeldLock, key: string, entry: Parameters<typeof writeEntryFile>[0]): Promise<void> {
    const { directory } = this.options;
    await lock.confirm();
    await replaceFile(directory.path, directory.fileOf(key), writeEntryFile(entry));
  }

  private expiry(ttlSeconds: number | null): number | null {
    return ttlSeconds === null ? null : this.options.clock.now() + ttlSeconds * 1000;
  }

  /** The record as everybody sees it now, with the time that only we know. */
  private async seen(key: string, expiresAt: number | null): Promise<LeaseRecord> {
    const { view } = this.options;
    await view.refresh();
    const record = view.record(key, expiresAt);
    if (!record) throw new Error(`${key} was removed while it was written`);
    return record;
  }
}

/** The rule of create: the same IPv4 network address, or without IPv4 the same key. */
function isSamePlace(key: string, subnets: LeaseSubnets): boolean {
  if (!subnets.subnet) return key === leaseKey(subnets);
  return key.startsWith(`${subnets.subnet.address.toString()}-`);
}

function conflict(key: string): TartanError {
  return new TartanError('DATASTORE_CONFLICT', { datastore: 'file', key });
}
