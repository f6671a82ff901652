import { abortReason } from '../runtime';

/** An unbounded queue with one reader: push never waits, take waits for an item, a failure or the abort. */
export class Inbox<Item> {
  private readonly items: Item[] = [];
  private failure: Error | null = null;
  private wake: (() => void) | null = null;
  private readonly onAbort = (): void => this.fail(abortReason(this.signal));

  constructor(private readonly signal: AbortSignal) {
    if (signal.aborted) this.onAbort();
    else signal.addEventListener('abort', this.onAbort, { once: true });
  }

  push(item: Item): void {
    this.items.push(item);
    this.wake?.();
  }

  /** The first failure counts; the reader meets it at once, before items that still wait. */
  fail(error: Error): void {
    this.failure ??= error;
    this.wake?.();
  }

  async take(): Promise<Item> {
    for (;;) {
      if (this.failure) throw this.failure;
      const item = this.items.shift();
      if (item !== undefined) return item;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(): void {
    this.signal.removeEventListener('abort', this.onAbort);
  }
}
