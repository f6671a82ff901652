import type { Clock } from '@tartan/core';

/**
 * A latch that many may set and one waits for: "something changed, look again". What is set while nobody waits is kept, so no
 * change is lost between two looks.
 */
export class WakeUp {
  private set = false;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  /** True when it was woken and nobody has looked yet. */
  get pending(): boolean {
    return this.set;
  }

  wake(): void {
    this.set = true;
    for (const listener of [...this.listeners]) listener();
  }

  /** Resolves when woken, at the latest after `timeoutMs` (never without one), or when the signal aborts. Takes the setting. */
  async wait(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (!this.set && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = timeoutMs === undefined ? undefined : this.clock.setTimer(timeoutMs, () => done());
        const done = (): void => {
          timer?.cancel();
          signal.removeEventListener('abort', done);
          this.listeners.delete(done);
          resolve();
        };
        this.listeners.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
    this.set = false;
  }

  /**
   * Runs `work` on what is known now: takes the setting, and aborts the signal that `work` gets when the latch is set again, since
   * what it works on is out of date then. Settles only after `work` has.
   */
  async interruptible<Result>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    this.set = false;
    const outdated = new AbortController();
    const abort = (): void => outdated.abort(new Error('something changed meanwhile'));
    this.listeners.add(abort);
    try {
      return await work(AbortSignal.any([signal, outdated.signal]));
    } finally {
      this.listeners.delete(abort);
    }
  }
}
