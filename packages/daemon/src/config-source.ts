import {
  type BackOff,
  type Clock,
  type Datastore,
  type Logger,
  type NetworkConfig,
  isAborted,
  isTartanError,
  parseNetworkConfig,
} from '@tartan/core';
import { messageOf } from './node-checks';

/*
 * The network config as a stream of valid configs.
 *
 * The original asks once per second until the key is there, prints a line each time, and never looks again. Here the first read
 * says what is wrong once, a watch delivers the repair at once, and later changes keep arriving for the life of the daemon. A
 * config that does not validate is reported and skipped: the last good one stays in force.
 */

export interface ConfigSourceOptions {
  readonly datastore: Pick<Datastore, 'getConfig' | 'watchConfig'>;
  readonly strict: boolean;
  /** See ParseOptions. */
  readonly assigned?: boolean;
  /** The config of the last run, used until the datastore answers; null when there is none. */
  readonly remembered?: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backOff: BackOff;
}

export interface ConfigSourceListener {
  /** A valid config that differs from the one before, and its text. */
  onConfig(config: NetworkConfig, text: string): void;
  /** Why there is no (newer) valid config. Called again when the reason changes. */
  onProblem(problem: string): void;
  /** The config that was delivered last is what the datastore says, after a problem. */
  onRecovered(): void;
}

/** A watch that stood this long was a good one: the next failure is met with a short delay again. */
const GOOD_WATCH_MS = 5_000;

export class ConfigSource {
  private lastText: string | null = null;
  private problem: { readonly text: string; readonly ofConfig: boolean } | null = null;
  private remembered: string | null;

  constructor(private readonly options: ConfigSourceOptions) {
    this.remembered = options.remembered ?? null;
  }

  /** Delivers configs until the signal aborts; then resolves. Never rejects: every failure is reported and tried again. */
  async run(listener: ConfigSourceListener, signal: AbortSignal): Promise<void> {
    const { clock, backOff } = this.options;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      try {
        await this.follow(listener, signal);
      } catch (error) {
        if (isAborted(signal)) return;
        if (isTartanError(error, 'DATASTORE_UNAVAILABLE', 'DATASTORE_DENIED')) this.recall(listener);
        this.report(error, listener);
      }
      if (clock.monotonic() - startedAt >= GOOD_WATCH_MS) backOff.reset();
      await clock.sleep(backOff.next(), signal).catch(() => undefined);
    }
  }

  /** The watch alone would not tell that there is no config yet; a read alone does not tell that the watch stands. */
  private async follow(listener: ConfigSourceListener, signal: AbortSignal): Promise<void> {
    const { datastore } = this.options;
    try {
      this.accept((await datastore.getConfig(signal)).text, listener);
    } catch (error) {
      if (!isTartanError(error, 'DATASTORE_NOT_FOUND')) throw error;
      this.report(error, listener);
    }
    for await (const { text } of datastore.watchConfig(signal)) {
      this.accept(text, listener);
      if (text === this.lastText) this.recover(listener);
    }
  }

  private accept(text: string, listener: ConfigSourceListener): void {
    if (text === this.lastText) return;
    const parsed = this.parse(text, listener);
    if (!parsed) return;
    this.lastText = text;
    this.problem = null;
    for (const { key, message } of parsed.warnings) {
      this.options.logger.warn('network config warning', { key, warning: message });
    }
    listener.onConfig(parsed.config, text);
  }

  /** The datastore is away or refuses access, and so far nothing is known but what the last run left. */
  private recall(listener: ConfigSourceListener): void {
    const { remembered } = this;
    if (this.lastText !== null || remembered === null) return;
    this.remembered = null;
    this.options.logger.warn('the datastore gives no answer, starting with the network config of the last run');
    this.accept(remembered, listener);
  }

  private parse(text: string, listener: ConfigSourceListener): ReturnType<typeof parseNetworkConfig> | null {
    try {
      return parseNetworkConfig(text, { strict: this.options.strict, assigned: this.options.assigned ?? false });
    } catch (error) {
      this.report(error, listener);
      return null;
    }
  }

  private recover(listener: ConfigSourceListener): void {
    if (this.problem === null) return;
    if (this.problem.ofConfig) this.options.logger.info('network config is the one in force again');
    this.problem = null;
    listener.onRecovered();
  }

  private report(error: unknown, listener: ConfigSourceListener): void {
    // Nothing is wrong with the config in force; that the datastore is away is told where it belongs.
    if (this.lastText !== null && isTartanError(error, 'DATASTORE_UNAVAILABLE')) return;
    const text = messageOf(error);
    if (text === this.problem?.text) return;
    this.problem = { text, ofConfig: isTartanError(error, 'CONFIG_INVALID', 'CONFIG_NOT_JSON') };
    this.log(error);
    listener.onProblem(text);
  }

  /** One line per distinct problem; that the datastore is away is the datastore's own line. */
  private log(error: unknown): void {
    const { logger } = this.options;
    if (isTartanError(error, 'DATASTORE_UNAVAILABLE')) return;
    if (isTartanError(error, 'DATASTORE_NOT_FOUND')) {
      logger.warn('waiting for the network config', { key: error.data.key });
    } else if (this.problem?.ofConfig) {
      const instead = this.lastText === null ? 'waiting for a good one' : 'the last good one stays in force';
      logger.error('network config is not usable', { error, instead });
    } else {
      logger.error('network config cannot be read, trying on', { error });
    }
  }
}
