import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  leaseKey,
  type LeaseAttrs,
  type LeaseRecord,
  type LeaseSubnets,
  type NetworkConfig,
} from '@tartan/core';

/** `10.5.1.0/24`, `fc00::/64` or both with a space between. */
export function subnets(text: string): LeaseSubnets {
  const parts = text.split(' ');
  const v4 = parts.find((part) => !part.includes(':'));
  const v6 = parts.find((part) => part.includes(':'));
  return { subnet: v4 ? Ipv4Prefix.parse(v4) : null, ipv6Subnet: v6 ? Ipv6Prefix.parse(v6) : null };
}

/** `10.5.0.0/16 24` or `10.5.0.0/16 24 10.5.1.0 10.5.9.0`: network, subnet length, SubnetMin, SubnetMax. */
export function config(v4: string | null, v6: string | null = null): NetworkConfig {
  return {
    ipv4: v4 === null ? null : ipv4Config(v4),
    ipv6: v6 === null ? null : ipv6Config(v6),
    enableNFTables: false,
    backendType: 'host-gw',
    backend: {},
  };
}

function ipv4Config(text: string): NonNullable<NetworkConfig['ipv4']> {
  const [network = '', length = '24', min, max] = text.split(' ');
  const prefix = Ipv4Prefix.parse(network);
  const size = 2 ** (32 - Number(length));
  return {
    network: prefix,
    subnetLength: Number(length),
    subnetMin: min ? Ipv4Address.parse(min) : prefix.address.add(size),
    subnetMax: max ? Ipv4Address.parse(max) : prefix.last.add(1 - size),
  };
}

function ipv6Config(text: string): NonNullable<NetworkConfig['ipv6']> {
  const [network = '', length = '64', min, max] = text.split(' ');
  const prefix = Ipv6Prefix.parse(network);
  const size = 1n << BigInt(128 - Number(length));
  return {
    network: prefix,
    subnetLength: Number(length),
    subnetMin: min ? Ipv6Address.parse(min) : prefix.address.add(size),
    subnetMax: max ? Ipv6Address.parse(max) : prefix.last.add(1n - size),
  };
}

/** Attributes of a node as it would publish them; `192.0.2.1`, `2001:db8::1` or both with a space between. */
export function attrs(addresses: string, more: Partial<LeaseAttrs> = {}): LeaseAttrs {
  const parts = addresses.split(' ');
  const v6 = parts.find((part) => part.includes(':'));
  return {
    publicIP: Ipv4Address.parse(parts.find((part) => !part.includes(':')) ?? '0.0.0.0'),
    publicIPv6: v6 ? Ipv6Address.parse(v6) : null,
    backendType: 'host-gw',
    ...more,
  };
}

/** The owner of `node`, with a machine id of its own unless told. */
export function owner(node: string, machine: string | null = `machine-of-${node}`): { node: string; machine?: string } {
  return machine === null ? { node } : { node, machine };
}

export function record(place: string, leaseAttrs: LeaseAttrs, more: Partial<LeaseRecord> = {}): LeaseRecord {
  const at = subnets(place);
  return {
    ...at,
    key: leaseKey(at),
    attrs: leaseAttrs,
    createRevision: 5n,
    modRevision: 5n,
    reservation: false,
    expiresAt: null,
    ...more,
  };
}

/** Text of a place, as subnets() takes it. */
export function place({ subnet, ipv6Subnet }: LeaseSubnets): string {
  return [subnet, ipv6Subnet].flatMap((prefix) => (prefix ? [prefix.toString()] : [])).join(' ');
}

/** A small generator with a fixed start (mulberry32), so that a failing run can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
