import { TartanError } from '@tartan/core';
import type {
  PacketLoop,
  PacketLoopFeature,
  PacketLoopOffloads,
  PacketLoopOptions,
  PacketLoopStats,
  PacketRoute,
} from '../packet-loop';
import { encodeRoutes } from './encode-routes';
import { errnoName } from './errno-name';
import { nativeLoopConfig } from './loop-config';
import { loadNativeAddon, type NativeAddon, type NativeLoop } from './native-addon';
import { plainOptions } from './plain-options';
import { startError } from './start-error';

/** The packet loop in native/: C++ threads between a TUN and UDP sockets. Nothing in it keeps Node's event loop alive. */
export class NativePacketLoop implements PacketLoop {
  private readonly addon: NativeAddon;
  private readonly loop: NativeLoop;
  private started: boolean;

  /** Opens nothing yet; `running` is one that was started already. Throws PACKET_LOOP_ADDON_MISSING. */
  constructor(
    private readonly options: PacketLoopOptions,
    running?: NativeLoop,
  ) {
    this.addon = loadNativeAddon();
    this.loop = running ?? new this.addon.Loop(nativeLoopConfig(plainOptions(options), this.addon.featureNames));
    this.started = running !== undefined;
  }

  start(): Promise<void> {
    if (this.started) return Promise.reject(new TartanError('PACKET_LOOP_USED', { tunName: this.options.tunName }));
    this.started = true;
    const failure = this.loop.start();
    return failure === undefined ? Promise.resolve() : Promise.reject(startError(this.options, failure));
  }

  setRoutes(routes: readonly PacketRoute[]): void {
    this.loop.setRoutes(encodeRoutes(routes));
  }

  features(): readonly PacketLoopFeature[] {
    return this.loop.features().map(({ name, on, reason, errno }) => ({
      name: name as keyof PacketLoopOffloads,
      on,
      ...(on ? {} : { reason: errno === 0 ? reason : `${errnoName(errno)} from ${reason}` }),
    }));
  }

  stats(): PacketLoopStats {
    const values = this.loop.stats();
    const { countNames, dropNames } = this.addon;
    const counts = Object.fromEntries(countNames.map((name, index) => [name, values[index]]));
    const drops = Object.fromEntries(dropNames.map((name, index) => [name, values[countNames.length + index]]));
    return { ...counts, drops } as unknown as PacketLoopStats;
  }

  async stop(): Promise<void> {
    this.started = true;
    await this.loop.stop();
  }
}
