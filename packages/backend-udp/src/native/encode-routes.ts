import type { PacketRoute } from '../packet-loop';

/*
 *  0       1       2         3  4     6     8            24           40           56
 *  +-------+-------+---------+--+-----+-----+------------+------------+------------+
 *  |family |length |endpoint |0 |port |0  0 |prefix      |endpoint    |ICMP source |
 *  |of both|of pfx |family   |  |     |     |4 or 16 B   |4 or 16 B   |4 or 16 B   |
 *  +-------+-------+---------+--+-----+-----+------------+------------+------------+
 */
export const ROUTE_BYTES = 8 + 3 * 16;

/** Routes as native/src/addon.cc reads them: one block of bytes instead of ten thousand calls into JavaScript objects. */
export function encodeRoutes(routes: readonly PacketRoute[]): Uint8Array {
  const bytes = new Uint8Array(routes.length * ROUTE_BYTES);
  routes.forEach(({ prefix, endpoint, icmpSource }, index) => {
    const at = index * ROUTE_BYTES;
    bytes[at] = prefix.family;
    bytes[at + 1] = prefix.length;
    bytes[at + 2] = endpoint.address.family;
    bytes[at + 4] = endpoint.port >>> 8;
    bytes[at + 5] = endpoint.port & 0xff;
    bytes.set(prefix.address.toBytes(), at + 8);
    bytes.set(endpoint.address.toBytes(), at + 24);
    if (icmpSource.family === prefix.family) bytes.set(icmpSource.toBytes(), at + 40);
  });
  return bytes;
}
