/**
 * Disbelief in mass disappearance. One empty or partial answer must never empty the peer set: a rebuilt etcd starts empty, a
 * backup restored is old, `del --prefix` is one keystroke too many, and each time all nodes are alive and put their leases back
 * within seconds. Taking away all routes meanwhile would be an outage; keeping a dead peer's route for a moment is none.
 *
 * So when, against the last set, too many peers are missing at once, they stay until the absence is confirmed: by a full listing
 * a while later, or after a rebuild, a longer while later. Whatever comes back is itself again; what else claims the addresses of
 * an absent peer wins; a node that is back under another subnet gives up the old one at once.
 */
import type { LeaseRecord } from '../datastore';

export type ViewCause = 'listing' | 'rebuilt' | 'events';

export interface RetentionOptions {
  /** How long a mass disappearance must last. */
  readonly confirmMs: number;
  /** The same after the datastore was rebuilt: time for every node to register anew. */
  readonly rebuildGraceMs: number;
}

export interface Retention {
  /** Kept though the datastore does not show them. */
  readonly kept: readonly LeaseRecord[];
  /** Newly kept. */
  readonly doubted: readonly string[];
  /** Confirmed as gone. */
  readonly confirmed: readonly string[];
  /** Monotonic time of the next decision, null when nothing is in doubt. */
  readonly decideAt: number | null;
}

interface Doubt {
  readonly record: LeaseRecord;
  readonly until: number;
}

/** An explicit delete of one or two leases is believed at once, whatever the share. */
const FEW_DELETES = 2;

export class PeerRetention {
  private last: ReadonlyMap<string, LeaseRecord> = new Map();
  private readonly doubts = new Map<string, Doubt>();

  constructor(private readonly options: RetentionOptions) {}

  get unconfirmed(): string[] {
    return [...this.doubts.keys()];
  }

  /** `peers` is all that the datastore shows now; `now` is monotonic. */
  merge(peers: ReadonlyMap<string, LeaseRecord>, cause: ViewCause, now: number): Retention {
    const vanished = [...this.last.values()].filter(({ key }) => !peers.has(key));
    // With nothing missing there is nothing to look up: the usual case, and an index of all peers costs more than all the rest.
    const live = new NodeIndex(vanished.length > 0 || this.doubts.size > 0 ? peers.values() : []);
    this.forgetReturned(live);
    if (cause === 'rebuilt') this.postpone(now);
    const confirmed = cause === 'listing' ? this.confirm(now) : [];
    const doubted = this.doubtMissing(vanished, live, cause, now);
    this.last = peers;
    const kept = [...this.doubts.values()].map(({ record }) => record);
    const decideAt = kept.length > 0 ? Math.min(...[...this.doubts.values()].map(({ until }) => until)) : null;
    return { kept, doubted, confirmed, decideAt };
  }

  private forgetReturned(live: NodeIndex): void {
    for (const [key, { record }] of [...this.doubts]) if (live.has(record)) this.doubts.delete(key);
  }

  private postpone(now: number): void {
    const until = now + this.options.rebuildGraceMs;
    for (const [key, { record }] of [...this.doubts]) this.doubts.set(key, { record, until });
  }

  private confirm(now: number): string[] {
    const gone = [...this.doubts].filter(([, { until }]) => until <= now).map(([key]) => key);
    for (const key of gone) this.doubts.delete(key);
    return gone;
  }

  private doubtMissing(vanished: readonly LeaseRecord[], live: NodeIndex, cause: ViewCause, now: number): string[] {
    const missing = vanished.filter((record) => !live.has(record));
    if (!this.isSuspicious(missing.length, cause)) return [];
    const { confirmMs, rebuildGraceMs } = this.options;
    const until = now + (cause === 'rebuilt' ? rebuildGraceMs : confirmMs);
    for (const record of missing) this.doubts.set(record.key, { record, until });
    return missing.map(({ key }) => key);
  }

  private isSuspicious(missing: number, cause: ViewCause): boolean {
    if (missing === 0) return false;
    if (cause === 'rebuilt') return true;
    return missing * 2 >= this.last.size && (cause === 'listing' || missing > FEW_DELETES);
  }
}

/** Who is there: by key, public address and owner. */
class NodeIndex {
  private readonly names = new Set<string>();

  constructor(records: Iterable<LeaseRecord>) {
    for (const record of records) for (const name of namesOf(record)) this.names.add(name);
  }

  /** True when the same key is there, or the same node under another one. */
  has(record: LeaseRecord): boolean {
    return namesOf(record).some((name) => this.names.has(name));
  }
}

function namesOf({ key, attrs: { publicIP, publicIPv6, owner } }: LeaseRecord): string[] {
  return [
    `key ${key}`,
    ...(publicIP.isUnspecified ? [] : [`address ${publicIP.toString()}`]),
    ...(publicIPv6 ? [`address ${publicIPv6.toString()}`] : []),
    ...(owner ? [`owner ${owner.node} ${owner.machine ?? ''}`] : []),
  ];
}
