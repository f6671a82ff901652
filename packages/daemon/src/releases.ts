import type { Clock, Logger } from '@tartan/core';

interface Step {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/**
 * What must be given back at the end, in the reverse order of its making. Every step is taken: one that throws is logged and
 * does not keep the others from their turn, and one that hangs is left behind when the time for all of them is over.
 */
export class Releases {
  private readonly steps: Step[] = [];

  constructor(private readonly options: { readonly clock: Clock; readonly logger: Logger }) {}

  add(name: string, run: () => void | Promise<void>): void {
    this.steps.push({ name, run });
  }

  /** A step that comes after all others. */
  addLast(name: string, run: () => void | Promise<void>): void {
    this.steps.unshift({ name, run });
  }

  /** Takes all steps within about `graceMs`. Never rejects. */
  async run(graceMs: number): Promise<void> {
    const deadline = this.options.clock.monotonic() + graceMs;
    for (let step = this.steps.pop(); step; step = this.steps.pop()) await this.take(step, deadline);
  }

  private async take({ name, run }: Step, deadline: number): Promise<void> {
    const { clock, logger } = this.options;
    const done = new AbortController();
    // Called in any case, so that even a step without time left gets started.
    const taken = Promise.resolve()
      .then(run)
      .catch((error: unknown) => logger.warn('something could not be released', { part: name, error }));
    const late = clock
      .sleep(Math.max(0, deadline - clock.monotonic()), done.signal)
      .then(() => logger.warn('something was not released in time', { part: name }))
      .catch(() => undefined);
    await Promise.race([taken, late]);
    done.abort();
  }
}
