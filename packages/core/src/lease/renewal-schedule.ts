import type { LeaseRecord } from '../datastore';
import type { Clock, Random } from '../runtime';

export interface RenewalScheduleOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly ttlSeconds: number;
}

/**
 * When to renew: a third of the time to live after the last success, give or take a tenth, so that two renewals may fail and a
 * thousand nodes that started together drift apart.
 */
export class RenewalSchedule {
  private intervalMs: number;

  constructor(private readonly options: RenewalScheduleOptions) {
    this.intervalMs = this.draw();
  }

  /** After a renewal: the next interval is another one. */
  next(): void {
    this.intervalMs = this.draw();
  }

  /** Milliseconds until it is time, 0 when it is. `renewedAt` is monotonic. */
  waitMs(renewedAt: number): number {
    return Math.max(0, renewedAt + this.intervalMs - this.options.clock.monotonic());
  }

  /** By either clock: the monotonic one stands still while the machine is suspended, the other one may be set. */
  isDue(renewedAt: number, { expiresAt }: LeaseRecord): boolean {
    const { clock, ttlSeconds } = this.options;
    return this.waitMs(renewedAt) === 0 || (expiresAt !== null && clock.now() >= expiresAt - (ttlSeconds * 1000) / 2);
  }

  /** True when the time to live has passed by either clock; only good for naming what the datastore reports. */
  hasExpired(renewedAt: number, { expiresAt }: LeaseRecord): boolean {
    const { clock, ttlSeconds } = this.options;
    const passedMs = clock.monotonic() - renewedAt;
    return passedMs >= ttlSeconds * 1000 - 1000 || (expiresAt !== null && clock.now() >= expiresAt - 1000);
  }

  private draw(): number {
    return ((this.options.ttlSeconds * 1000) / 3) * (0.9 + 0.2 * this.options.random());
  }
}
