import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  silentLogger,
  type BackendContext,
  type ExternalInterface,
  type IpAddress,
  type Lease,
  type NetworkConfig,
  type Plan,
  type UnderlayFacts,
  type UnderlayRoute,
} from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';

const v4Network = {
  network: Ipv4Prefix.parse('10.5.0.0/16'),
  subnetLength: 24,
  subnetMin: Ipv4Address.parse('10.5.1.0'),
  subnetMax: Ipv4Address.parse('10.5.255.0'),
};
const v6Network = {
  network: Ipv6Prefix.parse('fc00::/48'),
  subnetLength: 64,
  subnetMin: Ipv6Address.parse('fc00:0:0:1::'),
  subnetMax: Ipv6Address.parse('fc00:0:0:ffff::'),
};

export type Families = 'ipv4' | 'ipv6' | 'dual';

export function networkConfig(families: Families = 'dual', backend = {}): NetworkConfig {
  return {
    ipv4: families === 'ipv6' ? null : v4Network,
    ipv6: families === 'ipv4' ? null : v6Network,
    enableNFTables: false,
    backendType: 'host-gw',
    backend: { Type: 'host-gw', ...backend },
  };
}

export function externalInterface(change: Partial<ExternalInterface> = {}): ExternalInterface {
  const address = Ipv4Address.parse('192.168.50.1');
  const ipv6Address = Ipv6Address.parse('fd00::1');
  return {
    ifname: 'eth0',
    ifindex: 2,
    mtuBytes: 1500,
    address,
    ipv6Address,
    publicIP: address,
    publicIPv6: ipv6Address,
    pickedBy: 'test',
    ...change,
  };
}

export interface LeaseText {
  readonly subnet?: string | null;
  readonly ipv6Subnet?: string | null;
  readonly publicIP?: string;
  readonly publicIPv6?: string | null;
  readonly type?: string;
  readonly node?: string;
}

export function lease(text: LeaseText): Lease {
  const { subnet, ipv6Subnet, publicIP = '0.0.0.0', publicIPv6, type = 'host-gw', node } = text;
  return {
    subnet: subnet ? Ipv4Prefix.parse(subnet) : null,
    ipv6Subnet: ipv6Subnet ? Ipv6Prefix.parse(ipv6Subnet) : null,
    attrs: {
      publicIP: Ipv4Address.parse(publicIP),
      publicIPv6: publicIPv6 ? Ipv6Address.parse(publicIPv6) : null,
      backendType: type,
      ...(node !== undefined && { owner: { node } }),
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

export const ownLease = lease({ subnet: '10.5.1.0/24', ipv6Subnet: 'fc00:0:0:1::/64', publicIP: '192.168.50.1' });

/** A peer with number `n`: 10.5.n.0/24 and fc00:0:0:n::/64 behind 192.168.50.n and fd00::n. */
export function peer(n: number, change: LeaseText = {}): Lease {
  return lease({
    subnet: `10.5.${n}.0/24`,
    ipv6Subnet: `fc00:0:0:${n.toString(16)}::/64`,
    publicIP: `192.168.50.${n}`,
    publicIPv6: `fd00::${n.toString(16)}`,
    ...change,
  });
}

export const onLink: UnderlayRoute = { ifname: 'eth0', gateway: null, broadcast: true };

/** Everybody is on the segment, except for what `others` says. */
export function facts(others: Readonly<Record<string, UnderlayRoute | undefined>> = {}): UnderlayFacts {
  return { routeTo: (address: IpAddress) => (address.toString() in others ? others[address.toString()] : onLink) };
}

export function context(change: Partial<BackendContext> = {}): BackendContext {
  return {
    config: networkConfig(),
    externalInterface: externalInterface(),
    netlink: new FakeKernel(),
    identity: { node: 'node-1' },
    clock: new FakeClock(),
    logger: silentLogger,
    ...change,
  };
}

/** Routes as lines, in the plan's order. */
export function routeLines({ desired }: Plan): string[] {
  return desired.routes.map(
    ({ dst, gateway, ifname }) => `${dst.toString()} via ${gateway?.toString() ?? '-'} dev ${ifname ?? '-'}`,
  );
}

/** `CODE subject` of each finding. */
export function findingLines({ findings }: Plan): string[] {
  return findings.map(({ code, subject }) => `${code} ${subject}`);
}
