import {
  type InterfaceAddress,
  type IpAddress,
  type IpPrefix,
  type LastLeaseStore,
  type OtherLastLease,
  discoverTrafficNetworks,
  networksOfLease,
  readOtherLastLeases,
  readSubnetEnv,
} from '@tartan/core';
import type { CleanUpOptions } from './clean-up';

/**
 * What of the things that bear our marks belongs to this daemon. Where subnet.env or the remembered lease names its networks, that is what lies
 * inside of them. Where both are gone, it is everything but what lies inside the networks that other daemons on this host remember.
 */
export interface CleanUpScope {
  readonly networks: readonly IpPrefix[];
  /** False: nothing named the networks, and they were read from the rules that are there. */
  readonly known: boolean;
  /** Daemons whose things are left alone; empty where `known`. */
  readonly others: readonly OtherLastLease[];
  /** Something could not be looked at. */
  readonly failed: boolean;
}

export async function findScope(input: CleanUpOptions, memory: LastLeaseStore): Promise<CleanUpScope> {
  const networks = await networksOfLastRun(input, memory);
  if (networks.length > 0) return { networks, known: true, others: [], failed: false };
  const others = await readOtherLastLeases(input.options.stateDir, memory.path);
  const discovery = await discoverTrafficNetworks({ runner: input.runner });
  for (const { tool, error } of discovery.failed) input.tell(`  ${tool}: FAILED: ${error?.message ?? ''}`);
  return {
    networks: discovery.networks.filter((network) => !isInside(network, networksOf(others))),
    known: false,
    others,
    failed: discovery.failed.length > 0,
  };
}

export function ownsPrefix({ known, networks, others }: CleanUpScope, prefix: IpPrefix): boolean {
  return known ? isInside(prefix, networks) : !isInside(prefix, networksOf(others));
}

/** By the addresses of a device that a backend says could be its own. */
export function ownsDevice({ known, networks, others }: CleanUpScope, addresses: readonly InterfaceAddress[]): boolean {
  const within = (prefixes: readonly IpPrefix[]): boolean =>
    addresses.some(({ address }) => isInside(address, prefixes));
  return known ? within(networks) : !within(networksOf(others));
}

async function networksOfLastRun({ options, logger }: CleanUpOptions, memory: LastLeaseStore): Promise<IpPrefix[]> {
  const present = await readSubnetEnv(options.subnetFile, logger);
  const last = await memory.read();
  return unique([present?.network, present?.ipv6Network, ...(last ? networksOfLease(last) : [])]);
}

function networksOf(others: readonly OtherLastLease[]): IpPrefix[] {
  return others.flatMap(({ last }) => networksOfLease(last));
}

function unique(prefixes: readonly (IpPrefix | null | undefined)[]): IpPrefix[] {
  const present = prefixes.flatMap((prefix) => prefix ?? []);
  return [...new Map(present.map((prefix) => [prefix.toString(), prefix])).values()];
}

function isInside(inner: IpAddress | IpPrefix, prefixes: readonly IpPrefix[]): boolean {
  return prefixes.some((prefix) => prefix.contains(inner));
}
