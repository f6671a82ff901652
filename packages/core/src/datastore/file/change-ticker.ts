import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock, Logger, Timer } from '../../runtime';

/** Several events come for one change; look once. */
const SETTLE_MS = 20;

export interface ChangeTickerOptions {
  /** A file (then its directory is watched, because editors replace files) or a directory. */
  readonly path: string;
  readonly isDirectory: boolean;
  readonly pollIntervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when something may have changed; never two at a time. */
  readonly onTick: () => Promise<void>;
}

/**
 * Calls when it is time to look at files again: on the kernel's notice (inotify), which says nothing about changes that other
 * hosts make on a shared file system, and therefore also at an interval.
 */
export class ChangeTicker {
  private watcher: FSWatcher | null = null;
  private timer: Timer | null = null;
  private running = false;
  private ticking = false;
  private notices = 0;

  constructor(private readonly options: ChangeTickerOptions) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.listen();
    this.arm(this.options.pollIntervalMs);
  }

  /** Idempotent. */
  stop(): void {
    this.running = false;
    this.timer?.cancel();
    this.deafen();
  }

  private arm(ms: number): void {
    this.timer?.cancel();
    if (this.running) this.timer = this.options.clock.setTimer(ms, () => void this.tick());
  }

  private async tick(): Promise<void> {
    this.ticking = true;
    const noticesBefore = this.notices;
    this.listen();
    await this.options.onTick();
    this.ticking = false;
    this.arm(this.notices > noticesBefore ? SETTLE_MS : this.options.pollIntervalMs);
  }

  private listen(): void {
    if (this.watcher) return;
    const { path, isDirectory, logger } = this.options;
    const wanted = isDirectory ? null : basename(path);
    try {
      this.watcher = watch(isDirectory ? path : dirname(path), { persistent: false }, (event, name) => {
        // The directory itself was moved or removed: what comes in its place needs a watch of its own.
        if (isDirectory && event === 'rename' && name === basename(path)) this.deafen();
        if (wanted === null || name === null || name === wanted) this.notice();
      });
      this.watcher.on('error', () => this.deafen());
    } catch (error) {
      logger.debug('no notices about file changes, polling only', { path, error: (error as Error).message });
    }
  }

  private notice(): void {
    this.notices++;
    if (!this.ticking) this.arm(SETTLE_MS);
  }

  private deafen(): void {
    this.watcher?.close();
    this.watcher = null;
  }
}
