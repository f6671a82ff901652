import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  silentLogger,
  type BackendContext,
  type BackendNetwork,
  type ExternalInterface,
  type IpAddress,
  type Json,
  type Lease,
  type NetworkConfig,
  type Plan,
  type UnderlayFacts,
  type UnderlayRoute,
} from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { backend } from '../../src';

export const signal = new AbortController().signal;

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
export const networks = [v4Network.network, v6Network.network];

export type Families = 'ipv4' | 'ipv6' | 'dual';

export function networkConfig(
  families: Families = 'dual',
  options: Readonly<Record<string, Json>> = {},
): NetworkConfig {
  return {
    ipv4: families === 'ipv6' ? null : v4Network,
    ipv6: families === 'ipv4' ? null : v6Network,
    enableNFTables: false,
    backendType: 'vxlan',
    backend: { Type: 'vxlan', ...options },
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

/** A host with eth0, index 2, at 192.168.50.1/24 and fd00::1/64. */
export function hostKernel(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', addresses: ['192.168.50.1/24', 'fd00::1/64'] });
  return kernel;
}

export interface LeaseText {
  readonly subnet?: string | null;
  readonly ipv6Subnet?: string | null;
  readonly publicIP?: string;
  readonly publicIPv6?: string | null;
  readonly type?: string;
  readonly node?: string;
  readonly data?: Json;
  readonly v6Data?: Json;
}

export function lease(text: LeaseText): Lease {
  const { subnet, ipv6Subnet, publicIP = '0.0.0.0', publicIPv6, type = 'vxlan', node, data, v6Data } = text;
  return {
    subnet: subnet ? Ipv4Prefix.parse(subnet) : null,
    ipv6Subnet: ipv6Subnet ? Ipv6Prefix.parse(ipv6Subnet) : null,
    attrs: {
      publicIP: Ipv4Address.parse(publicIP),
      publicIPv6: publicIPv6 ? Ipv6Address.parse(publicIPv6) : null,
      backendType: type,
      ...(data !== undefined && { backendData: data }),
      ...(v6Data !== undefined && { backendV6Data: v6Data }),
      ...(node !== undefined && { owner: { node } }),
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

export const ownLease = lease({ subnet: '10.5.1.0/24', ipv6Subnet: 'fc00:0:0:1::/64', publicIP: '192.168.50.1' });

/** MAC of peer `n`'s device: 0a for IPv4, 0e for IPv6. */
export function peerMac(n: number, family: 4 | 6 = 4): string {
  const hex = n.toString(16).padStart(4, '0');
  return `${family === 4 ? '0a' : '0e'}:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`;
}

/** A peer with number `n` (1 .. 255): 10.5.n.0/24 and fc00:0:0:n::/64 behind 192.168.50.n and fd00::n. */
export function peer(n: number, change: LeaseText = {}): Lease {
  return lease({
    subnet: `10.5.${n}.0/24`,
    ipv6Subnet: `fc00:0:0:${n.toString(16)}::/64`,
    publicIP: `192.168.50.${n}`,
    publicIPv6: `fd00::${n.toString(16)}`,
    data: { VNI: 1, VtepMAC: peerMac(n) },
    v6Data: { VNI: 1, VtepMAC: peerMac(n, 6) },
    ...change,
  });
}

export const onLink: UnderlayRoute = { ifname: 'eth0', gateway: null, broadcast: true, neighbour: 'answers' };

/** Everybody is on the segment and answers, except for what `others` says. */
export function facts(others: Readonly<Record<string, UnderlayRoute | undefined>> = {}): UnderlayFacts {
  return { routeTo: (address: IpAddress) => (address.toString() in others ? others[address.toString()] : onLink) };
}

export function context(change: Partial<BackendContext> = {}): BackendContext {
  return {
    config: networkConfig(),
    externalInterface: externalInterface(),
    netlink: hostKernel(),
    identity: { node: 'node-1', machine: 'c0ffee' },
    clock: new FakeClock(),
    logger: silentLogger,
    ...change,
  };
}

export async function startNetwork(change: Partial<BackendContext> = {}, own = ownLease): Promise<BackendNetwork> {
  const instance = backend.create(context(change));
  await instance.prepare(signal);
  return instance.start(own, signal);
}

export function planFor(network: BackendNetwork, leases: readonly Lease[], underlay = facts()): Plan {
  return network.plan({ snapshot: { revision: '1', leases }, underlay });
}

/** Everything desired as iproute2 would show it, in the plan's order. */
export function planLines({ desired: { addresses, neighbours, fdb, routes } }: Plan): string[] {
  return [
    ...addresses.map((one) => `addr ${one.address.toString()}/${one.prefixLength} dev ${one.ifname}`),
    ...neighbours.map((one) => `neigh ${one.address.toString()} dev ${one.ifname} lladdr ${one.mac.toString()}`),
    ...fdb.map((one) => `fdb ${one.mac.toString()} dev ${one.ifname} dst ${one.dst.toString()}`),
    ...routes.map(
      (one) =>
        `route ${one.dst.toString()} via ${one.gateway?.toString() ?? '-'} dev ${one.ifname ?? '-'}${one.onlink ? ' onlink' : ''}`,
    ),
  ];
}

/** `CODE subject` of each finding. */
export function findingLines({ findings }: Pick<Plan, 'findings'>): string[] {
  return findings.map(({ code, subject }) => `${code} ${subject}`);
}

/** What `action` throws. */
export function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to throw');
}

/** expect.stringContaining() as the text that it stands for. */
export function containing(text: string): string {
  return expect.stringContaining(text) as string;
}
