import type {
  Clock,
  DataPath,
  DataPathBypass,
  DataPathFeature,
  DataPathStatus,
  Link,
  Plan,
  RtNetlink,
} from '@tartan/core';
import { receivingDeviceName, type KernelPathPeer } from './kernel-path';
import type { KernelPathHolder } from './kernel-path-holder';
import type { LoopHolder } from './loop-holder';
import type { LoopMemory } from './loop-memory';
import type { CreatePacketLoop, PacketLoopOptions } from './packet-loop';
import type { UdpPlan } from './plan';

export interface UdpDataPathOptions {
  readonly holder: LoopHolder;
  readonly createLoop: CreatePacketLoop;
  readonly loopOptions: PacketLoopOptions;
  readonly netlink: Pick<RtNetlink, 'subscribe'>;
  readonly kernelPaths: KernelPathHolder;
  /** Networks of the overlay. */
  readonly networks: readonly string[];
  /** Keeps the loop for the next process; absent where nothing may be kept. */
  readonly memory?: Pick<LoopMemory, 'remember' | 'close'>;
  /** A kernel path was opened for this network. */
  readonly usesKernel: boolean;
  readonly clock: Clock;
  /** What the operator should know of the choice. */
  readonly features: readonly DataPathFeature[];
}

/** Somebody who deletes a filter changes no device. Looking for ours costs three requests to the kernel. */
const LOOK_INTERVAL_MS = 500;

/** Of the kernel path's device that has to be put right: it is gone, another one, or down. */
interface SeenDevice {
  readonly ifindex: number;
  readonly mtuBytes: number;
}

/**
 * The packet loop as the rest of the daemon sees it. Nothing runs before the first plan: until the peers are known there is nobody to
 * send to, and everybody who sends is unknown. With a kernel path beside it the loop has the whole table all the same: it carries what the
 * kernel path leaves to it. After close() the kernel path goes on by itself.
 */
export class UdpDataPath implements DataPath {
  private kernelPeers: readonly KernelPathPeer[] = [];
  private kernelIsClear = false;
  private seen: SeenDevice | undefined;
  /** Told, and not put right yet. */
  private kernelIsBroken = false;

  constructor(private readonly options: UdpDataPathOptions) {
    options.holder.claim(this);
    if (options.usesKernel) options.kernelPaths.claim(this);
  }

  async program(plan: Plan): Promise<void> {
    const { holder, createLoop, loopOptions, memory, networks } = this.options;
    const loop = await holder.acquire(this, createLoop, loopOptions);
    const { routes, kernelPeers } = (plan as UdpPlan).dataPath;
    loop.setRoutes(routes);
    const { ifindex } = holder;
    if (ifindex !== undefined) memory?.remember({ options: loopOptions, ifindex, networks, routes });
    await this.programKernel(kernelPeers);
  }

  /** Somebody deleted the TUN, and with it the loop has lost its packets; or notifications were lost, and that may be so. */
  watch(onDrift: () => void): { close(): void } {
    const { holder, netlink, loopOptions } = this.options;
    const links = netlink.subscribe(['link'], (event) => {
      if (event.type === 'resync') onDrift();
      if (event.type !== 'link' || !holder.isRunning) return;
      if (this.concernsKernelPath(event.action, event.link)) onDrift();
      if (event.link.name !== loopOptions.tunName) return;
      if (event.action === 'del' ? event.link.index === holder.ifindex : event.link.index !== holder.ifindex) onDrift();
    });
    const filters = this.watchFilters(onDrift);
    return {
      close: () => {
        links.close();
        filters.close();
      },
    };
  }

  /** Once for each loss: program() is tried again by who called it until it succeeds. */
  private watchFilters(onDrift: () => void): { close(): void } {
    const { usesKernel, kernelPaths, clock } = this.options;
    if (!usesKernel) return { close: () => undefined };
    const look = (): void => {
      const broken = !kernelPaths.isIntact(this);
      if (broken && !this.kernelIsBroken) onDrift();
      this.kernelIsBroken = broken;
      timer = clock.setTimer(LOOK_INTERVAL_MS, look);
    };
    let timer = clock.setTimer(LOOK_INTERVAL_MS, look);
    return { close: () => timer.cancel() };
  }

  status(): DataPathStatus {
    const { isRunning, features, counters } = this.options.holder;
    const bypass = this.bypass();
    return {
      name: 'packet loop',
      running: isRunning,
      features: isRunning ? [...features, ...this.options.features] : [],
      counters,
      ...(bypass && { bypass }),
    };
  }

  async close(): Promise<void> {
    const { holder, kernelPaths, usesKernel, memory } = this.options;
    if (!holder.isShared(this)) await memory?.close();
    if (usesKernel) await kernelPaths.release(this);
    await holder.release(this);
  }

  private async programKernel(peers: readonly KernelPathPeer[]): Promise<void> {
    const { kernelPaths, usesKernel } = this.options;
    if (usesKernel) {
      await kernelPaths.setPeers(this, peers);
      this.kernelPeers = peers;
      this.kernelIsBroken = false;
    } else if (!this.kernelIsClear) {
      await kernelPaths.remove();
      this.kernelIsClear = true;
    }
  }

  private concernsKernelPath(action: 'new' | 'del', { name, up, index, mtuBytes }: Link): boolean {
    const { usesKernel, loopOptions } = this.options;
    if (!usesKernel || name !== receivingDeviceName(loopOptions.tunName)) return false;
    const { seen } = this;
    this.seen = { ifindex: index, mtuBytes };
    return action === 'del' || !up || seen?.ifindex !== index || seen.mtuBytes !== mtuBytes;
  }

  private bypass(): DataPathBypass | undefined {
    const stats = this.options.kernelPaths.stats(this);
    if (!stats) return undefined;
    const { txPackets, txBytes, rxPackets, rxBytes } = stats;
    return {
      name: 'kernel path',
      peers: this.kernelPeers.map(({ prefix }) => prefix.toString()),
      ...{ txPackets, txBytes, rxPackets, rxBytes },
      left: {
        'tx-ttl': stats.txLeftTtl,
        'tx-too-big': stats.txLeftTooBig,
        'tx-unsuitable': stats.txLeftUnsuitable,
        'rx-aggregate': stats.rxLeftAggregate,
        'rx-foreign': stats.rxLeftForeign,
      },
      drops: { 'no-room': stats.droppedNoRoom, forged: stats.droppedForged },
    };
  }
}
