import type { LeaseEvent, LeaseListing, LeaseRecord, SkippedEntry } from '../datastore';

/**
 * The last good state of every key, and what does not parse. A key that was good and turned bad stays as it was until it is
 * deleted: forwarding on the last known state beats not forwarding.
 */
export class LeaseTable {
  private good = new Map<string, LeaseRecord>();
  private bad = new Map<string, SkippedEntry>();

  get records(): ReadonlyMap<string, LeaseRecord> {
    return this.good;
  }

  get skipped(): ReadonlyMap<string, SkippedEntry> {
    return this.bad;
  }

  /** Returns the key that changed. */
  apply(event: LeaseEvent): string {
    switch (event.type) {
      case 'put':
        this.good.set(event.record.key, event.record);
        this.bad.delete(event.record.key);
        return event.record.key;
      case 'delete':
        this.good.delete(event.key);
        this.bad.delete(event.key);
        return event.key;
      case 'skipped':
        this.bad.set(event.entry.key, { modRevision: event.modRevision, ...event.entry });
        return event.entry.key;
    }
  }

  /** Makes a listing the state. Of another cluster nothing is kept. */
  replace({ records, skipped }: LeaseListing, sameCluster: boolean): void {
    const before = this.good;
    this.good = new Map(records.map((record) => [record.key, record]));
    this.bad = new Map(skipped.map((entry) => [entry.key, entry]));
    for (const key of sameCluster ? this.bad.keys() : []) {
      const lastGood = before.get(key);
      if (lastGood && !this.good.has(key)) this.good.set(key, lastGood);
    }
  }

  /** Keys that a listing shows as last written at or before `revision` and that are not known so: events were lost. */
  missedUntil(revision: bigint, { records }: LeaseListing): string[] {
    return records
      .filter(({ key, modRevision }) => modRevision <= revision && this.good.get(key)?.modRevision !== modRevision)
      .map(({ key }) => key);
  }
}
