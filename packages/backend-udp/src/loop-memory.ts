import { errnoNameOf, type Clock, type Logger, type ResumePlace, type Timer } from '@tartan/core';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeRoutes } from './native/encode-routes';
import { plainOptions } from './native/plain-options';
import type { PacketLoopOptions, PacketRoute } from './packet-loop';
import { encodeSavedLoop } from './resume/saved-loop';
import { readSurroundings, type Surroundings } from './resume/surroundings';

/*
 * Keeps the file from which the next process goes on with the packet loop (resume/resume-packet-loop.ts). It counts for as long as the host is up
 * only, so it need not survive a power cut: a rename, and no fsync. Nodes of a cluster come and go in bursts, hence one write some time
 * after the first change; what is missing in it the first list of peers makes good. It is written anew from time to time even without a change,
 * since an old file is refused.
 */

const WRITE_AFTER_MS = 1_000;
/** A sixth of the age at which a file is refused. */
const REFRESH_MS = 600_000;

/** The loop as it runs. */
export interface LoopState {
  readonly options: PacketLoopOptions;
  readonly ifindex: number;
  readonly networks: readonly string[];
  readonly routes: readonly PacketRoute[];
}

export interface LoopMemoryOptions extends ResumePlace {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly surroundings?: () => Surroundings;
}

export class LoopMemory {
  private state: LoopState | undefined;
  private timer: Timer | undefined;
  private dirty = false;
  private failed = false;
  /** Writes, one after the other. */
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly options: LoopMemoryOptions) {}

  /** Written soon. Never throws: without the file a restart only takes longer. */
  remember(state: LoopState): void {
    this.state = state;
    if (this.dirty) return;
    this.dirty = true;
    this.writeAfter(WRITE_AFTER_MS);
  }

  /** Writes what is not written yet, and stops to write by itself until the next remember(). */
  async close(): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    await this.write();
  }

  private writeAfter(ms: number): void {
    this.timer?.cancel();
    const timer = this.options.clock.setTimer(ms, () => {
      this.dirty = true;
      void this.write().then(() => {
        // Unless it was closed, or there was a change, meanwhile.
        if (this.timer === timer) this.writeAfter(REFRESH_MS);
      });
    });
    this.timer = timer;
  }

  private write(): Promise<void> {
    return this.inTurn(async () => {
      const { state } = this;
      if (!state || !this.dirty) return;
      this.dirty = false;
      await this.replaceFile(this.encode(state));
    });
  }

  private encode({ options, ifindex, networks, routes }: LoopState): Uint8Array {
    const { startedWith, clock, surroundings = readSurroundings } = this.options;
    return encodeSavedLoop({
      writtenAt: clock.now(),
      startedWith,
      ...surroundings(),
      ...{ ifindex, networks },
      options: plainOptions(options),
      routes: encodeRoutes(routes),
    });
  }

  private async replaceFile(data: Uint8Array): Promise<void> {
    const { path } = this.options;
    const temporary = `${path}.tmp`;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(temporary, { force: true });
    await writeFile(temporary, data, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  }

  private inTurn(action: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(action).then(
      () => void (this.failed = false),
      (error: unknown) => this.report(error),
    );
    return this.queue;
  }

  /** Once for as long as it goes on. */
  private report(error: unknown): void {
    const { path, logger } = this.options;
    if (!this.failed)
      logger.warn('the packet loop cannot be saved for a restart', { path, errnoName: errnoNameOf(error) });
    this.failed = true;
  }
}
