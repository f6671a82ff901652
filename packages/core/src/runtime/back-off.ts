/** A source of numbers in [0, 1), like Math.random; injected so that tests own it. */
export type Random = () => number;

export interface BackOffOptions {
  /** First delay, milliseconds. */
  readonly initialMs: number;
  /** No delay is longer than this, milliseconds. */
  readonly maxMs: number;
  /** Each delay is this many times the last; 2 unless told. */
  readonly factor?: number;
  readonly random?: Random;
}

/**
 * Exponential back-off with full upper-half jitter: delay n lies in [d/2, d) with d = initial * factor^n, capped. Jitter keeps
 * a thousand nodes from coming back in one wave after an outage.
 */
export class BackOff {
  private attempt = 0;

  constructor(private readonly options: BackOffOptions) {}

  /** The next delay in milliseconds. */
  next(): number {
    const { initialMs, maxMs, factor = 2, random = Math.random } = this.options;
    const ceiling = Math.min(maxMs, initialMs * factor ** this.attempt);
    if (ceiling < maxMs) this.attempt++;
    return ceiling * (0.5 + random() / 2);
  }

  /** Call after a success. */
  reset(): void {
    this.attempt = 0;
  }
}
