import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  silentLogger,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type ExternalInterface,
  type Json,
  type Lease,
  type NetworkConfig,
  type Plan,
  type UnderlayFacts,
} from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { createUdpModule, type UdpEnvironment } from '../../src/udp';
import { FakeKernelPathHost } from './fake-kernel-path';
import { FakePacketHost } from './fake-packet-loop';

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
    backendType: 'udp',
    backend: { Type: 'udp', ...options },
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

/** The backend with fake loops, on a host where everything else is allowed. */
export function fakeModule(
  host = new FakePacketHost(),
  change: Partial<UdpEnvironment> = {},
): { readonly module: BackendModule; readonly host: FakePacketHost } {
  const module = createUdpModule({
    loadLoop:
      ({ netlink }) =>
      (options) =>
        host.create(options, netlink),
    checkTunAccess: () => Promise.resolve(),
    checkPortFree: () => Promise.resolve(),
    kernelPath: () => new FakeKernelPathHost().options,
    ...change,
  });
  return { module, host };
}

export interface LeaseText {
  readonly subnet?: string | null;
  readonly ipv6Subnet?: string | null;
  readonly publicIP?: string;
  readonly publicIPv6?: string | null;
  readonly type?: string;
  readonly node?: string;
  readonly data?: Json;
}

export function lease(text: LeaseText): Lease {
  const { subnet, ipv6Subnet, publicIP = '0.0.0.0', publicIPv6, type = '', node, data } = text;
  return {
    subnet: subnet ? Ipv4Prefix.parse(subnet) : null,
    ipv6Subnet: ipv6Subnet ? Ipv6Prefix.parse(ipv6Subnet) : null,
    attrs: {
      publicIP: Ipv4Address.parse(publicIP),
      publicIPv6: publicIPv6 ? Ipv6Address.parse(publicIPv6) : null,
      backendType: type,
      ...(data !== undefined && { backendData: data }),
      ...(node !== undefined && { owner: { node } }),
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

export const ownLease = lease({ subnet: '10.5.1.0/24', ipv6Subnet: 'fc00:0:0:1::/64', publicIP: '192.168.50.1' });

/** A peer with number `n` (1 .. 255): 10.5.n.0/24 and fc00:0:0:n::/64 behind 192.168.50.n and fd00::n. */
export function peer(n: number, change: LeaseText = {}): Lease {
  return lease({
    subnet: `10.5.${n}.0/24`,
    ipv6Subnet: `fc00:0:0:${n.toString(16)}::/64`,
    publicIP: `192.168.50.${n}`,
    publicIPv6: `fd00::${n.toString(16)}`,
    ...change,
  });
}

export const noFacts: UnderlayFacts = { routeTo: () => undefined };

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

export async function startNetwork(
  module: BackendModule,
  change: Partial<BackendContext> = {},
  own = ownLease,
): Promise<BackendNetwork> {
  const instance = module.create(context(change));
  await instance.prepare(signal);
  return instance.start(own, signal);
}

export function planFor(network: BackendNetwork, leases: readonly Lease[]): Plan {
  return network.plan({ snapshot: { revision: '1', leases }, underlay: noFacts });
}

/** Everything desired as iproute2 would show it, in the plan's order. */
export function planLines({ desired: { links, addresses, routes, sysctls } }: Plan): string[] {
  return [
    ...links.map((one) => `link ${one.name} ${one.kind} mtu ${one.mtuBytes}`),
    ...addresses.map((one) => `addr ${one.address.toString()}/${one.prefixLength} dev ${one.ifname}`),
    ...routes.map((one) =>
      [one.type ?? 'route', one.dst.toString(), one.ifname && `dev ${one.ifname}`, one.metric && `metric ${one.metric}`]
        .filter(Boolean)
        .join(' '),
    ),
    ...sysctls.map((one) => `sysctl ${one.path}=${one.value}`),
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
  throw new Error('nothing was thrown');
}
