import { createHash } from 'node:crypto';
import { Ipv4Prefix, Ipv6Prefix } from '@tartan/core';

/** `address/length` with host bits kept, which a prefix of core masks off. */
export interface InterfaceAddress {
  readonly address: string;
  readonly length: number;
}

export function parseInterfaceAddress(text: string): InterfaceAddress {
  const [address = '', length = ''] = text.split('/');
  return { address, length: Number(length) };
}

/** The `index`th address of a network with the network's length: `nth('192.168.50.0/24', 3)` is 192.168.50.3/24. */
export function nthAddress(network: string, index: number): string {
  if (network.includes(':')) {
    const prefix = Ipv6Prefix.parse(network);
    return `${prefix.address.add(BigInt(index)).toString()}/${prefix.length}`;
  }
  const prefix = Ipv4Prefix.parse(network);
  return `${prefix.address.add(index).toString()}/${prefix.length}`;
}

/** Text without `/length`. */
export function bareAddress(text: string): string {
  return parseInterfaceAddress(text).address;
}

/** `ip` batch lines that put addresses on a device; IPv6 without duplicate address detection, which would take a second. */
export function addressLines(ifname: string, addresses: readonly (string | undefined)[]): string[] {
  return addresses
    .filter((address) => address !== undefined)
    .map((address) => `address add ${address} dev ${ifname}${address.includes(':') ? ' nodad' : ''}`);
}

/**
 * A locally administered MAC address made from a name. A bridge without one of its own takes the lowest of its ports, so that it
 * would change, and neighbours lose it, whenever a port comes or goes (net/bridge/br_stp_if.c, br_stp_recalculate_bridge_id).
 */
export function macOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return ['02', ...[0, 2, 4, 6, 8].map((at) => hex.slice(at, at + 2))].join(':');
}
