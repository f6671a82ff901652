import { TartanError, type Link } from '@tartan/core';

/** Throws BACKEND_DEVICE_NAME_TAKEN when a device of another kind bears our name. */
export function checkDeviceConflict(ifname: string, links: readonly Link[]): void {
  const taken = links.find(({ name, kind }) => name === ifname && kind !== 'tun');
  if (!taken) return;
  throw new TartanError('BACKEND_DEVICE_NAME_TAKEN', { backend: 'udp', ifname, kind: taken.kind ?? 'hardware' });
}
