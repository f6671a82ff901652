import { Ipv4Address, Ipv4Prefix } from './ipv4';
import { Ipv6Address, Ipv6Prefix } from './ipv6';

/** 4 or 6. The kernel's AF_INET and AF_INET6 appear only inside packages/netlink. */
export type IpFamily = 4 | 6;
export type IpAddress = Ipv4Address | Ipv6Address;
export type IpPrefix = Ipv4Prefix | Ipv6Prefix;

/** An address of either family. Throws ADDRESS_INVALID. */
export function parseIpAddress(text: string): IpAddress {
  return text.includes(':') ? Ipv6Address.parse(text) : Ipv4Address.parse(text);
}

/** A prefix of either family. Throws ADDRESS_INVALID. */
export function parseIpPrefix(text: string): IpPrefix {
  return text.includes(':') ? Ipv6Prefix.parse(text) : Ipv4Prefix.parse(text);
}

/** The /32 or /128 that holds exactly `address`. */
export function hostPrefix(address: IpAddress): IpPrefix {
  return address.family === 4 ? Ipv4Prefix.of(address, 32) : Ipv6Prefix.of(address, 128);
}
