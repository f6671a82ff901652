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
import { loadNativeAddon, type NativeAddon, type NativeLoop } from './native-addon';
import { errnoName, startError } from './start-error';

/** The packet loop in native/: C++ threads between a TUN and UDP sockets. Nothing in it keeps Node's event loop alive. */
export class NativePacketLoop implements PacketLoop {
  private readonly addon: NativeAddon;
  private readonly loop: NativeLoop;
  private started = false;

  /** Opens nothing yet. Throws PACKET_LOOP_ADDON_MISSING. */
  constructor(private readonly options: PacketLoopOptions) {
    this.addon = loadNativeAddon();
    const offloads: PacketLoopOffloads = options.offloads ?? {};
    this.loop = new this.addon.Loop({
      tunName: options.tunName,
      mtuBytes: options.mtuBytes,
      ipv4: options.listen.ipv4?.toBytes(),
      ipv6: options.listen.ipv6?.toBytes(),
      port: options.listen.port,
      queues: options.queues ?? 1,
      keepaliveSeconds: options.keepaliveSeconds ?? 0,
      wanted: Uint8Array.from(this.addon.featureNames, (name) =>
        Number(offloads[name as keyof PacketLoopOffloads] ?? true),
      ),
    });
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
