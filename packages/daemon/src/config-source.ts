import {
  type BackOff,
  type ConfigWarning,
  type Datastore,
  type Logger,
  type NetworkConfig,
  type Clock,
  abortReason,
  isTartanError,
  parseNetworkConfig,
} from '@tartan/core';

/*
 * The network config as a stream of valid configs.
 *
 * The original asks once per second until the key is there, prints a line each time, and never looks again. Here the first read
 * says what is wrong once, a watch delivers the repair at once, and later changes keep arriving for the life of the daemon. A
 * config that does not validate is reported and skipped: the last good one stays in force.
 */

export interface ConfigSourceOptions {
  readonly datastore: Datastore;
  readonly strict: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backOff: BackOff;
}

export interface ConfigSourceListener {
  /** A valid config that differs from the one before. */
  onConfig(config: NetworkConfig): void;
  /** Why there is no (newer) valid config; null when there is. For readiness. */
  onProblem(problem: string | null): void;
}

export class ConfigSource {
  private lastText: string | null = null;
  private lastProblem: string | null = null;

  constructor(private readonly options: ConfigSourceOptions) {}

  /** Delivers configs until the signal aborts; then resolves. Never rejects. */
  async run(listener: ConfigSourceListener, signal: AbortSignal): Promise<void> {
    const { datastore, clock, backOff } = this.options;
    while (!signal.aborted) {
      try {
        const present = await datastore.getConfig(signal);
        backOff.reset();
        this.accept(present.text, listener);
      } catch (error) {
        if (signal.aborted) return;
        this.report(error, listener);
      }
      try {
        for await (const record of datastore.watchConfig(signal)) {
          backOff.reset();
          this.accept(record.text, listener);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.report(error, listener);
      }
      await clock.sleep(backOff.next(), signal).catch(() => undefined);
    }
  }

  private accept(text: string, listener: ConfigSourceListener): void {
    if (text === this.lastText) {
      this.clearProblem(listener);
      return;
    }
    try {
      const { config, warnings } = parseNetworkConfig(text, { strict: this.options.strict });
      this.lastText = text;
      this.clearProblem(listener);
      for (const warning of warnings) this.warn(warning);
      listener.onConfig(config);
    } catch (error) {
      this.report(error, listener);
    }
  }

  private warn(warning: ConfigWarning): void {
    this.options.logger.warn('network config warning', { key: warning.key, warning: warning.message });
  }

  private clearProblem(listener: ConfigSourceListener): void {
    this.lastProblem = null;
    listener.onProblem(null);
  }

  /** One line per distinct problem; an unreachable datastore is the datastore's own line. */
  private report(error: unknown, listener: ConfigSourceListener): void {
    const problem = error instanceof Error ? error.message : String(error);
    listener.onProblem(problem);
    if (problem === this.lastProblem) return;
    this.lastProblem = problem;
    const { logger } = this.options;
    if (isTartanError(error, 'DATASTORE_UNAVAILABLE')) return;
    if (isTartanError(error, 'DATASTORE_NOT_FOUND'))
      logger.warn('waiting for the network config', { key: error.data.key });
    else logger.error('network config is not usable', { error });
  }
}

/** Resolves with the first config; rejects with the abort reason. */
export function firstConfig(
  subscribe: (onConfig: (config: NetworkConfig) => void) => void,
  signal: AbortSignal,
): Promise<NetworkConfig> {
  return new Promise((resolve, reject) => {
    subscribe(resolve);
    signal.addEventListener('abort', () => reject(abortReason(signal)), { once: true });
  });
}
