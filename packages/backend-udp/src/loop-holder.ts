import type { DataPathCounters, DataPathFeature, IpAddress, Logger, RtNetlink } from '@tartan/core';
import { addCounters, noCounters } from './loop-counters';
import type { CreatePacketLoop, PacketLoop, PacketLoopOptions } from './packet-loop';

/*
 * The one packet loop of a daemon. When the network is brought up anew (the lease was renewed, the interface has another MTU), a new
 * BackendNetwork takes over from the old one while packets flow. Both hold the loop for a moment: it goes on as it is where
 * nothing of its options has changed, is replaced where something has, and stops when the last of them lets go.
 */

export interface LoopHolderOptions {
  readonly netlink: Pick<RtNetlink, 'listLinks'>;
  readonly logger: Logger;
}

/** A loop that runs. */
export interface Running {
  readonly loop: PacketLoop;
  readonly options: PacketLoopOptions;
  /** Index of its TUN: another one, or none, means that the loop's device was deleted. */
  readonly ifindex: number | undefined;
}

export class LoopHolder {
  private readonly claims = new Set<object>();
  private running: Running | undefined;
  private past: DataPathCounters = noCounters;
  /** Starts and stops, one after the other. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: LoopHolderOptions) {}

  /** Keeps the loop, once there is one, from stopping until release(). */
  claim(owner: object): void {
    this.claims.add(owner);
  }

  /** Takes a loop that runs already for the first claim. No other may run. */
  adopt(running: Running): void {
    this.running = running;
    this.announce(running);
  }

  /** A loop that runs with these options on a TUN that is there. Rejects with the loop's errors when it cannot be started. */
  acquire(owner: object, create: CreatePacketLoop, options: PacketLoopOptions): Promise<PacketLoop> {
    return this.inTurn(async () => {
      if (!this.claims.has(owner)) throw new Error('the packet loop was released');
      const { running } = this;
      if (running && sameOptions(running.options, options) && (await this.hasDevice(running))) return running.loop;
      await this.stop();
      return this.start(create(options), options);
    });
  }

  /** Resolves once the loop has stopped, if nobody else wants it. Idempotent. */
  release(owner: object): Promise<void> {
    this.claims.delete(owner);
    return this.inTurn(async () => {
      if (this.claims.size === 0) await this.stop();
    });
  }

  /** True when somebody besides `owner` keeps the loop. */
  isShared(owner: object): boolean {
    return this.claims.size > (this.claims.has(owner) ? 1 : 0);
  }

  /** True when we ourselves listen there. */
  listensOn(local: IpAddress, port: number): boolean {
    const listen = this.running?.options.listen;
    const address = local.family === 4 ? listen?.ipv4 : listen?.ipv6;
    return listen?.port === port && address?.equals(local) === true;
  }

  /** Index of the TUN of the loop that runs. */
  get ifindex(): number | undefined {
    return this.running?.ifindex;
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  get features(): readonly DataPathFeature[] {
    return this.running?.loop.features() ?? [];
  }

  get counters(): DataPathCounters {
    return this.running ? addCounters(this.past, this.running.loop.stats()) : this.past;
  }

  private async start(loop: PacketLoop, options: PacketLoopOptions): Promise<PacketLoop> {
    await loop.start();
    this.running = { loop, options, ifindex: await this.indexOf(options.tunName) };
    this.announce(this.running);
    return loop;
  }

  private announce({ loop, options }: Running): void {
    const off = loop.features().filter(({ on }) => !on);
    this.options.logger.info('packet loop runs', {
      ifname: options.tunName,
      port: options.listen.port,
      off: off.map(({ name, reason }) => `${name} (${reason ?? 'no reason given'})`),
    });
  }

  private async stop(): Promise<void> {
    const { running } = this;
    if (!running) return;
    this.past = this.counters;
    this.running = undefined;
    await running.loop.stop();
  }

  private async hasDevice({ options, ifindex }: Running): Promise<boolean> {
    return ifindex !== undefined && (await this.indexOf(options.tunName)) === ifindex;
  }

  private async indexOf(name: string): Promise<number | undefined> {
    return (await this.options.netlink.listLinks()).find((link) => link.name === name)?.index;
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.queue.then(action);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

function sameOptions(a: PacketLoopOptions, b: PacketLoopOptions): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
