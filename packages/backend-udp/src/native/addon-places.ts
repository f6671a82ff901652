import { join } from 'node:path';
import { nativeAddonPlaces } from '@tartan/core/runtime/addon';

const FILE = 'tartan_udp.node';
/** From src/native as well as from dist/native. */
const packageRoot = join(__dirname, '..', '..');

/** Where the addon may lie, in the order in which to try. */
export function addonPlaces(): readonly string[] {
  return nativeAddonPlaces(packageRoot, FILE);
}
