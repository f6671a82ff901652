/**
 * Which subnets a node without a lease asks for. Pure: leases in, a proposal out; the datastore's compare-and-swap decides.
 *
 * The previous subnet wins when it is free, so a node comes back to where its containers are. Else one of all free subnets is
 * chosen uniformly: a thousand nodes that start at once with the same list rarely want the same one, and a subnet that was given
 * up is not handed to the next node at once.
 */
import type { NetworkConfig } from '../config';
import { TartanError } from '../errors';
import type { Ipv4Prefix, Ipv6Prefix, IpPrefix } from '../ip';
import type { Random } from '../runtime';
import type { LeaseSubnets } from './lease';
import { FreeSlots, ipv4Slots, ipv6Slots, type SlotSpace } from './subnet-slots';

export interface AllocationRequest {
  readonly config: NetworkConfig;
  /** Everything that anybody holds, of any prefix length, reservations included. */
  readonly used: readonly LeaseSubnets[];
  /** Not to be proposed while anything else is free: places that turned out to be taken though no lease shows it. */
  readonly avoid?: readonly LeaseSubnets[];
  /** Taken, each family by itself, when free and inside the config. */
  readonly previous?: Partial<LeaseSubnets>;
  /** Parts that are the node's already; proposed unchanged. */
  readonly keep?: Partial<LeaseSubnets>;
  readonly random: Random;
}

/** Free subnets for every family of the config. Throws LEASE_OUT_OF_SUBNETS. */
export function allocateSubnets(request: AllocationRequest): LeaseSubnets {
  const { config, keep } = request;
  const v4 = (subnets: Partial<LeaseSubnets>): Ipv4Prefix | null => subnets.subnet ?? null;
  const v6 = (subnets: Partial<LeaseSubnets>): Ipv6Prefix | null => subnets.ipv6Subnet ?? null;
  return {
    subnet: config.ipv4 && (keep?.subnet ?? choose(request, config.ipv4, ipv4Slots(config.ipv4), v4)),
    ipv6Subnet: config.ipv6 && (keep?.ipv6Subnet ?? choose(request, config.ipv6, ipv6Slots(config.ipv6), v6)),
  };
}

/** True when the IPv4 part is one that the config hands out; a missing part fits a config without IPv4. */
export function fitsIpv4(config: NetworkConfig, subnet: Ipv4Prefix | null): boolean {
  return config.ipv4 && subnet ? isSlot(config.ipv4, subnet) : !config.ipv4 && !subnet;
}

/** The same for IPv6. */
export function fitsIpv6(config: NetworkConfig, subnet: Ipv6Prefix | null): boolean {
  return config.ipv6 && subnet ? isSlot(config.ipv6, subnet) : !config.ipv6 && !subnet;
}

/** Per family: true when it has what the config needs, a subnet anywhere inside of the network where it is on, and else none. */
export function liesInNetworks(
  config: NetworkConfig,
  { subnet, ipv6Subnet }: LeaseSubnets,
): { readonly ipv4: boolean; readonly ipv6: boolean } {
  return {
    ipv4: config.ipv4 && subnet ? config.ipv4.network.contains(subnet) : !config.ipv4 && !subnet,
    ipv6: config.ipv6 && ipv6Subnet ? config.ipv6.network.contains(ipv6Subnet) : !config.ipv6 && !ipv6Subnet,
  };
}

export function overlap(a: LeaseSubnets, b: LeaseSubnets): boolean {
  const v4 = a.subnet !== null && b.subnet !== null && a.subnet.overlaps(b.subnet);
  return v4 || (a.ipv6Subnet !== null && b.ipv6Subnet !== null && a.ipv6Subnet.overlaps(b.ipv6Subnet));
}

interface Range<Value> {
  readonly subnetLength: number;
  readonly subnetMin: { readonly value: Value };
  readonly subnetMax: { readonly value: Value };
}

function isSlot<Value extends number | bigint>(
  config: Range<Value>,
  subnet: { readonly length: number; readonly address: { readonly value: Value } },
): boolean {
  const { value } = subnet.address;
  return subnet.length === config.subnetLength && value >= config.subnetMin.value && value <= config.subnetMax.value;
}

function choose<Prefix extends IpPrefix>(
  request: AllocationRequest,
  config: { readonly network: IpPrefix } & Range<number | bigint>,
  space: SlotSpace<Prefix>,
  part: (subnets: Partial<LeaseSubnets>) => Prefix | null,
): Prefix {
  const parts = (subnets: readonly LeaseSubnets[]): Prefix[] => subnets.map(part).filter((prefix) => prefix !== null);
  const used = parts(request.used);
  const avoid = parts(request.avoid ?? []);
  const untried = new FreeSlots(space, [...used, ...avoid]);
  const previous = part(request.previous ?? {});
  if (previous && isSlot(config, previous) && untried.isFree(previous)) return previous;
  const slots = untried.free > 0n ? untried : new FreeSlots(space, used);
  if (slots.free === 0n) {
    throw new TartanError('LEASE_OUT_OF_SUBNETS', {
      family: config.network.family,
      network: config.network.toString(),
      used: Number(slots.used),
      free: 0,
    });
  }
  return slots.at(below(slots.free, request.random));
}

/** A number in 0 .. limit-1, all alike up to a limit of 2^52; above that not every number can be drawn. */
function below(limit: bigint, random: Random): bigint {
  return (BigInt(Math.floor(random() * 2 ** 52)) * limit) >> 52n;
}
