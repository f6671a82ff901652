import type { BackendContext, BackendModule, BackendNetwork, Lease, Plan } from '@tartan/core';
import { backendNodes } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { createUdpModule, type UdpEnvironment } from '../../src/udp';
import { FakeKernelPathHost } from './fake-kernel-path';
import { FakePacketHost } from './fake-packet-loop';

export {
  clusterNetworks as networks,
  findingLines,
  nodeInterface as externalInterface,
  type Families,
  type LeaseText,
} from '@tartan/core/testing';

export const signal = new AbortController().signal;

export const { networkConfig, lease, peer, ownLease, context } = backendNodes({
  type: 'udp',
  leaseType: '',
  netlink: hostKernel,
});

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
    takeResumedLoop: () => undefined,
    ...change,
  });
  return { module, host };
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
  return network.plan({ snapshot: { revision: '1', leases }, underlay: { routeTo: () => undefined } });
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

/** What `action` throws. */
export function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
