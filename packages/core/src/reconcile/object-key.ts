import type { IpAddress, MacAddress } from '../ip';

/** Names of kernel objects that stay the same when an interface is re-created: they hold its name, not its index. */
export function addressKey(ifname: string, address: IpAddress, prefixLength: number): string {
  return `${ifname} ${address.toString()}/${prefixLength}`;
}

export function neighbourKey(ifname: string, address: IpAddress): string {
  return `${ifname} ${address.toString()}`;
}

export function fdbKey(ifname: string, mac: MacAddress): string {
  return `${ifname} ${mac.toString()}`;
}
