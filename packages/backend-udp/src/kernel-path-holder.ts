import { isTartanError, type Logger } from '@tartan/core';
import type { KernelPath, KernelPathPeer, KernelPathPlace, KernelPathStats } from './kernel-path';

/*
 * The kernel paths of a daemon: one, and a second one for the moment in which a network with another uplink, address or port takes over. A
 * network that is brought up anew in the same place goes on with the same one. The last to let go leaves everything at work in the kernel.
 */

export type OpenKernelPath = Pick<KernelPath, 'start' | 'makeReady' | 'setPeers' | 'isIntact' | 'stats' | 'stop'>;

export interface KernelPathHolderOptions {
  readonly create: () => OpenKernelPath;
  /** Removes what any run left. Rejects with KERNEL_REFUSED or UDP_KERNEL_PATH_UNAVAILABLE. */
  readonly remove: () => Promise<void>;
  readonly logger: Logger;
}

interface Opened {
  readonly place: KernelPathPlace;
  readonly path: OpenKernelPath;
}

export class KernelPathHolder {
  private readonly claims = new Map<object, Opened>();
  private current: Opened | undefined;
  private problem: string | undefined;
  /** One after the other: none of it may overlap. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: KernelPathHolderOptions) {}

  /** Undefined once a kernel path is open in this place, ready to be announced; otherwise why there is none. */
  open(place: KernelPathPlace): Promise<string | undefined> {
    return this.inTurn(async () => {
      if (this.current && samePlace(this.current.place, place)) return undefined;
      const path = this.options.create();
      try {
        await path.start(place);
        await path.makeReady();
      } catch (error) {
        path.stop();
        return this.explain(error);
      }
      this.problem = undefined;
      const before = this.current;
      this.current = { place, path };
      this.stopUnclaimed(before);
      return undefined;
    });
  }

  /** Keeps the path that was opened last until release(). */
  claim(owner: object): void {
    if (!this.current) throw new Error('no kernel path is open');
    this.claims.set(owner, this.current);
  }

  /** Rejects as KernelPath.setPeers does. */
  setPeers(owner: object, peers: readonly KernelPathPeer[]): Promise<void> {
    return this.inTurn(async () => {
      const opened = this.claims.get(owner);
      if (!opened) throw new Error('the kernel path was released');
      await opened.path.setPeers(peers);
    });
  }

  /** False when something of the owner's path is missing in the kernel. */
  isIntact(owner: object): boolean {
    try {
      return this.claims.get(owner)?.path.isIntact() ?? true;
    } catch (error) {
      this.options.logger.debug('the kernel path cannot be looked at', { error });
      return false;
    }
  }

  stats(owner: object): KernelPathStats | undefined {
    return this.claims.get(owner)?.path.stats();
  }

  /** Takes out of the kernel what a former run left there. Without the addon there can be nothing. */
  remove(): Promise<void> {
    return this.inTurn(async () => {
      try {
        await this.options.remove();
      } catch (error) {
        if (!isTartanError(error, 'UDP_KERNEL_PATH_UNAVAILABLE')) throw error;
      }
    });
  }

  /** Idempotent. */
  release(owner: object): Promise<void> {
    return this.inTurn(() => {
      const opened = this.claims.get(owner);
      this.claims.delete(owner);
      this.stopUnclaimed(opened);
      return Promise.resolve();
    });
  }

  private stopUnclaimed(opened: Opened | undefined): void {
    if (!opened || [...this.claims.values()].includes(opened)) return;
    if (opened === this.current) this.current = undefined;
    opened.path.stop();
  }

  /** The log has the whole error, once: the verifier's words are many. */
  private explain(error: unknown): string {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== this.problem) this.options.logger.warn('no kernel path, packets go through user space', { error });
    this.problem = problem;
    return problem;
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.queue.then(action);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

function samePlace(a: KernelPathPlace, b: KernelPathPlace): boolean {
  const { tunName, uplinkName, localAddress, port } = a;
  return tunName === b.tunName && uplinkName === b.uplinkName && port === b.port && localAddress.equals(b.localAddress);
}
