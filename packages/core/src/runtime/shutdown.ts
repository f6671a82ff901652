import { constants } from 'node:os';
import { exitCodeOfSignal } from './exit-codes';
import type { Logger } from './logger';

/** Signals that ask for a clean end. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export type StopSignal = (typeof STOP_SIGNALS)[number];

/** The reason of the abort signal after an orderly request to stop: no failure. */
export class ShutdownRequested extends Error {
  constructor(readonly by: StopSignal | 'daemon') {
    super(`shutdown requested by ${by}`);
    this.name = 'ShutdownRequested';
  }
}

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export interface ShutdownOptions {
  readonly signals: SignalSource;
  /** Ends the process at once: process.exit. */
  readonly exit: (code: number) => void;
  readonly logger: Logger;
}

/**
 * First SIGINT or SIGTERM: `signal` aborts and the daemon winds down. Second: the process ends at once with 128 + n. Install it
 * before anything else, since as process 1 of a container a signal without listener is simply ignored by the kernel.
 */
export class Shutdown {
  private readonly controller = new AbortController();
  private readonly listeners = STOP_SIGNALS.map((name) => ({ name, listener: () => this.onSignal(name) }));

  constructor(private readonly options: ShutdownOptions) {
    for (const { name, listener } of this.listeners) options.signals.on(name, listener);
  }

  /** Aborts with a ShutdownRequested, or with what `fail` was given. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Winds down as if a signal had come. Idempotent; the first reason stays. */
  request(): void {
    this.controller.abort(new ShutdownRequested('daemon'));
  }

  /** Winds down because of a failure. Idempotent; the first reason stays. */
  fail(error: Error): void {
    this.controller.abort(error);
  }

  /** Gives the signals back. */
  close(): void {
    for (const { name, listener } of this.listeners) this.options.signals.off(name, listener);
  }

  private onSignal(name: StopSignal): void {
    const { logger, exit } = this.options;
    if (!this.signal.aborted) {
      logger.info('stopping', { signal: name });
      this.controller.abort(new ShutdownRequested(name));
      return;
    }
    logger.warn('second signal, ending at once', { signal: name });
    exit(exitCodeOfSignal(constants.signals[name]));
  }
}
