/**
 * Keeps the lease alive. Level-triggered: a timer (a third of the time to live, jittered), the watch, and failures only say that
 * it is time to look; what is done follows from what the datastore shows then.
 *
 *   held ──renewal refused, key gone or changed──▶ suspect ──list──▶ still ours ─────────────────▶ held
 *     ▲                                                       ├──▶ absent: lost, create the same ─▶ list again
 *     └────────────── ours again ◀────────────────────────────┴──▶ a stranger has it: lost, policy decides
 *
 * Nothing is concluded from the local clock: a node that was suspended for a week, or whose time was set, finds out from the
 * datastore. An unreachable datastore changes nothing but the retries. The original stopped renewing for ever after one failed
 * read, wrote over the new owner of its subnet, and ended itself when its key vanished (flannel-compat 13 E4, E6; 2.6).
 */
import type { LeaseRecord } from '../datastore';
import { isTartanError, TartanError } from '../errors';
import { BackOff, type Clock, type Logger, type Random } from '../runtime';
import type { Acquisition } from './acquisition';
import { toLease } from './lease-from-record';
import type { LeaseListener, LeaseLoss, OnLeaseLoss } from './lease-manager';
import type { LeaseMirror, MirrorChange } from './lease-mirror';
import type { LeaseMetrics } from './metrics';
import { errorFields, OutageLog } from './outage-log';
import { findStrays, isAssignedAnother, isHeldInDoubt, isLastPlaceFree } from './own-key-watch';
import type { OwnLease } from './own-lease';
import { describeAddress, describeOwner, describePlace } from './ownership';
import type { ReclaimStep } from './reclaim-plan';
import { RenewalSchedule } from './renewal-schedule';
import { Wake } from './wake';

export interface LeaseKeeperOptions {
  readonly own: OwnLease;
  readonly mirror: LeaseMirror;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: LeaseMetrics;
  readonly ttlSeconds: number;
  readonly onLeaseLoss: OnLeaseLoss;
  /** Another subnet after ours was taken; policy `reacquire`. */
  readonly another: () => Acquisition;
}

/** While a stranger has our subnet it is looked at this often, beside what the watch tells. */
const TAKEN_RETRY_MS = 30_000;
/** Two programs that both take the key for theirs must not write in turns as fast as they can. */
const REWRITE_PAUSE_MS = 5_000;

export class LeaseKeeper {
  private readonly wake: Wake;
  private readonly failures: BackOff;
  private readonly outage: OutageLog;
  /** Something speaks against our lease: look before anything else. */
  private suspect = false;
  private loss: LeaseLoss | null = null;
  /** Monotonic time before which nothing is tried. */
  private notBefore = -Infinity;
  private rewrittenAt = -Infinity;
  private readonly schedule: RenewalSchedule;
  /** A stranger has our subnet: look as soon as the mirror shows it free. */
  private waitsForPlace = false;
  private strays: LeaseRecord[] = [];
  private wasSynced = true;

  constructor(
    private readonly options: LeaseKeeperOptions,
    private readonly listener: LeaseListener,
  ) {
    const { clock, random, logger, ttlSeconds } = options;
    this.wake = new Wake(clock);
    this.failures = new BackOff({ initialMs: 100, maxMs: Math.min(30_000, ttlSeconds * 100), random });
    this.outage = new OutageLog(logger, clock, {
      failing: 'lease cannot be kept up, trying on; forwarding goes on',
      recovered: 'lease is kept up again',
    });
    this.schedule = new RenewalSchedule(options);
  }

  /** Contract: LeaseManager.maintain. */
  async run(signal: AbortSignal): Promise<void> {
    const { own, mirror } = this.options;
    if (!own.last) throw new TartanError('LEASE_NOT_HELD', {});
    const unsubscribe = own.subscribe(() => this.wake.notify());
    const detach = mirror.attach((change, keys) => this.observe(change, keys));
    try {
      for (;;) {
        await this.wake.wait(this.waitMs(), signal);
        await this.turn(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unsubscribe();
      await detach();
    }
  }

  // ---- when ----

  private waitMs(): number | null {
    const { own, clock } = this.options;
    const now = clock.monotonic();
    if (this.notBefore > now) return this.notBefore - now;
    if (this.suspect || !own.held) return 0;
    return this.isRenewable() ? this.schedule.waitMs(own.renewedAt) : null;
  }

  private isRenewable(): boolean {
    const { own } = this.options;
    return own.options.datastore.capabilities.expiry && own.held?.reservation === false;
  }

  // ---- what the mirror shows ----

  private observe(change: MirrorChange, keys: readonly string[]): void {
    const { own, mirror } = this.options;
    // A datastore that is back ends every pause that its absence caused.
    if (mirror.synced && !this.wasSynced) this.lookNow();
    this.wasSynced = mirror.synced;
    this.strays.push(...findStrays(own, mirror, change, keys));
    if (this.strays.length > 0 || change === 'listing') this.wake.notify();
    if (own.held && isHeldInDoubt(own, own.held, mirror, change)) this.suspectNow();
    const worthALook = (): boolean => isLastPlaceFree(own, mirror) || isAssignedAnother(own, mirror);
    if (this.waitsForPlace && !own.held && worthALook()) this.lookNow();
  }

  private lookNow(): void {
    this.waitsForPlace = false;
    this.notBefore = -Infinity;
    this.wake.notify();
  }

  private suspectNow(): void {
    if (this.suspect) return;
    this.suspect = true;
    this.notBefore = this.rewrittenAt + REWRITE_PAUSE_MS;
    this.wake.notify();
  }

  // ---- what is done ----

  private async turn(signal: AbortSignal): Promise<void> {
    const { own, clock } = this.options;
    if (this.notBefore > clock.monotonic()) return;
    try {
      await this.discardStrays(signal);
      if (own.held && !this.suspect) this.announceHeld();
      if (this.suspect || !own.held) await this.reclaim(signal);
      else if (this.isRenewable() && this.schedule.isDue(own.renewedAt, own.held)) await this.renew(signal);
    } catch (error) {
      if (signal.aborted || isTartanError(error, 'LEASE_TAKEN')) throw error;
      this.retryLater();
      if (!isTartanError(error, 'DATASTORE_CONFLICT', 'DATASTORE_LEASE_GONE')) this.outage.failed(error);
    }
  }

  private retryLater(): void {
    this.notBefore = this.options.clock.monotonic() + this.failures.next();
  }

  private async renew(signal: AbortSignal): Promise<void> {
    const { own, metrics } = this.options;
    const before = own.held;
    try {
      const record = await own.renew(signal);
      if (!record) return;
      metrics.renewals.inc({ result: 'success' });
      this.settled();
      this.schedule.next();
      this.listener.onRenewed(toLease(record));
    } catch (error) {
      if (signal.aborted) throw error;
      metrics.renewals.inc({ result: 'failure' });
      this.suspect = isTartanError(error, 'DATASTORE_CONFLICT', 'DATASTORE_LEASE_GONE');
      if (!this.suspect && before) this.listener.onRenewalFailed(error as Error, toLease(before));
      throw error;
    }
  }

  private async reclaim(signal: AbortSignal): Promise<void> {
    const { own, logger, clock } = this.options;
    const step = await own.reclaim((next) => this.announce(next), signal);
    const lease = own.last && describePlace(own.last);
    switch (step.action) {
      case 'rewrite':
      case 'repair':
        this.rewrittenAt = clock.monotonic();
        logger.warn('own lease was changed by somebody else, written again', { lease });
        this.reclaimed();
        return;
      case 'hold':
        this.reclaimed();
        return;
      case 'create':
      case 'move':
        this.suspect = true;
        return;
      case 'wait':
        this.outage.failed(new Error(step.reason), { lease });
        this.retryLater();
        return;
      case 'taken':
        this.lookAgainLater();
        await this.replace(step, signal);
        return;
      case 'unassigned':
        this.lookAgainLater();
        if (step.reassigned || this.options.onLeaseLoss === 'reacquire') await this.takeAnother(signal);
    }
  }

  private lookAgainLater(): void {
    const { clock, random } = this.options;
    this.suspect = false;
    this.waitsForPlace = true;
    this.notBefore = clock.monotonic() + TAKEN_RETRY_MS * (0.9 + 0.2 * random());
  }

  /** Says what is lost before anything is done about it. */
  private announce(step: ReclaimStep): void {
    const { own } = this.options;
    if (step.action === 'create' || step.action === 'move' || step.action === 'unassigned') {
      const { held, renewedAt } = own;
      if (held) this.lose({ reason: this.schedule.hasExpired(renewedAt, held) ? 'expired' : 'deleted' });
    } else if (step.action === 'taken') {
      const known = this.loss?.reason === 'taken' && this.loss.by.revision === step.by.modRevision.toString();
      if (!known) this.lose({ reason: 'taken', by: toLease(step.by) });
    }
  }

  private lose(loss: LeaseLoss): void {
    const { own, logger, metrics } = this.options;
    const { last } = own;
    if (!last) return;
    const by =
      loss.reason === 'taken' ? { by: describeOwner(loss.by.attrs), address: describeAddress(loss.by.attrs) } : {};
    logger.error('own lease is lost', { lease: describePlace(last), reason: loss.reason, ...by });
    metrics.losses.inc({ reason: loss.reason });
    this.loss = loss;
    own.markLost();
    this.listener.onLost(loss, toLease(last));
  }

  /** A subnet that was assigned to us instead is taken under every policy but `exit`: to wait for the old one would be in vain. */
  private async replace(
    { by, reassigned = false }: Extract<ReclaimStep, { action: 'taken' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { onLeaseLoss } = this.options;
    if (onLeaseLoss === 'exit') {
      throw new TartanError('LEASE_TAKEN', {
        subnet: describePlace(by),
        otherNode: describeOwner(by.attrs),
        publicIP: describeAddress(by.attrs),
      });
    }
    if (reassigned || onLeaseLoss === 'reacquire') await this.takeAnother(signal);
  }

  private async takeAnother(signal: AbortSignal): Promise<void> {
    await this.options.another().run(signal);
    this.reclaimed();
  }

  private reclaimed(): void {
    this.suspect = false;
    this.settled();
    this.announceHeld();
  }

  private announceHeld(): void {
    const { own, logger } = this.options;
    const { held } = own;
    if (!this.loss || !held) return;
    this.loss = null;
    logger.info('own lease is held again', { lease: describePlace(held) });
    this.listener.onReacquired(toLease(held));
  }

  private settled(): void {
    this.notBefore = -Infinity;
    this.failures.reset();
    this.outage.succeeded();
  }

  private async discardStrays(signal: AbortSignal): Promise<void> {
    const { own, logger } = this.options;
    for (let stray = this.strays.pop(); stray; stray = this.strays.pop()) {
      const { key } = stray;
      const gone = await own.discardStray(stray, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        logger.debug('could not delete another lease of this node', { key, ...errorFields(error) });
        return false;
      });
      if (gone) logger.warn('deleted another lease of this node', { lease: describePlace(stray), key });
    }
  }
}
