import { type Clock, type LastCluster, type LastClusterStore, type LeaseSnapshot, type Logger } from '@tartan/core';
import { WakeUp } from './wake-up';

/*
 * Keeps what the datastore says on disk, for a start at which it says nothing. A busy cluster changes all the time, so the file is
 * written some time after the first change and then not again for as long: it may be that much behind, which the first complete
 * list makes good.
 */

/** The file holds every peer, so it is not written with each change of a busy cluster: once in half a minute is nothing to a disk. */
const WRITE_INTERVAL_MS = 30_000;
/** Nodes of a new cluster join together; soon enough that a host which is switched off early has something. */
const FIRST_WRITE_MS = 1_000;

export interface ClusterMemoryOptions {
  readonly store: Pick<LastClusterStore, 'path' | 'write'>;
  /** What was read at the start. */
  readonly last: LastCluster | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ClusterMemory {
  private config: string | null;
  private snapshot: LeaseSnapshot | null = null;
  private readonly changed: WakeUp;

  constructor(private readonly options: ClusterMemoryOptions) {
    this.config = options.last?.config ?? null;
    this.changed = new WakeUp(options.clock);
  }

  /** A valid config, as the datastore has it. */
  setConfig(text: string): void {
    this.config = text;
    if (this.snapshot) this.changed.wake();
  }

  /** All peers, complete. Never what was remembered. */
  setSnapshot(snapshot: LeaseSnapshot): void {
    this.snapshot = snapshot;
    this.changed.wake();
  }

  /** Writes until the signal aborts. Never rejects: losing the memory costs one warning. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, logger } = this.options;
    let pauseMs = FIRST_WRITE_MS;
    let failed = false;
    for (;;) {
      await this.changed.wait(signal);
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      if (signal.aborted || !this.snapshot) return;
      pauseMs = WRITE_INTERVAL_MS;
      try {
        await store.write({ config: this.config, peers: this.snapshot.leases });
        failed = false;
      } catch (error) {
        if (!failed) logger.warn('peers cannot be remembered', { path: store.path, error });
        failed = true;
        this.changed.wake();
      }
    }
  }
}
