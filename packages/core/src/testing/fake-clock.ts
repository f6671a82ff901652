import { abortReason, type Clock, type Timer } from '../runtime';

interface Pending {
  readonly dueAt: number;
  readonly callback: () => void;
}

/** Time that moves only when a test says so. */
export class FakeClock implements Clock {
  private readonly pending = new Set<Pending>();

  constructor(private current = 1_700_000_000_000) {}

  now(): number {
    return this.current;
  }

  monotonic(): number {
    return this.current;
  }

  /** How many timers wait; lets a test see leaks. */
  get timers(): number {
    return this.pending.size;
  }

  setTimer(ms: number, callback: () => void): Timer {
    const pending: Pending = { dueAt: this.current + ms, callback };
    this.pending.add(pending);
    return { cancel: () => void this.pending.delete(pending) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortReason(signal));
        return;
      }
      const onAbort = (): void => {
        timer.cancel();
        reject(abortReason(signal as AbortSignal));
      };
      const timer = this.setTimer(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Moves time by `ms`, running what falls due in order and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.current + ms;
    for (;;) {
      await settle();
      const next = [...this.pending].sort((a, b) => a.dueAt - b.dueAt)[0];
      if (!next || next.dueAt > end) break;
      this.pending.delete(next);
      this.current = Math.max(this.current, next.dueAt);
      next.callback();
    }
    this.current = end;
    await settle();
  }
}

/** Lets every promise that can settle without time or I/O do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
