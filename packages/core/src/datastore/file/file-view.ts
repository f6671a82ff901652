/**
 * What a process knows of a file source: the present entries, and the recent changes to them.
 *
 * Files have no revisions, so the process makes its own. Each scan is compared with the one before; if anything that
 * others may see differs, all differences together get the next revision. Revisions start at the time of day in microseconds and
 * only grow; they mean nothing to another process, hence a clusterId of its own for each. Two changes of one entry between two
 * scans are seen as one.
 *
 * The kernel answers late or never when a file server is gone. Everything that touches the source therefore runs one after the
 * other, so that at most one thread of the pool hangs, and every caller stops waiting after its time limit.
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { TartanError } from '../../errors';
import { abortReason, type Clock, type Logger } from '../../runtime';
import type { ConfigRecord, DatastoreStatus, LeaseEvent, LeaseListing, LeaseRecord, WatchResponse } from '../datastore';
import { Reachability } from '../shared/reachability';
import { ChangeTicker } from './change-ticker';
import { Mutex } from './mutex';
import { UnusableContent } from './unusable-content';
import type { Scan, ScannedEntry, ScannedLease, ScanSource } from './scan';

/** Changes that a watch can be behind by. */
const HISTORY = 1_000;

export interface FileViewOptions {
  readonly source: ScanSource;
  readonly isDirectory: boolean;
  readonly pollIntervalMs: number;
  readonly progressIntervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Known {
  readonly entry: ScannedEntry;
  readonly modRevision: bigint;
}

interface Change {
  readonly revision: bigint;
  readonly events: readonly LeaseEvent[];
}

export class FileView {
  readonly name = 'file';
  private readonly clusterId = `file-${randomBytes(8).toString('hex')}`;
  private readonly mutex = new Mutex();
  private readonly reachability: Reachability;
  private readonly ticker: ChangeTicker;
  private readonly closing = new AbortController();
  private revision: bigint;
  private known = new Map<string, Known>();
  private config: ConfigRecord | null = null;
  private history: Change[] = [];
  /** Changes up to here are not in the history. */
  private forgotten: bigint;
  private readonly waiting = new Set<() => void>();
  private watchers = 0;
  private failures = 0;
  private failure: Error | null = null;

  constructor(private readonly options: FileViewOptions) {
    const { source, clock, logger } = options;
    // Every call under way listens to it.
    setMaxListeners(0, this.closing.signal);
    this.reachability = new Reachability({ datastore: this.name, clock, logger, fields: { path: source.path } });
    this.ticker = new ChangeTicker({ ...options, path: source.path, onTick: () => this.look() });
    this.revision = this.forgotten = BigInt(Math.floor(clock.now() * 1000));
  }

  status(): DatastoreStatus {
    return this.reachability.status();
  }

  getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    return this.exclusively('getConfig', signal, async () => {
      await this.refresh();
      if (this.config) return this.config;
      throw new TartanError('DATASTORE_NOT_FOUND', {
        datastore: this.name,
        key: `${this.options.source.path} (config)`,
      });
    });
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.exclusively('list', signal, async () => {
      await this.refresh();
      const all = [...this.known].sort(([a], [b]) => (a < b ? -1 : 1));
      const records = all.flatMap(([key, { entry }]) =>
        entry.kind === 'lease' ? [this.record(key) as LeaseRecord] : [],
      );
      const skipped = all.flatMap(([key, { entry }]) =>
        entry.kind === 'skipped' ? [{ key, reason: entry.reason }] : [],
      );
      return { revision: this.revision, clusterId: this.clusterId, records, skipped };
    });
  }

  async *watch(afterRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const { clusterId } = this;
    for await (const seen of this.follow('watch', signal)) {
      if (seen === 'start' && afterRevision < this.forgotten) {
        throw new TartanError('DATASTORE_COMPACTED', { datastore: this.name, revision: afterRevision.toString() });
      }
      if (seen === 'start' && afterRevision > this.revision) afterRevision = this.revision;
      const news = this.history.filter(({ revision }) => revision > afterRevision);
      if (seen !== 'change') yield { revision: afterRevision, clusterId, events: [] };
      for (const { revision, events } of news) {
        if (events.length > 0) yield { revision, clusterId, events };
        afterRevision = revision;
      }
    }
  }

  async *watchConfig(signal: AbortSignal): AsyncGenerator<ConfigRecord> {
    let told = -1n;
    for await (const seen of this.follow('watchConfig', signal)) {
      if (seen === 'idle' || this.config === null || this.config.revision === told) continue;
      told = this.config.revision;
      yield this.config;
    }
  }

  close(): void {
    this.ticker.stop();
    this.closing.abort(this.unavailable('call', 'closed'));
  }

  /**
   * Runs `task` while nobody else reads or writes the source in this process. Rejects with the abort reason, or with
   * DATASTORE_UNAVAILABLE when the time limit is over; a task that has not begun by then never will.
   */
  async exclusively<Result>(operation: string, signal: AbortSignal, task: () => Promise<Result>): Promise<Result> {
    const { clock, timeoutMs } = this.options;
    let waited = true;
    let stop = (): void => undefined;
    const interruption = new Promise<never>((_, reject) => {
      const timer = clock.setTimer(timeoutMs, () =>
        reject(this.noted(operation, new Error(`no answer within ${timeoutMs} ms`))),
      );
      const sources = [signal, this.closing.signal];
      const onAbort = (): void => reject(abortReason(sources.find(({ aborted }) => aborted) ?? signal));
      for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
      stop = (): void => {
        timer.cancel();
        for (const source of sources) source.removeEventListener('abort', onAbort);
      };
      if (sources.some(({ aborted }) => aborted)) onAbort();
    });
    const result = this.mutex.run(() => (waited ? task() : interruption));
    try {
      return await Promise.race([interruption, result]);
    } catch (error) {
      throw error instanceof TartanError || signal.aborted ? error : this.noted(operation, error as Error);
    } finally {
      waited = false;
      stop();
      result.catch(() => undefined);
    }
  }

  /** Looks at the source again; inside `exclusively` only. */
  async refresh(): Promise<void> {
    this.adopt(await this.options.source.scan());
    this.failure = null;
    this.reachability.succeeded('list');
  }

  /** The lease under `key` as last seen. */
  record(key: string, expiresAt: number | null = null): LeaseRecord | undefined {
    const known = this.known.get(key);
    if (known?.entry.kind !== 'lease') return undefined;
    return toRecord(key, known.entry, known.modRevision, expiresAt);
  }

  unavailable(operation: string, reason: string, cause?: unknown): TartanError {
    const data = { datastore: `${this.name} ${this.options.source.path}`, operation, reason };
    return new TartanError('DATASTORE_UNAVAILABLE', data, { cause });
  }

  private noted(operation: string, error: Error): TartanError {
    const code = (error as { code?: unknown }).code;
    const reason = typeof code === 'string' ? `${code} (${error.message})` : error.message;
    const failure = this.unavailable(operation, reason, error);
    return this.reachability.failed(operation, failure, error instanceof UnusableContent ? 'unusable' : 'unreachable');
  }

  /** What the ticker calls; failures reach the watchers, not the ticker. */
  private async look(): Promise<void> {
    try {
      await this.exclusively('watch', this.closing.signal, () => this.refresh());
    } catch (error) {
      this.failure = error as Error;
      this.failures++;
      this.wake();
    }
  }

  /** Yields `start`, then whatever happens, until the source fails or the signal aborts. */
  private async *follow(operation: string, signal: AbortSignal): AsyncGenerator<'start' | 'change' | 'idle'> {
    const failures = this.failures;
    if (this.watchers++ === 0) this.ticker.start();
    try {
      await this.exclusively(operation, signal, () => this.refresh());
      let seen = this.revision;
      yield 'start';
      for (;;) {
        const changed = seen !== this.revision || (await this.change(signal));
        if (this.failures !== failures && this.failure) throw this.failure;
        seen = this.revision;
        yield changed ? 'change' : 'idle';
      }
    } finally {
      if (--this.watchers === 0) this.ticker.stop();
    }
  }

  /** True when woken, false when nothing happened for the progress interval. */
  private change(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sources = [signal, this.closing.signal];
      const settle = (finish: () => void) => (): void => {
        timer.cancel();
        this.waiting.delete(woken);
        for (const source of sources) source.removeEventListener('abort', onAbort);
        finish();
      };
      const woken = settle(() => resolve(true));
      const timer = this.options.clock.setTimer(
        this.options.progressIntervalMs,
        settle(() => resolve(false)),
      );
      const onAbort = settle(() => reject(abortReason(sources.find(({ aborted }) => aborted) ?? signal)));
      this.waiting.add(woken);
      for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
      if (sources.some(({ aborted }) => aborted)) onAbort();
    });
  }

  private wake(): void {
    for (const woken of [...this.waiting]) woken();
  }

  /** Takes a scan over as the present state. */
  private adopt(scan: Scan): void {
    const revision = this.nextRevision(scan);
    const events = this.compare(scan, revision);
    const configChanged = (this.config?.text ?? null) !== scan.config;
    if (events.length === 0 && !configChanged) return;
    this.revision = revision;
    if (configChanged) this.config = scan.config === null ? null : { text: scan.config, revision };
    this.history.push({ revision, events });
    while (this.history.length > HISTORY) this.forgotten = this.history.shift()?.revision ?? this.forgotten;
    this.wake();
  }

  private compare({ entries }: Scan, revision: bigint): LeaseEvent[] {
    const gone = [...this.known.keys()].filter((key) => !entries.has(key));
    const events: LeaseEvent[] = gone.map((key) => ({ type: 'delete', key, modRevision: revision }));
    const known = new Map<string, Known>();
    for (const [key, entry] of entries) {
      const before = this.known.get(key);
      const same = before?.entry.identity === entry.identity;
      known.set(key, same ? before : { entry, modRevision: revision });
      if (!same) events.push(toEvent(key, entry, revision));
    }
    this.known = known;
    return events;
  }

  private nextRevision({ entries }: Scan): bigint {
    let next = BigInt(Math.floor(this.options.clock.now() * 1000));
    if (next <= this.revision) next = this.revision + 1n;
    for (const entry of entries.values()) {
      if (entry.kind === 'lease' && entry.createRevision > next) next = entry.createRevision;
    }
    return next;
  }
}

function toEvent(key: string, entry: ScannedEntry, modRevision: bigint): LeaseEvent {
  if (entry.kind === 'skipped') return { type: 'skipped', entry: { key, reason: entry.reason }, modRevision };
  return { type: 'put', record: toRecord(key, entry, modRevision, null) };
}

function toRecord(key: string, entry: ScannedLease, modRevision: bigint, expiresAt: number | null): LeaseRecord {
  const { subnet, ipv6Subnet, attrs, createRevision, reservation, identity } = entry;
  return { key, subnet, ipv6Subnet, attrs, createRevision, modRevision, reservation, expiresAt, handle: identity };
}
