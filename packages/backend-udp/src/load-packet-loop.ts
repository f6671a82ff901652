import { loadNativeAddon, NativePacketLoop } from './native';
import type { CreatePacketLoop } from './packet-loop';

/** Loads the native addon. Throws PACKET_LOOP_ADDON_MISSING, which says how to build it. */
export function loadPacketLoop(): CreatePacketLoop {
  loadNativeAddon();
  return (options) => new NativePacketLoop(options);
}
