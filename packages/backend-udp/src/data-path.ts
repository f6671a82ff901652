import type { DataPath, DataPathStatus, Plan, RtNetlink } from '@tartan/core';
import type { LoopHolder } from './loop-holder';
import type { CreatePacketLoop, PacketLoopOptions } from './packet-loop';
import type { UdpPlan } from './plan';

export interface UdpDataPathOptions {
  readonly holder: LoopHolder;
  readonly createLoop: CreatePacketLoop;
  readonly loopOptions: PacketLoopOptions;
  readonly netlink: Pick<RtNetlink, 'subscribe'>;
}

/**
 * The packet loop as the rest of the daemon sees it. Nothing runs before the first plan: until the peers are known there is nobody to
 * send to, and everybody who sends is unknown.
 */
export class UdpDataPath implements DataPath {
  constructor(private readonly options: UdpDataPathOptions) {
    options.holder.claim(this);
  }

  async program(plan: Plan): Promise<void> {
    const { holder, createLoop, loopOptions } = this.options;
    const loop = await holder.acquire(this, createLoop, loopOptions);
    loop.setRoutes((plan as UdpPlan).dataPath);
  }

  /** Somebody deleted the TUN, and with it the loop has lost its packets; or notifications were lost, and that may be so. */
  watch(onDrift: () => void): { close(): void } {
    const { holder, netlink, loopOptions } = this.options;
    return netlink.subscribe(['link'], (event) => {
      if (event.type === 'resync') onDrift();
      if (event.type !== 'link' || event.link.name !== loopOptions.tunName || !holder.isRunning) return;
      if (event.action === 'del' ? event.link.index === holder.ifindex : event.link.index !== holder.ifindex) onDrift();
    });
  }

  status(): DataPathStatus {
    const { isRunning, features, counters } = this.options.holder;
    return { name: 'packet loop', running: isRunning, features, counters };
  }

  close(): Promise<void> {
    return this.options.holder.release(this);
  }
}
