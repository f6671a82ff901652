import { type NodeStatus, nodeStatusPath, readNodeStatus, removeNodeStatus, writeNodeStatus } from '@tartan/cni';
import { type Clock, type Logger, type ReadinessRegistry } from '@tartan/core';
import { WakeUp } from './wake-up';

/*
 * Keeps the CNI plugin informed whether this node can take pods. A container runtime that hears "no" reports the node as not ready,
 * and after some minutes its pods are moved away. So "ready" is told at once, and taken back only when the node has been unready for
 * a while: a restart or an upgrade, which leaves forwarding alone, does not show. A node that never was ready (after a boot) says so,
 * with the reason, from the start.
 *
 * An orderly end leaves "ready" in place for the next daemon, and removes anything else: nobody is there to take it back.
 */

/** How long a node that was ready may be unready before it is told. */
const GRACE_MS = 20_000;
/** Checks change in bursts, most of all during a start. */
const BURST_MS = 100;
const TRY_AGAIN_MS = 10_000;

export interface NodeStatusFileOptions {
  readonly subnetFile: string;
  readonly readiness: Pick<ReadinessRegistry, 'ready' | 'missing' | 'onChange'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NodeStatusFile {
  private readonly path: string;
  private readonly changed: WakeUp;
  private told: NodeStatus | null = null;
  private unreadySince: number | null = null;
  private failed = false;

  constructor(private readonly options: NodeStatusFileOptions) {
    this.path = nodeStatusPath(options.subnetFile);
    this.changed = new WakeUp(options.clock);
  }

  /** Keeps the file true until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const stopListening = this.options.readiness.onChange(() => this.changed.wake());
    this.told = await readNodeStatus(this.path);
    try {
      while (!signal.aborted) {
        const lookAgainMs = await this.look();
        await this.changed.wait(signal, lookAgainMs ?? undefined);
        await this.options.clock.sleep(BURST_MS, signal).catch(() => undefined);
      }
    } finally {
      stopListening();
      if (this.told?.ready !== true) await removeNodeStatus(this.path).catch(() => undefined);
    }
  }

  /** Returns after how many milliseconds to look again even when nothing changes, null for never. */
  private async look(): Promise<number | null> {
    const { readiness, clock } = this.options;
    if (readiness.ready) {
      this.unreadySince = null;
      return this.tell({ ready: true });
    }
    this.unreadySince ??= clock.monotonic();
    const left = this.unreadySince + GRACE_MS - clock.monotonic();
    if (this.told?.ready === true && left > 0) return left;
    return this.tell({ ready: false, reason: readiness.missing });
  }

  private async tell(status: NodeStatus): Promise<number | null> {
    const { logger } = this.options;
    try {
      await writeNodeStatus(this.path, status);
      this.told = status;
      this.failed = false;
      return null;
    } catch (error) {
      if (!this.failed) logger.warn('node status cannot be written, trying on', { path: this.path, error });
      this.failed = true;
      return TRY_AGAIN_MS;
    }
  }
}
