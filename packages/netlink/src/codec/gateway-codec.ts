import type { IpAddress, IpFamily } from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import { RTNH_F } from './constants';
import { familyBytes, toFamily } from './family';
import { addressAt, type AttributeCursor } from './message-reader';

/** struct rtvia: u16 address family, then the address, of the other family than the route. */
export function decodeVia(attribute: AttributeCursor): IpAddress | undefined {
  if (attribute.size < 2) return undefined;
  const family = toFamily(attribute.view.getUint16(attribute.start, HOST_ORDER));
  const size = attribute.size - 2;
  return family !== undefined && familyBytes(family) === size
    ? addressAt(attribute.view, attribute.start + 2, size)
    : undefined;
}

export function isDead(flags: number): boolean {
  return (flags & (RTNH_F.dead | RTNH_F.linkDown)) !== 0;
}

export function ofFamily(address: IpAddress | undefined, family: IpFamily): IpAddress | undefined {
  return address?.family === family ? address : undefined;
}
