import { loadNativeAddon, NativePacketLoop } from './native';
import type { CreatePacketLoop } from './packet-loop';

/** Loads the addon. Throws PACKET_LOOP_ADDON_MISSING. */
export function loadPacketLoop(): CreatePacketLoop {
  loadNativeAddon();
  return (options) => new NativePacketLoop(options);
}
