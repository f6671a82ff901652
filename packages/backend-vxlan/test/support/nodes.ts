import type { BackendContext, BackendNetwork, Lease, Plan } from '@tartan/core';
import { backendNodes, underlayFacts } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { backend } from '../../src';

export {
  clusterNetworks as networks,
  findingLines,
  nodeInterface as externalInterface,
  onLink,
  underlayFacts as facts,
  type Families,
  type LeaseText,
} from '@tartan/core/testing';

export const signal = new AbortController().signal;

export const { networkConfig, lease, peer, ownLease, context } = backendNodes({
  type: 'vxlan',
  published: (n) => ({ data: { VNI: 1, VtepMAC: peerMac(n) }, v6Data: { VNI: 1, VtepMAC: peerMac(n, 6) } }),
  netlink: hostKernel,
});

/** A host with eth0, index 2, at 192.168.50.1/24 and fd00::1/64. */
export function hostKernel(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', addresses: ['192.168.50.1/24', 'fd00::1/64'] });
  return kernel;
}

/** MAC of peer `n`'s device: 0a for IPv4, 0e for IPv6. */
export function peerMac(n: number, family: 4 | 6 = 4): string {
  const hex = n.toString(16).padStart(4, '0');
  return `${family === 4 ? '0a' : '0e'}:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`;
}

export async function startNetwork(change: Partial<BackendContext> = {}, own = ownLease): Promise<BackendNetwork> {
  const instance = backend.create(context(change));
  await instance.prepare(signal);
  return instance.start(own, signal);
}

export function planFor(network: BackendNetwork, leases: readonly Lease[], underlay = underlayFacts()): Plan {
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
