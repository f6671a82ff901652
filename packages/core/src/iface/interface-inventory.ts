import type { IpAddress, IpFamily, Ipv4Address, Ipv6Address } from '../ip';
import type { InterfaceAddress, Link, RtNetlink } from '../netlink';

/** One interface with what it could contribute. */
export interface InterfaceCandidate {
  readonly link: Link;
  /** Every address, in the kernel's order. */
  readonly addresses: readonly InterfaceAddress[];
  /** Usable addresses, the preferred one first. */
  readonly ipv4: readonly Ipv4Address[];
  readonly ipv6: readonly Ipv6Address[];
}

/** All interfaces at one moment, by index. */
export type InterfaceInventory = readonly InterfaceCandidate[];

export async function readInventory(netlink: RtNetlink): Promise<InterfaceInventory> {
  const [links, addresses] = await Promise.all([netlink.listLinks(), netlink.listAddresses()]);
  const byIndex = [...links].sort((a, b) => a.index - b.index);
  return byIndex.map((link) =>
    candidate(
      link,
      addresses.filter(({ ifindex }) => ifindex === link.index),
    ),
  );
}

function candidate(link: Link, addresses: readonly InterfaceAddress[]): InterfaceCandidate {
  const usable = [...addresses].filter((entry) => whyUnusable(entry) === undefined).sort(byPreference);
  const of = (family: IpFamily): IpAddress[] =>
    usable.filter(({ address }) => address.family === family).map(({ address }) => address);
  return { link, addresses, ipv4: of(4) as Ipv4Address[], ipv6: of(6) as Ipv6Address[] };
}

/** Why peers could not send to this address; undefined when they can. */
export function whyUnusable(entry: InterfaceAddress): string | undefined {
  if (entry.address.isUnspecified || entry.address.isMulticast) return 'not a unicast address';
  if (entry.address.isLoopback) return 'loopback';
  if (entry.dadFailed) return 'duplicate address';
  if (entry.tentative) return 'tentative, duplicate address detection has not finished';
  if (entry.deprecated) return 'deprecated';
  return undefined;
}

/**
 * Global before link-local, lasting before leased, stable before temporary (RFC 8981): the order in which flannel 0.28 ranks
 * them (flannel-compat 6.2). The sort is stable, so the kernel's order decides the rest.
 */
function byPreference(a: InterfaceAddress, b: InterfaceAddress): number {
  return (
    Number(a.address.isLinkLocal) - Number(b.address.isLinkLocal) ||
    Number(b.permanent) - Number(a.permanent) ||
    Number(a.temporary) - Number(b.temporary)
  );
}

/** The usable addresses of one family, preferred first. */
export function usableAddresses(candidate: InterfaceCandidate, family: IpFamily): readonly IpAddress[] {
  return family === 4 ? candidate.ipv4 : candidate.ipv6;
}

export function findByName(inventory: InterfaceInventory, name: string): InterfaceCandidate | undefined {
  return inventory.find(({ link }) => link.name === name);
}

export function findByIndex(inventory: InterfaceInventory, index: number): InterfaceCandidate | undefined {
  return inventory.find(({ link }) => link.index === index);
}

/** True when the interface carries the address, usable or not. */
export function owns(candidate: InterfaceCandidate, address: IpAddress): boolean {
  return candidate.addresses.some((entry) => entry.address.equals(address));
}

/** Who carries the address: real interfaces before loopback, those that are up before the others, then by index. */
export function findOwner(inventory: InterfaceInventory, address: IpAddress): InterfaceCandidate | undefined {
  return inSearchOrder(inventory).find((candidate) => owns(candidate, address));
}

/** By index, but what can carry traffic now comes first and loopback last. */
export function inSearchOrder(inventory: InterfaceInventory): InterfaceCandidate[] {
  const rank = ({ link }: InterfaceCandidate): number => (link.loopback ? 2 : link.up ? 0 : 1);
  return [...inventory].sort((a, b) => rank(a) - rank(b));
}

/** One interface in a line of an error: `eth0 (down) 10.0.0.1, fd00::1 (deprecated)`. */
export function describeCandidate({ link, addresses }: InterfaceCandidate): string {
  const words = addresses.map((entry) => {
    const reason = whyUnusable(entry);
    return reason === undefined ? entry.address.toString() : `${entry.address.toString()} (${reason})`;
  });
  return `${link.name}${link.up ? '' : ' (down)'} ${words.join(', ') || 'without address'}`;
}
