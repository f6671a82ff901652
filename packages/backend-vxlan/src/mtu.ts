import type { IpFamily } from '@tartan/core';

/*
 * What VXLAN puts around an inner packet (RFC 7348 section 5, figure 1), and so takes from the MTU between the hosts:
 *
 *   underlay MTU  | outer IP | UDP | VXLAN | inner Ethernet | inner packet |
 *   over IPv4          20       8      8          14          = MTU - 50
 *   over IPv6          40       8      8          14          = MTU - 70
 *
 * flannel takes 50 in both cases; full-size packets over IPv6 are then fragmented or lost (flannel-compat V4).
 */

const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;
const UDP_HEADER_BYTES = 8;
const VXLAN_HEADER_BYTES = 8;
const ETHERNET_HEADER_BYTES = 14;

/** Bytes that a tunnel over an underlay of `family` adds to each inner packet. */
export function vxlanOverheadBytes(family: IpFamily): number {
  return IP_HEADER_BYTES[family] + UDP_HEADER_BYTES + VXLAN_HEADER_BYTES + ETHERNET_HEADER_BYTES;
}
