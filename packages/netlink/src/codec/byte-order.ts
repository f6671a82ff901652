import { endianness } from 'node:os';

/** Netlink headers and most attributes are in the host's byte order; this is DataView's argument for it. */
export const HOST_ORDER = endianness() === 'LE';
/** Addresses and UDP ports are in network order. */
export const NETWORK_ORDER = false;

/** NLMSG_ALIGN and RTA_ALIGN: messages and attributes start at multiples of four. */
export function align4(length: number): number {
  return (length + 3) & ~3;
}
