import {
  Ipv4Address,
  Ipv4Prefix,
  type Lease,
  type LeaseAttrs,
  type NetworkConfig,
  type OwnerIdentity,
  parseNetworkConfig,
} from '@tartan/core';

export const NODE: OwnerIdentity = { node: 'node1', machine: 'a'.repeat(32) };

export function configOf(members: Record<string, unknown> = {}): NetworkConfig {
  const whole = { Network: '10.5.0.0/16', Backend: { Type: 'host-gw' }, ...members };
  return parseNetworkConfig(JSON.stringify(whole)).config;
}

export function attrsOf(publicIP: string, owner: OwnerIdentity = NODE): LeaseAttrs {
  return { publicIP: Ipv4Address.parse(publicIP), publicIPv6: null, backendType: 'host-gw', owner };
}

export function leaseOf(subnet: string, publicIP = '192.168.50.1', over: Partial<Lease> = {}): Lease {
  return {
    subnet: Ipv4Prefix.parse(subnet),
    ipv6Subnet: null,
    attrs: attrsOf(publicIP, publicIP === '192.168.50.1' ? NODE : { node: `at-${publicIP}` }),
    expiresAt: null,
    reservation: false,
    revision: '1',
    ...over,
  };
}
