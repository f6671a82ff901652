/**
 * A network cut into equal subnets, seen as slots numbered from 0: slot i is SubnetMin + i * size, the last one is SubnetMax.
 *
 * Free slots are found without walking over them. Every used prefix covers a run of slots; sorted and merged, the runs leave
 * gaps, and the k-th free slot is found by counting gap lengths. The work grows with the number of leases, never with the size
 * of the network: an IPv6 /32 cut into /64s (2^32 slots) costs the same as a /16 cut into /24s. Slots are bigints in both
 * families, because an IPv6 network may have more than 2^53 of them.
 */
import type { NetworkConfig } from '../config';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix, type IpPrefix } from '../ip';

/** First and last slot of a run, inclusive. */
type Run = readonly [first: bigint, last: bigint];

/** One family's subnets as slots. */
export class SlotSpace<Prefix extends IpPrefix = IpPrefix> {
  /** Number of slots; 0 when SubnetMin is above SubnetMax. */
  readonly count: bigint;
  private readonly start: bigint;

  constructor(
    min: bigint,
    max: bigint,
    /** Host bits of a subnet. */
    private readonly shift: bigint,
    private readonly toPrefix: (address: bigint) => Prefix,
  ) {
    this.start = min >> shift;
    const count = (max >> shift) - this.start + 1n;
    this.count = count > 0n ? count : 0n;
  }

  prefixAt(slot: bigint): Prefix {
    return this.toPrefix((this.start + slot) << this.shift);
  }

  /** The slots that share an address with `prefix`, null when none does. */
  runOf(prefix: Prefix): Run | null {
    const address = BigInt(prefix.address.value);
    const first = (address >> this.shift) - this.start;
    const last = ((address + BigInt(prefix.size) - 1n) >> this.shift) - this.start;
    if (last < 0n || first >= this.count) return null;
    return [first > 0n ? first : 0n, last < this.count ? last : this.count - 1n];
  }
}

export function ipv4Slots(config: NonNullable<NetworkConfig['ipv4']>): SlotSpace<Ipv4Prefix> {
  const { subnetMin, subnetMax, subnetLength } = config;
  return new SlotSpace(BigInt(subnetMin.value), BigInt(subnetMax.value), BigInt(32 - subnetLength), (address) =>
    Ipv4Prefix.of(Ipv4Address.fromNumber(Number(address)), subnetLength),
  );
}

export function ipv6Slots(config: NonNullable<NetworkConfig['ipv6']>): SlotSpace<Ipv6Prefix> {
  const { subnetMin, subnetMax, subnetLength } = config;
  return new SlotSpace(subnetMin.value, subnetMax.value, BigInt(128 - subnetLength), (address) =>
    Ipv6Prefix.of(Ipv6Address.fromBigInt(address), subnetLength),
  );
}

/** The slots that no used prefix touches. */
export class FreeSlots<Prefix extends IpPrefix> {
  readonly free: bigint;
  /** Sorted, apart from each other. */
  private readonly runs: readonly Run[];

  constructor(
    private readonly space: SlotSpace<Prefix>,
    used: Iterable<Prefix>,
  ) {
    this.runs = merge(space, used);
    this.free = this.runs.reduce((left, [first, last]) => left - (last - first + 1n), space.count);
  }

  get used(): bigint {
    return this.space.count - this.free;
  }

  /** True for one of the space's own subnets that nothing touches. */
  isFree(subnet: Prefix): boolean {
    const slot = this.space.runOf(subnet)?.[0];
    return slot !== undefined && !this.runs.some(([first, last]) => first <= slot && slot <= last);
  }

  /** The free subnet with `index` free ones before it, 0 .. free-1. */
  at(index: bigint): Prefix {
    let slot = index;
    for (const [first, last] of this.runs) {
      if (slot < first) break;
      slot += last - first + 1n;
    }
    return this.space.prefixAt(slot);
  }
}

function merge<Prefix extends IpPrefix>(space: SlotSpace<Prefix>, used: Iterable<Prefix>): Run[] {
  const runs: Run[] = [];
  for (const prefix of used) {
    const run = space.runOf(prefix);
    if (run) runs.push(run);
  }
  runs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const merged: Run[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (!last || run[0] > last[1]) merged.push(run);
    else if (run[1] > last[1]) merged[merged.length - 1] = [last[0], run[1]];
  }
  return merged;
}
