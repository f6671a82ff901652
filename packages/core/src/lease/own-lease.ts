/**
 * The node's own lease: what is held, and the only writer of it. Every write is a compare-and-swap on the revision last seen and
 * runs alone; every decision is made on a fresh listing by a pure planner (acquire-plan, reclaim-plan). A conflict or a lost
 * acknowledgement is no special case: the next round lists again and finds things as they are.
 */
import type { Datastore, LeaseRecord } from '../datastore';
import { TartanError } from '../errors';
import type { Clock, Logger, Random } from '../runtime';
import { equalAttrs, signAttrs } from './attrs';
import { duplicateOf } from './duplicate';
import type { LeaseAttrs, OwnerIdentity } from './lease';
import type { LeaseMetrics } from './metrics';
import { Mutex } from './mutex';
import { isCertainlyOurs, judgeOwner, sharesPublicAddress } from './ownership';
import { isOwnWriting, planReclaim, type ReclaimStep } from './reclaim-plan';

export interface OwnLeaseOptions {
  readonly datastore: Datastore;
  readonly identity: OwnerIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: LeaseMetrics;
  readonly ttlSeconds: number;
}

export class OwnLease {
  /** The lease while it is ours. */
  held: LeaseRecord | null = null;
  /** The lease as last held, also after it was lost: containers still use its subnets. */
  last: LeaseRecord | null = null;
  /** Unsigned, as last asked for. */
  attrs: LeaseAttrs | null = null;
  /** Clock.monotonic() of the last write or renewal; -Infinity when that is not known. */
  renewedAt = -Infinity;
  private readonly mutex = new Mutex();
  private readonly listeners = new Set<() => void>();
  /** Written by a reclaim and not yet seen in a listing. */
  private written: LeaseRecord | null = null;

  constructor(readonly options: OwnLeaseOptions) {}

  /** Calls back after each change of what is held; returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Runs `work` while nobody else of this process writes the lease. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.mutex.run(work);
  }

  /** True when a lease is this node's, wherever it stands. Before the first acquire() only signed leases can be told. */
  isOurs(attrs: LeaseAttrs): boolean {
    if (!this.attrs && !attrs.owner) return false;
    return judgeOwner(attrs, this.attrs ?? attrs, this.options.identity).kind === 'ours';
  }

  /** True for what this process may have written to its own key. */
  isOwnWriting(written: LeaseAttrs): boolean {
    const { last, attrs } = this;
    return last !== null && attrs !== null && isOwnWriting({ last, attrs, identity: this.options.identity }, written);
  }

  /**
   * Publishes `attrs`, one try. Throws LEASE_NOT_HELD, LEASE_DUPLICATE_PUBLIC_IP (then the old attributes stay), or what the
   * datastore throws (then the new ones are published by the next reclaim).
   */
  update(attrs: LeaseAttrs, signal: AbortSignal): Promise<LeaseRecord> {
    return this.exclusively(async () => {
      const { held } = this;
      const { datastore, identity, ttlSeconds } = this.options;
      if (held && !sharesPublicAddress(held.attrs, attrs)) await this.refuseDuplicate(attrs, signal);
      this.attrs = attrs;
      if (!held) throw new TartanError('LEASE_NOT_HELD', {});
      const signed = signAttrs(attrs, identity, held.attrs);
      return equalAttrs(held.attrs, signed)
        ? held
        : this.hold(await datastore.update(held, signed, ttlSeconds, signal));
    });
  }

  /** Extends the time to live; null when nothing is held. Throws what the datastore throws. */
  renew(signal: AbortSignal): Promise<LeaseRecord | null> {
    return this.exclusively(async () => {
      const { held } = this;
      return held && this.hold(await this.options.datastore.renew(held, this.options.ttlSeconds, signal));
    });
  }

  /** Our key was written by ourselves, as the watch tells: the revision to compare with is this one now. */
  adopt(record: LeaseRecord): void {
    const { held } = this;
    if (held?.key !== record.key || record.modRevision <= held.modRevision) return;
    this.held = { ...record, expiresAt: held.expiresAt };
    this.last = this.held;
  }

  /** After a write was refused: learns the revision of our key. Throws LEASE_NOT_HELD when the key is not ours any more. */
  refresh(signal: AbortSignal): Promise<void> {
    return this.exclusively(async () => {
      const { records } = await this.options.datastore.list(signal);
      const record = records.find(({ key }) => key === this.held?.key);
      if (!record || !this.isOwnWriting(record.attrs)) throw new TartanError('LEASE_NOT_HELD', {});
      this.note({ ...record, expiresAt: this.held?.expiresAt ?? null });
    });
  }

  /** What was written, renewed, or found to be as it was just written. */
  hold(record: LeaseRecord): LeaseRecord {
    this.renewedAt = this.options.clock.monotonic();
    return this.note(record);
  }

  /** Nothing is held until a reclaim or an acquisition succeeds. */
  markLost(): void {
    this.held = null;
    this.options.metrics.held.set(0);
    for (const listener of this.listeners) listener();
  }

  /** One round towards holding the same place again. `before` hears the step before it is carried out. */
  reclaim(before: (step: ReclaimStep) => void, signal: AbortSignal): Promise<ReclaimStep> {
    return this.exclusively(async () => {
      const { last, attrs } = this;
      const { datastore, identity } = this.options;
      if (!last || !attrs) throw new TartanError('LEASE_NOT_HELD', {});
      const listing = await datastore.list(signal);
      const { allocation } = datastore.capabilities;
      const step = planReclaim({ listing, last, attrs, identity, allocation });
      before(step);
      await this.carryOut(step, signal);
      return step;
    });
  }

  /** A lease of this very node beside the one held: what a late write or a lost acknowledgement left behind. */
  isStray(record: LeaseRecord): boolean {
    const { held, attrs } = this;
    if (!held || !attrs || record.key === held.key || record.reservation) return false;
    return isCertainlyOurs(record.attrs, attrs, this.options.identity);
  }

  /** Deletes `record` if it still is a stray; true when it was. */
  discardStray(record: LeaseRecord, signal: AbortSignal): Promise<boolean> {
    return this.exclusively(async () => {
      if (!this.isStray(record)) return false;
      await this.options.datastore.delete(record, signal);
      return true;
    });
  }

  private async refuseDuplicate(attrs: LeaseAttrs, signal: AbortSignal): Promise<void> {
    const { datastore, identity } = this.options;
    const { records } = await datastore.list(signal);
    const error = duplicateOf(records, attrs, identity)?.error;
    if (error) throw error;
  }

  private async carryOut(step: ReclaimStep, signal: AbortSignal): Promise<void> {
    const { datastore, ttlSeconds } = this.options;
    switch (step.action) {
      case 'hold':
        this.holdFound(step.record);
        return;
      case 'rewrite':
      case 'repair':
        this.hold(await datastore.update(step.record, step.attrs, ttlSeconds, signal));
        return;
      case 'move':
        this.written = await datastore.move(step.record, step.to, step.attrs, ttlSeconds, signal);
        return;
      case 'create':
        this.written = await datastore.create(step.to, step.attrs, ttlSeconds, signal);
        return;
      case 'taken':
        if (step.ours) await datastore.delete(step.ours, signal);
        return;
      case 'wait':
      case 'unassigned':
        return;
    }
  }

  private holdFound(record: LeaseRecord): void {
    const { held, written } = this;
    this.written = null;
    if (written?.key === record.key && written.modRevision === record.modRevision) {
      this.hold(written);
      return;
    }
    if (!held) this.renewedAt = -Infinity;
    this.note({ ...record, expiresAt: held?.expiresAt ?? null });
  }

  private note(record: LeaseRecord): LeaseRecord {
    const { metrics } = this.options;
    this.held = record;
    this.last = record;
    metrics.held.set(1);
    metrics.expiry.set(record.expiresAt === null ? 0 : record.expiresAt / 1000);
    for (const listener of this.listeners) listener();
    return record;
  }
}
