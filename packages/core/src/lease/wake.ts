import { abortReason, type Clock } from '../runtime';

/** A wait that another part can cut short. A notify() while nobody waits is kept for the next wait. */
export class Wake {
  private notified = false;
  private resume: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  notify(): void {
    this.notified = true;
    this.resume?.();
  }

  /** Resolves after `ms` (null: no limit) or at a notify(), true when it was the latter; rejects when the signal aborts. */
  async wait(ms: number | null, signal: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    if (!this.notified) await this.pause(ms, signal);
    throwIfAborted(signal);
    const notified = this.notified;
    this.notified = false;
    return notified;
  }

  private async pause(ms: number | null, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer?.cancel();
        signal.removeEventListener('abort', end);
        this.resume = null;
        resolve();
      };
      const timer = ms === null ? null : this.clock.setTimer(ms, end);
      signal.addEventListener('abort', end, { once: true });
      this.resume = end;
    });
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortReason(signal);
}
