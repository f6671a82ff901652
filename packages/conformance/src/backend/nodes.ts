import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  type ExternalInterface,
  type Json,
  type Lease,
  type NetworkConfig,
} from '@tartan/core';
import { UNDERLAY, type FamilyMode } from './subject';

/*
 * The suite's cluster: node `n` (1 .. 65535, we are 1) leases 10.a.b.0/24 with a.b = n, and fc00:0:0:n::/64.
 */

export const OWN_NODE = 1;

export function networkConfig(
  mode: FamilyMode,
  type: string,
  options: Readonly<Record<string, Json>> = {},
): NetworkConfig {
  return {
    ipv4: mode === 'IPv6' ? null : ipv4Family,
    ipv6: mode === 'IPv4' ? null : ipv6Family,
    enableNFTables: false,
    backendType: type,
    backend: { Type: type, ...options },
  };
}

const ipv4Family = {
  network: Ipv4Prefix.parse('10.0.0.0/8'),
  subnetLength: 24,
  subnetMin: Ipv4Address.parse('10.0.1.0'),
  subnetMax: Ipv4Address.parse('10.255.255.0'),
};

const ipv6Family = {
  network: Ipv6Prefix.parse('fc00::/48'),
  subnetLength: 64,
  subnetMin: Ipv6Address.parse('fc00:0:0:1::'),
  subnetMax: Ipv6Address.parse('fc00:0:0:ffff::'),
};

export function underlayIpv4(n: number): Ipv4Address {
  return Ipv4Address.parse('172.31.0.0').add(n);
}

export function underlayIpv6(n: number): Ipv6Address {
  return Ipv6Address.parse('fd00:31::').add(BigInt(n));
}

export function subnetOf(n: number): Ipv4Prefix {
  return Ipv4Prefix.of(Ipv4Address.parse('10.0.0.0').add(n * 256), 24);
}

export function ipv6SubnetOf(n: number): Ipv6Prefix {
  return Ipv6Prefix.of(Ipv6Address.parse('fc00::').add(BigInt(n) << 64n), 64);
}

/** The interface of node `n`, as interface selection would describe it. */
export function externalInterfaceOf(n: number, mode: FamilyMode, ifindex: number): ExternalInterface {
  const address = mode === 'IPv6' ? null : underlayIpv4(n);
  const ipv6Address = mode === 'IPv4' ? null : underlayIpv6(n);
  return {
    ifname: UNDERLAY.ifname,
    ifindex,
    mtuBytes: UNDERLAY.mtuBytes,
    address,
    ipv6Address,
    publicIP: address,
    publicIPv6: ipv6Address,
    pickedBy: 'conformance suite',
  };
}

/** The lease of node `n` with what its backend publishes. */
export function leaseOf(
  n: number,
  mode: FamilyMode,
  published: Partial<Lease['attrs']> & { backendType: string },
): Lease {
  return {
    subnet: mode === 'IPv6' ? null : subnetOf(n),
    ipv6Subnet: mode === 'IPv4' ? null : ipv6SubnetOf(n),
    attrs: {
      publicIP: mode === 'IPv6' ? Ipv4Address.fromNumber(0) : underlayIpv4(n),
      publicIPv6: mode === 'IPv4' ? null : underlayIpv6(n),
      owner: { node: `node-${n}` },
      ...published,
    },
    expiresAt: null,
    reservation: false,
    revision: String(n),
  };
}
