import type { Clock } from '@tartan/core';

/** A latch that many may set and one waits for: "something changed, look again". Settings while nobody waits are kept. */
export class WakeUp {
  private set = false;
  private notify: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  wake(): void {
    this.set = true;
    this.notify?.();
  }

  /** Resolves when woken, at the latest after `timeoutMs` (never without one), or when the signal aborts. Takes the setting. */
  async wait(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (!this.set && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = timeoutMs === undefined ? undefined : this.clock.setTimer(timeoutMs, resolve);
        const done = (): void => resolve();
        this.notify = done;
        signal.addEventListener('abort', done, { once: true });
        this.cleanUp = () => {
          timer?.cancel();
          signal.removeEventListener('abort', done);
          this.notify = undefined;
        };
      });
      this.cleanUp();
    }
    this.set = false;
  }

  private cleanUp: () => void = () => undefined;
}
