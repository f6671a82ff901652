import type { Clock, Timer } from '../runtime';

/**
 * Why a pass runs: another plan, a kernel notification, a retry after a failure, or because it is time (design: three
 * triggers and netlink events).
 */
export type PassTrigger = 'change' | 'event' | 'retry' | 'periodic';

const ORDER: readonly PassTrigger[] = ['change', 'event', 'retry', 'periodic'];

/** When the next pass runs. Each trigger waits at most once; a pass serves every trigger that is due when it starts. */
export class PassSchedule {
  private readonly waiting = new Map<PassTrigger, { readonly dueAt: number; readonly timer: Timer }>();
  private readonly due = new Set<PassTrigger>();
  private wake: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  /** Asks for a pass in `delayMs` at the latest; an earlier request of the same trigger stands. */
  request(trigger: PassTrigger, delayMs = 0): void {
    if (this.due.has(trigger)) return;
    const dueAt = this.clock.monotonic() + delayMs;
    const earlier = this.waiting.get(trigger);
    if (earlier && earlier.dueAt <= dueAt) return;
    this.cancel(trigger);
    if (delayMs <= 0) this.fallDue(trigger);
    else this.waiting.set(trigger, { dueAt, timer: this.clock.setTimer(delayMs, () => this.fallDue(trigger)) });
  }

  cancel(trigger: PassTrigger): void {
    this.waiting.get(trigger)?.timer.cancel();
    this.waiting.delete(trigger);
  }

  /** Resolves with the most urgent trigger once one is due, and with undefined once the signal aborts. One caller at a time. */
  async next(signal: AbortSignal): Promise<PassTrigger | undefined> {
    if (this.due.size === 0 && !signal.aborted) await this.sleepUntilDue(signal);
    if (signal.aborted) return undefined;
    const trigger = ORDER.find((candidate) => this.due.has(candidate));
    this.due.clear();
    return trigger;
  }

  close(): void {
    for (const trigger of ORDER) this.cancel(trigger);
    this.due.clear();
  }

  private sleepUntilDue(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.wake = undefined;
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  private fallDue(trigger: PassTrigger): void {
    this.waiting.delete(trigger);
    this.due.add(trigger);
    this.wake?.();
  }
}
