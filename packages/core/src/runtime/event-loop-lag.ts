import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { Clock, Timer } from './clock';

/** How late timers ran: what the event loop could not attend to in time. */
export interface LagReading {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface EventLoopLagOptions {
  readonly clock: Clock;
  /** Readings cover between one and two windows, milliseconds; 10000 unless told. */
  readonly windowMs?: number;
}

/** Each interval wakes the process, on every node of a cluster for ever; ten a second still show what makes a probe fail. */
const RESOLUTION_MS = 100;
const IDLE: LagReading = { meanMs: 0, p99Ms: 0, maxMs: 0 };

/**
 * Measures how long the event loop is kept from its timers, over Node's own histogram: it costs one timer of libuv and no
 * JavaScript per sample. A stall shows up after it has ended, up to RESOLUTION_MS too short; a loop that never comes back answers
 * no health check at all.
 */
export class EventLoopLag {
  private readonly histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private last: LagReading = IDLE;
  private timer: Timer | undefined;

  constructor(private readonly options: EventLoopLagOptions) {}

  start(): void {
    this.histogram.enable();
    this.rotate();
  }

  /** The worse of the window under way and the one before it. */
  read(): LagReading {
    const now = this.present();
    return {
      meanMs: Math.max(now.meanMs, this.last.meanMs),
      p99Ms: Math.max(now.p99Ms, this.last.p99Ms),
      maxMs: Math.max(now.maxMs, this.last.maxMs),
    };
  }

  /** Idempotent. */
  stop(): void {
    this.timer?.cancel();
    this.histogram.disable();
  }

  private rotate(): void {
    const { clock, windowMs = 10_000 } = this.options;
    this.last = this.present();
    this.histogram.reset();
    this.timer = clock.setTimer(windowMs, () => this.rotate());
  }

  /** The histogram holds whole intervals in nanoseconds; the lag is what exceeds the interval asked for. */
  private present(): LagReading {
    if (this.histogram.count === 0) return IDLE;
    const lagMs = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    const { mean, max } = this.histogram;
    return { meanMs: lagMs(mean), p99Ms: lagMs(this.histogram.percentile(99)), maxMs: lagMs(max) };
  }
}
