import { TartanError } from '@tartan/core';
import type { CreatePacketLoop } from './packet-loop';

/** Loads the addon. Throws where it is not built. */
export function loadPacketLoop(): CreatePacketLoop {
  throw new TartanError('BACKEND_UNUSABLE', { backend: 'udp', problem: 'this build has no packet loop yet' });
}
