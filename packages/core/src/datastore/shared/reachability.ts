import { BackOff, type Clock, type Logger } from '../../runtime';
import { isTartanError } from '../../errors';
import type { DatastoreStatus } from '../datastore';

const FIRST_REMINDER_MS = 10_000;
const REMINDER_CEILING_MS = 10 * 60_000;

export interface ReachabilityOptions {
  readonly datastore: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Constant fields of every line, such as the endpoints or the path. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/**
 * Knows whether the datastore answers, and says so: one line at once when it stops, reminders with growing pauses while callers
 * keep trying (10 s, 20 s, ... 10 min), one line when it is back. Refusals (DATASTORE_DENIED) are answers: they do not count as
 * outage, but are logged in the same rhythm, per operation. Holds no timer.
 */
export class Reachability {
  private state: DatastoreStatus = { reachable: false, since: null, lastError: null };
  private downSince: number | null = null;
  private wasUnusable = false;
  private readonly outage: Reminder;
  private readonly refusals = new Map<string, Reminder>();

  constructor(private readonly options: ReachabilityOptions) {
    this.outage = new Reminder(options.clock);
  }

  status(): DatastoreStatus {
    return this.state;
  }

  /** An answer came, of whatever content. */
  succeeded(operation: string): void {
    this.refusals.delete(operation);
    if (this.state.reachable) return;
    this.change(true);
    if (this.downSince === null) return;
    this.log('info', this.wasUnusable ? 'datastore usable again' : 'datastore reachable again', {
      downSeconds: this.secondsSince(this.downSince),
    });
    this.downSince = null;
    this.outage.reset();
  }

  /** Returns `error`, so that a caller can throw what it notes. `unusable`: it answers, with what nobody can use. */
  failed<Failure extends Error>(
    operation: string,
    error: Failure,
    how: 'unreachable' | 'unusable' = 'unreachable',
  ): Failure {
    if (isTartanError(error, 'DATASTORE_DENIED')) this.refused(operation, error);
    else if (isTartanError(error, 'DATASTORE_UNAVAILABLE')) this.unavailable(operation, error, how);
    return error;
  }

  private unavailable(operation: string, error: Error, how: 'unreachable' | 'unusable'): void {
    const { clock } = this.options;
    if (this.state.reachable || this.state.since === null) this.change(false);
    this.state = { ...this.state, lastError: error.message };
    const first = this.downSince === null;
    this.downSince ??= clock.monotonic();
    this.wasUnusable = how === 'unusable';
    if (!this.outage.due()) return;
    const message = first ? `datastore ${how}` : `datastore still ${how}`;
    this.log('warn', message, { operation, error: error.message, downSeconds: this.secondsSince(this.downSince) });
  }

  private refused(operation: string, error: Error): void {
    if (!this.state.reachable) this.succeeded(operation);
    this.state = { ...this.state, lastError: error.message };
    const reminder = this.refusals.get(operation) ?? new Reminder(this.options.clock);
    this.refusals.set(operation, reminder);
    if (reminder.due()) this.log('warn', 'datastore refuses access', { operation, error: error.message });
  }

  private change(reachable: boolean): void {
    this.state = { ...this.state, reachable, since: this.options.clock.now() };
  }

  private secondsSince(monotonic: number): number {
    return Math.round((this.options.clock.monotonic() - monotonic) / 1000);
  }

  private log(level: 'info' | 'warn', message: string, fields: Readonly<Record<string, unknown>>): void {
    this.options.logger[level](message, { datastore: this.options.datastore, ...this.options.fields, ...fields });
  }
}

/** True at once, and then at growing intervals. */
class Reminder {
  private readonly backOff = new BackOff({
    initialMs: FIRST_REMINDER_MS,
    maxMs: REMINDER_CEILING_MS,
    // No jitter: a log line disturbs nobody.
    random: () => 1,
  });
  private nextAt: number | null = null;

  constructor(private readonly clock: Clock) {}

  due(): boolean {
    const now = this.clock.monotonic();
    if (this.nextAt !== null && now < this.nextAt) return false;
    this.nextAt = now + this.backOff.next();
    return true;
  }

  reset(): void {
    this.nextAt = null;
    this.backOff.reset();
  }
}
