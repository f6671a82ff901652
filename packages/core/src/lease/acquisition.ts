/**
 * One way from nothing to a lease: list, plan, carry out one step, again, until the plan finds our lease in place (see
 * acquire-plan). An unreachable datastore is waited out; only what waiting cannot cure ends it.
 */
import type { LeaseRecord } from '../datastore';
import { isTartanError, type TartanError } from '../errors';
import { BackOff } from '../runtime';
import { planAcquire, type AcquirePlan, type AcquireStep } from './acquire-plan';
import { equalAttrs } from './attrs';
import type { LeaseSubnets } from './lease';
import type { LeaseRequest } from './lease-manager';
import { OutageLog } from './outage-log';
import type { OwnLease } from './own-lease';
import { describePlace } from './ownership';

/** A full network is believed when two listings in a row show it: another node may be about to give a place back. */
const FULL_LISTINGS = 2;

/** Why another round is needed, and with it how long to wait before. */
type Again = 'verify' | 'conflict' | 'unassigned' | 'unavailable';

export class Acquisition {
  /** Places that conflicted. */
  private readonly avoid: LeaseSubnets[] = [];
  private readonly logged = new Set<string>();
  /** Written by us and not yet seen in a listing. */
  private written: LeaseRecord | null = null;
  private fullListings = 0;
  private readonly outage: OutageLog;

  constructor(
    private readonly own: OwnLease,
    private readonly request: LeaseRequest,
    private readonly previous: LeaseSubnets,
    private readonly sameAddressOnly = false,
  ) {
    const { logger, clock } = own.options;
    this.outage = new OutageLog(logger, clock, {
      failing: 'datastore does not answer, waiting to acquire a lease',
      recovered: 'datastore answers again',
    });
  }

  /** Contract: LeaseManager.acquire. Nobody else of this process writes the lease meanwhile. */
  run(signal: AbortSignal): Promise<LeaseRecord> {
    return this.own.exclusively(() => this.rounds(signal));
  }

  private async rounds(signal: AbortSignal): Promise<LeaseRecord> {
    const { clock, random, metrics } = this.own.options;
    const conflicts = new BackOff({ initialMs: 10, maxMs: 2_000, random });
    const failures = new BackOff({ initialMs: 250, maxMs: 30_000, random });
    for (;;) {
      const result = await this.round(signal);
      metrics.acquireRounds.inc({ result: typeof result === 'string' ? result : 'held' });
      if (typeof result !== 'string') return result;
      if (result === 'conflict') await clock.sleep(conflicts.next(), signal);
      else if (result !== 'verify') await clock.sleep(failures.next(), signal);
    }
  }

  /** The lease, or why another round is needed. Rejects when another round is of no use. */
  private async round(signal: AbortSignal): Promise<LeaseRecord | Again> {
    try {
      const result = await this.planAndStep(signal);
      this.outage.succeeded();
      return result;
    } catch (error) {
      if (isTartanError(error, 'DATASTORE_UNAVAILABLE')) {
        this.outage.failed(error);
        this.request.onWaiting?.(error.message);
        this.request.onUnavailable?.();
        return 'unavailable';
      }
      this.outage.succeeded();
      if (isTartanError(error, 'DATASTORE_CONFLICT', 'DATASTORE_LEASE_GONE')) return 'conflict';
      throw error;
    }
  }

  private async planAndStep(signal: AbortSignal): Promise<LeaseRecord | Again> {
    const { datastore, identity, random } = this.own.options;
    const { config, attrs } = this.request;
    const plan = planAcquire({
      listing: await datastore.list(signal),
      config,
      attrs,
      identity,
      previous: this.previous,
      heldKey: this.written?.key ?? this.own.held?.key ?? null,
      avoid: this.avoid,
      sameAddressOnly: this.sameAddressOnly,
      allocation: datastore.capabilities.allocation,
      random,
    });
    this.logNotes(plan);
    if (plan.step.action === 'refuse') return this.refuse(plan, plan.step.error, signal);
    this.fullListings = 0;
    const result = await this.carryOut(plan.step, signal);
    await this.discard(plan.discard, signal);
    return result;
  }

  private async carryOut(
    step: Exclude<AcquireStep, { action: 'refuse' }>,
    signal: AbortSignal,
  ): Promise<LeaseRecord | Again> {
    const { datastore, logger, ttlSeconds } = this.own.options;
    switch (step.action) {
      case 'wait':
        this.wait(step.reason);
        return 'unassigned';
      case 'create':
        this.written = await this.create(step, signal);
        return 'verify';
      case 'move':
        this.written = await datastore.move(step.record, step.to, step.attrs, ttlSeconds, signal);
        logger.info('own lease moved', { from: describePlace(step.record), lease: describePlace(step.to) });
        return 'verify';
      case 'reuse':
        return this.reuse(step, signal);
    }
  }

  private wait(reason: string): void {
    const { howToAssign: remedy } = this.own.options.datastore.capabilities;
    const message = 'no lease is assigned to this node, waiting for one';
    this.logOnce('warn', message, { reason, ...(remedy !== undefined && { remedy }) });
    this.request.onWaiting?.(remedy === undefined ? reason : `${reason}; ${remedy}`);
  }

  private async create({ to, attrs }: Extract<AcquireStep, { action: 'create' }>, signal: AbortSignal) {
    const { datastore, ttlSeconds } = this.own.options;
    try {
      return await datastore.create(to, attrs, ttlSeconds, signal);
    } catch (error) {
      if (isTartanError(error, 'DATASTORE_CONFLICT')) this.avoid.push(to);
      throw error;
    }
  }

  private async reuse(
    { record, attrs }: Extract<AcquireStep, { action: 'reuse' }>,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const { datastore, logger, ttlSeconds } = this.own.options;
    const { written } = this;
    const fresh = written?.key === record.key && written.modRevision === record.modRevision;
    const renewable = datastore.capabilities.expiry && !record.reservation;
    let lease = fresh ? written : record;
    if (!equalAttrs(record.attrs, attrs)) lease = await datastore.update(record, attrs, ttlSeconds, signal);
    else if (!fresh && renewable) lease = await datastore.renew(record, ttlSeconds, signal);
    const { key, reservation } = lease;
    logger.info('lease acquired', { lease: describePlace(lease), key, reused: !fresh, reservation });
    return this.own.hold(lease);
  }

  /** Gives back what we should not hold, then gives up, or lists once more where that may help. */
  private async refuse({ discard }: AcquirePlan, error: TartanError, signal: AbortSignal): Promise<Again> {
    await this.discard(discard, signal);
    if (error.code !== 'LEASE_OUT_OF_SUBNETS') throw error;
    if (discard.length > 0) return 'verify';
    if (++this.fullListings >= FULL_LISTINGS) throw error;
    return 'conflict';
  }

  private async discard(records: readonly LeaseRecord[], signal: AbortSignal): Promise<void> {
    const { datastore, logger } = this.own.options;
    for (const record of records) {
      await datastore.delete(record, signal);
      logger.warn('deleted another lease of this node', { lease: describePlace(record), key: record.key });
    }
  }

  private logNotes({ notes }: AcquirePlan): void {
    for (const { level, message, fields } of notes) this.logOnce(level, message, fields);
  }

  private logOnce(level: 'info' | 'warn', message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const name = `${message} ${String(fields['key'])}`;
    if (!this.logged.has(name)) this.own.options.logger[level](message, fields);
    this.logged.add(name);
  }
}
