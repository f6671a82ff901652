/**
 * A copy of all leases, kept current by list and watch, and shared by those who need it: the peers' snapshots and the keeper of
 * the own lease. It runs while anybody is attached.
 *
 *   list at R ──▶ watch from R+1 ──▶ every event of every response, in order; resume point = response.revision
 *      ▲               │
 *      │               ├─ stream broke ─────────────▶ watch again from the resume point, and list again within seconds
 *      └───────────────┴─ compacted, other cluster, revision went back, every few minutes ─▶ list again
 *
 * A re-list ends the watch first, lists, compares and watches from there: one thing at a time, so a listing is never applied over
 * events that are newer than it. The original lost events between streams, resumed at the wrong revision and took one bad entry
 * for an empty list (flannel-compat 2.7, 2.8, 13 E1, E7, E9, E14); here a bad entry is set aside.
 *
 * The mirror tells what the datastore says. Whether to believe that half of all peers vanished at once is for peer-retention.
 */
import type { Datastore, LeaseListing, LeaseRecord, SkippedEntry, WatchResponse } from '../datastore';
import { isTartanError } from '../errors';
import { abortReason, BackOff, type Clock, type Logger, type Random, type Timer } from '../runtime';
import { LeaseTable } from './lease-table';
import type { LeaseMetrics } from './metrics';
import { OutageLog } from './outage-log';

/** Why the mirror tells its listeners: `rebuilt` is a listing of another cluster, or of the same one with lower revisions. */
export type MirrorChange = 'listing' | 'rebuilt' | 'events' | 'status';

/** `keys` are those that events changed. */
export type MirrorListener = (change: MirrorChange, keys: readonly string[]) => void;

export interface LeaseMirrorOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: LeaseMetrics;
  /** Mean time between full listings. */
  readonly relistIntervalMs: number;
}

/** `verify`: a stream broke and was resumed; `confirm`: somebody doubts what the last listing or event said. */
type RelistReason = 'start' | 'periodic' | 'verify' | 'confirm' | 'compacted' | 'cluster-changed' | 'revision-back';

/** After a broken stream was resumed, the list is compared within this time, spread over it. */
const VERIFY_WITHIN_MS = 15_000;
/** A stream that lived this long was a good one: the next failure is met with a short delay again. */
const GOOD_STREAM_MS = 5_000;

export class LeaseMirror {
  /** Null before the first listing. */
  revision: bigint | null = null;
  /** True while nothing is known to be missing. */
  synced = false;
  /** Clock.now() of the last answer of any kind. */
  lastContactAt: number | null = null;
  /** Full listings that were needed, the first and the periodic ones not counted. */
  resyncs = 0;
  private readonly table = new LeaseTable();
  private clusterId: string | null = null;
  private readonly listeners = new Set<MirrorListener>();
  private running: { readonly stop: AbortController; readonly done: Promise<void> } | null = null;
  /** A listing is needed before the watch can go on. */
  private needed: RelistReason | null = 'start';
  /** Clock.monotonic() at which the next listing is due, and what for. */
  private due: { readonly at: number; readonly reason: RelistReason } = { at: Infinity, reason: 'periodic' };
  private rearm: () => void = () => undefined;
  private loggedSkips = new Set<string>();
  private readonly outage: OutageLog;
  private readonly backOff: BackOff;

  constructor(private readonly options: LeaseMirrorOptions) {
    this.outage = new OutageLog(options.logger, options.clock, {
      failing: 'leases cannot be watched; what is programmed stays in force',
      recovered: 'watching leases again',
    });
    this.backOff = new BackOff({ initialMs: 100, maxMs: 10_000, random: options.random });
  }

  get records(): ReadonlyMap<string, LeaseRecord> {
    return this.table.records;
  }

  get skipped(): ReadonlyMap<string, SkippedEntry> {
    return this.table.skipped;
  }

  /** Hears every change from now on; at once when there is a listing already. Returns what ends it and awaits the release. */
  attach(listener: MirrorListener): () => Promise<void> {
    this.listeners.add(listener);
    if (this.running && this.revision !== null) listener('listing', []);
    this.running ??= this.start();
    return async () => {
      this.listeners.delete(listener);
      const { running } = this;
      if (!running || this.listeners.size > 0) return;
      this.running = null;
      running.stop.abort();
      await running.done;
    };
  }

  /** Asks for a full listing no later than in `ms`. */
  relistWithin(ms: number, reason: 'confirm' | 'verify' = 'confirm'): void {
    const at = this.options.clock.monotonic() + ms;
    if (at < this.due.at) this.schedule(at, reason);
  }

  private start(): NonNullable<LeaseMirror['running']> {
    const stop = new AbortController();
    this.needed = this.revision === null ? 'start' : 'verify';
    this.synced = false;
    return { stop, done: this.run(stop.signal) };
  }

  private async run(signal: AbortSignal): Promise<void> {
    const isStopped = (): boolean => signal.aborted;
    while (!isStopped()) {
      try {
        if (this.needed) this.accept(await this.options.datastore.list(signal), this.needed);
        this.needed = await this.follow(signal);
      } catch (error) {
        if (!isStopped()) await this.recover(error, signal).catch(() => undefined);
      }
    }
  }

  /** Decides whether to list or to resume, after a pause. */
  private async recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (isTartanError(error, 'DATASTORE_COMPACTED')) this.needed = 'compacted';
    else this.outage.failed(error);
    if (!this.needed) this.relistWithin(VERIFY_WITHIN_MS * this.options.random(), 'verify');
    await this.pause(signal);
  }

  private async pause(signal: AbortSignal): Promise<void> {
    if (this.synced) {
      this.synced = false;
      this.tell('status', []);
    }
    await this.options.clock.sleep(this.backOff.next(), signal);
  }

  /** Watches until a listing is wanted, and says what for; throws what broke the stream. */
  private async follow(signal: AbortSignal): Promise<RelistReason> {
    this.needed = null;
    const { clock, datastore } = this.options;
    const stream = new AbortController();
    const end = (): void => stream.abort(signal.aborted ? abortReason(signal) : new Error('a listing is due'));
    signal.addEventListener('abort', end, { once: true });
    let timer = this.dueTimer(end);
    this.rearm = () => {
      timer.cancel();
      timer = this.dueTimer(end);
    };
    const startedAt = clock.monotonic();
    try {
      return await this.hearAll(datastore.watch(this.revision ?? 0n, stream.signal), signal);
    } catch (error) {
      if (!stream.signal.aborted || signal.aborted) throw error;
      return this.due.reason;
    } finally {
      if (clock.monotonic() - startedAt >= GOOD_STREAM_MS) this.backOff.reset();
      this.rearm = () => undefined;
      timer.cancel();
      signal.removeEventListener('abort', end);
    }
  }

  private async hearAll(responses: AsyncIterable<WatchResponse>, signal: AbortSignal): Promise<RelistReason> {
    for await (const response of responses) {
      const reason = this.hear(response);
      if (!reason) continue;
      await this.pause(signal);
      return reason;
    }
    throw new Error('the watch ended without a reason');
  }

  /** Takes one response in; a reason when it shows that the list must be read again. */
  private hear(response: WatchResponse): RelistReason | null {
    this.contact();
    if (response.clusterId !== this.clusterId) return 'cluster-changed';
    if (this.revision !== null && response.revision < this.revision) return 'revision-back';
    this.revision = response.revision;
    for (const event of response.events) if (event.type === 'skipped') this.logSkip(event.entry);
    const keys = response.events.map((event) => this.table.apply(event));
    this.synced = true;
    this.tell(keys.length > 0 ? 'events' : 'status', keys);
    return null;
  }

  /** Makes a listing the state. */
  private accept(listing: LeaseListing, reason: RelistReason): void {
    const { clock, relistIntervalMs, random, logger } = this.options;
    this.contact();
    const rebuilt = this.isRebuilt(listing);
    if (!rebuilt && this.revision !== null) this.reportMissed(this.table.missedUntil(this.revision, listing));
    this.table.replace(listing, !rebuilt);
    this.reportSkips(listing.skipped);
    this.revision = listing.revision;
    this.clusterId = listing.clusterId;
    this.countResync(reason);
    if (rebuilt) logger.error('datastore was rebuilt or restored', { clusterId: listing.clusterId });
    this.schedule(clock.monotonic() + relistIntervalMs * (0.9 + 0.2 * random()), 'periodic');
    this.synced = true;
    this.tell(rebuilt ? 'rebuilt' : 'listing', []);
  }

  private isRebuilt({ clusterId, revision }: LeaseListing): boolean {
    if (this.clusterId === null || this.revision === null) return false;
    return clusterId !== this.clusterId || revision < this.revision;
  }

  private reportMissed(keys: readonly string[]): void {
    if (keys.length === 0) return;
    this.options.metrics.missedChanges.inc(keys.length);
    this.options.logger.error('a listing shows changes that the watch had not told', { keys });
  }

  private reportSkips(skipped: readonly SkippedEntry[]): void {
    for (const entry of skipped) this.logSkip(entry);
    this.loggedSkips = new Set(skipped.map(skipName));
  }

  private logSkip(entry: SkippedEntry): void {
    const { key, reason } = entry;
    if (this.loggedSkips.has(skipName(entry))) return;
    this.loggedSkips.add(skipName(entry));
    this.options.logger.warn('entry below the lease prefix does not parse, left out', { key, reason });
  }

  private countResync(reason: RelistReason): void {
    if (reason === 'start') return;
    this.options.metrics.resyncs.inc({ reason });
    if (reason === 'periodic') return;
    this.resyncs++;
    this.options.logger.info('leases were listed anew', { reason });
  }

  private schedule(at: number, reason: RelistReason): void {
    this.due = { at, reason };
    this.rearm();
  }

  private dueTimer(callback: () => void): Timer {
    const { clock } = this.options;
    return clock.setTimer(Math.max(0, this.due.at - clock.monotonic()), callback);
  }

  private contact(): void {
    const { clock, metrics } = this.options;
    this.lastContactAt = clock.now();
    metrics.lastContact.set(this.lastContactAt / 1000);
    this.outage.succeeded();
  }

  private tell(change: MirrorChange, keys: readonly string[]): void {
    const { metrics } = this.options;
    metrics.synced.set(this.synced ? 1 : 0);
    metrics.skippedEntries.set(this.skipped.size);
    for (const listener of [...this.listeners]) listener(change, keys);
  }
}

function skipName({ key, reason }: SkippedEntry): string {
  return `${key} ${reason}`;
}
