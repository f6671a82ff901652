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

/** RFC 8200 section 5; below it Linux switches IPv6 off on the device. */
export const MIN_IPV6_MTU_BYTES = 1280;
/** RFC 791: what every host must take in one piece. */
export const MIN_IPV4_MTU_BYTES = 576;

/** Bytes that the tunnel over an underlay of `family` adds to each inner packet. */
export function udpOverheadBytes(family: IpFamily): number {
  return IP_HEADER_BYTES[family] + UDP_HEADER_BYTES;
}
