import type { IpFamily } from '@tartan/core';

/*
 * What goes around an inner packet, and so is taken from the MTU between the hosts (flannel-compat 4.4):
 *
 *   underlay MTU  | outer IP | UDP | inner packet |
 *   over IPv4          20       8       = MTU - 28
 *   over IPv6          40       8       = MTU - 48
 */

const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;
const UDP_HEADER_BYTES = 8;

/** Bytes that the tunnel over an underlay of `family` adds to each inner packet. */
export function udpOverheadBytes(family: IpFamily): number {
  return IP_HEADER_BYTES[family] + UDP_HEADER_BYTES;
}
