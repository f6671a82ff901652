import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
} from '../../ip';

/** Addresses from `first` to `last`, inclusive, as numbers. */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** What `prefixes` hold together: in order, apart, and with a gap between any two. */
export function toRanges(prefixes: readonly IpPrefix[]): AddressRange[] {
  return mergeRanges(
    prefixes.map((prefix) => ({ first: BigInt(prefix.address.value), last: BigInt(prefix.last.value) })),
  );
}

export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = merged.at(-1);
    if (before === undefined || first > before.last + 1n) merged.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return merged;
}

/** The fewest prefixes that hold exactly the addresses of `ranges`. */
export function toPrefixes(family: IpFamily, ranges: readonly AddressRange[]): IpPrefix[] {
  const bits = family === 4 ? 32 : 128;
  const prefixes: IpPrefix[] = [];
  for (const { first, last } of mergeRanges(ranges)) {
    let next = first;
    while (next <= last) {
      const free = largestFreeBits(next, last, bits);
      prefixes.push(prefixOf(family, next, bits - free));
      next += 1n << BigInt(free);
    }
  }
  return prefixes;
}

/** How many low bits a prefix that starts at `first` and ends at `last` at the latest may leave open. */
function largestFreeBits(first: bigint, last: bigint, bits: number): number {
  let free = 0;
  while (free < bits) {
    const size = 1n << BigInt(free + 1);
    if (first % size !== 0n || first + size - 1n > last) break;
    free++;
  }
  return free;
}

export function addressOf(family: IpFamily, value: bigint): IpAddress {
  return family === 4 ? Ipv4Address.fromNumber(Number(value)) : Ipv6Address.fromBigInt(value);
}

function prefixOf(family: IpFamily, first: bigint, length: number): IpPrefix {
  return family === 4
    ? Ipv4Prefix.of(Ipv4Address.fromNumber(Number(first)), length)
    : Ipv6Prefix.of(Ipv6Address.fromBigInt(first), length);
}
