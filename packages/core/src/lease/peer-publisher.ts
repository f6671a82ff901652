/**
 * From the mirror to the snapshots: own leases out, mass disappearances doubted, overlaps resolved, bursts coalesced. The first
 * snapshot goes out as soon as the list is complete; after that a change starts a short timer and everything that happens until
 * it fires is one snapshot, so a burst of a thousand events is a handful of plans, and a steady stream is never starved.
 */
import type { LeaseRecord } from '../datastore';
import type { Clock, Logger, Timer } from '../runtime';
import type { LeaseSnapshot } from './lease';
import type { LeaseOverlap } from './lease-manager';
import { toLease } from './lease-from-record';
import type { LeaseMirror, MirrorChange } from './lease-mirror';
import type { LeaseMetrics } from './metrics';
import { errorFields } from './outage-log';
import type { OwnLease } from './own-lease';
import { describeOwner, describePlace } from './ownership';
import { PeerRetention, type RetentionOptions, type ViewCause } from './peer-retention';
import { byAge, resolveOverlaps, type Overlap } from './peer-view';

export interface PeerPublisherOptions extends RetentionOptions {
  readonly own: OwnLease;
  readonly mirror: LeaseMirror;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: LeaseMetrics;
  readonly coalesceMs: number;
}

export class PeerPublisher {
  overlaps: readonly LeaseOverlap[] = [];
  private readonly retention: PeerRetention;
  private timer: Timer | null = null;
  /** What happened since the last look, null when nothing did. */
  private cause: ViewCause | null = null;
  private published: readonly LeaseRecord[] | null = null;
  private reported = new Map<string, Overlap>();

  constructor(
    private readonly options: PeerPublisherOptions,
    private readonly onSnapshot: (snapshot: LeaseSnapshot) => void,
  ) {
    this.retention = new PeerRetention(options);
  }

  get unconfirmed(): string[] {
    return this.retention.unconfirmed;
  }

  /** Publishes until the signal aborts; resolves when everything is released. */
  async run(signal: AbortSignal): Promise<void> {
    const { mirror, own } = this.options;
    const unsubscribe = own.subscribe(() => this.schedule('events'));
    const detach = mirror.attach((change) => this.hear(change));
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    unsubscribe();
    this.timer?.cancel();
    await detach();
  }

  private hear(change: MirrorChange): void {
    if (change !== 'status') this.schedule(change);
  }

  private schedule(cause: ViewCause): void {
    if (this.options.mirror.revision === null) return;
    if (this.cause !== 'rebuilt' && !(this.cause === 'listing' && cause === 'events')) this.cause = cause;
    if (this.published === null) this.publish();
    else this.timer ??= this.options.clock.setTimer(this.options.coalesceMs, () => this.publish());
  }

  private publish(): void {
    const { mirror, own, metrics } = this.options;
    const cause = this.cause ?? 'events';
    this.cause = null;
    this.timer = null;
    const peers = [...mirror.records.values()].filter((record) => !this.isOwn(record)).sort(byAge);
    const kept = this.retain(peers, cause);
    const view = resolveOverlaps([...peers, ...kept], own.last);
    const absent = new Set(kept);
    this.report(view.overlaps.filter(({ record }) => !absent.has(record)));
    metrics.peers.set(view.peers.length);
    metrics.unconfirmedPeers.set(kept.length);
    this.hand(view.peers);
  }

  private isOwn({ key, attrs }: LeaseRecord): boolean {
    const { own } = this.options;
    return key === own.held?.key || own.isOurs(attrs);
  }

  private retain(peers: readonly LeaseRecord[], cause: ViewCause): readonly LeaseRecord[] {
    const { clock, logger, mirror } = this.options;
    const now = clock.monotonic();
    const byKey = new Map(peers.map((record) => [record.key, record]));
    const { kept, doubted, confirmed, decideAt } = this.retention.merge(byKey, cause, now);
    if (doubted.length > 0) {
      const fields = { cause, vanished: doubted.length, left: peers.length, keys: doubted.slice(0, 20) };
      logger.error('many leases vanished at once, keeping them until this is confirmed', fields);
    }
    if (confirmed.length > 0) {
      const fields = { vanished: confirmed.length, keys: confirmed.slice(0, 20) };
      logger.error('leases that vanished at once stay away, removing them', fields);
    }
    if (decideAt !== null) mirror.relistWithin(Math.max(0, decideAt - now));
    return kept;
  }

  private report(overlaps: readonly Overlap[]): void {
    const { logger, metrics } = this.options;
    const current = new Map(overlaps.map((found) => [`${found.record.key} ${found.holder.key}`, found]));
    for (const [name, found] of current) {
      if (!this.reported.has(name)) logger.error('two leases overlap, the younger one is left out', describe(found));
    }
    for (const [name, found] of this.reported) {
      if (!current.has(name)) logger.info('leases do not overlap any more', describe(found));
    }
    this.reported = current;
    this.overlaps = overlaps.map(({ record, holder }) => ({ lease: toLease(record), holder: toLease(holder) }));
    metrics.overlaps.set(overlaps.length);
  }

  /** Calls back if the set differs from the last one. */
  private hand(records: readonly LeaseRecord[]): void {
    const { mirror, logger } = this.options;
    if (this.published && isSame(this.published, records)) return;
    this.published = records;
    try {
      this.onSnapshot({ revision: String(mirror.revision), leases: records.map(toLease) });
    } catch (error) {
      logger.error('the receiver of a lease snapshot threw', errorFields(error));
    }
  }
}

function isSame(a: readonly LeaseRecord[], b: readonly LeaseRecord[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ key, modRevision }, index) => b[index]?.key === key && b[index].modRevision === modRevision)
  );
}

function describe({ record, holder }: Overlap): Readonly<Record<string, unknown>> {
  return {
    lease: describePlace(record),
    peer: describeOwner(record.attrs),
    holderLease: describePlace(holder),
    holder: describeOwner(holder.attrs),
  };
}
