import { abortReason } from '../runtime';

/** Promises that wait for a condition, re-checked whenever something has changed. */
export class Waiters {
  private readonly checks = new Set<() => void>();

  /** Resolves once `condition` holds at a check; rejects with the signal's reason. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortReason(signal));
        return;
      }
      const settle = (end: () => void): void => {
        this.checks.delete(check);
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      const check = (): void => {
        if (condition()) settle(resolve);
      };
      const onAbort = (): void => settle(() => reject(abortReason(signal as AbortSignal)));
      this.checks.add(check);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  check(): void {
    for (const check of [...this.checks]) check();
  }
}
