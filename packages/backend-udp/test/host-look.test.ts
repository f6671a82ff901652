import type { BackendContext, Finding, FirewallAccess, Lease } from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { kernelPathAnnouncement } from '../src';
import { FakeKernelPathHost } from './support/fake-kernel-path';
import { externalInterface, fakeModule, hostKernel, networkConfig, peer, signal, startNetwork } from './support/nodes';

/* What is in the way on this host is looked for while the network runs, and goes from the findings with its cause. */

/** Rules that were read are good for half a minute. */
let clock: FakeClock;
beforeEach(() => (clock = new FakeClock()));

type Look = (leases: readonly Lease[]) => Promise<readonly Finding[]>;

async function look(change: Partial<BackendContext>): Promise<Look> {
  const { module } = fakeModule(undefined, { kernelPath: () => new FakeKernelPathHost().options });
  const network = await startNetwork(module, { externalInterface: externalInterface(), clock, ...change });
  return async (leases) => {
    await clock.advance(31_000);
    return (await network.inspect?.({ revision: '1', leases }, signal)) ?? [];
  };
}

const lines = (findings: readonly Finding[]): string[] => findings.map(({ code, subject }) => `${code} ${subject}`);

/** A firewall that lets in what `ports` says, and drops the rest; the ports can change. */
function firewall(ports: Set<number>): FirewallAccess {
  const chain = { family: 'inet', table: 'mine', name: 'in', type: 'filter', hook: 'input', policy: 'drop' };
  const accept = (port: number) => ({
    rule: {
      chain: 'in',
      expr: [
        { match: { op: '==', left: { payload: { protocol: 'udp', field: 'dport' } }, right: port } },
        { accept: null },
      ],
    },
  });
  const answer = (): string => JSON.stringify({ nftables: [{ chain }, ...[...ports].map(accept)] });
  let reads = 0;
  return {
    runner: { run: () => Promise.resolve({ exitCode: 0, stdout: answer(), stderr: '' }) },
    generation: { read: () => Promise.resolve(++reads) },
  };
}

it.each(['ipv4', 'ipv6', 'dual'] as const)(
  'a firewall that drops the tunnel is found, and let go after its cure, %s',
  async (families) => {
    const ports = new Set<number>();
    const inspect = await look({ config: networkConfig(families, { Port: 9000 }), firewall: firewall(ports) });
    expect(lines(await inspect([peer(2)]))).toEqual([
      'UDP_PORT_FILTERED UDP port 9000: the nftables chain inet mine in',
    ]);
    ports.add(9000);
    expect(await inspect([peer(2)])).toEqual([]);
  },
);

it('the port of the kernel path’s device has to be open too, where peers use it', async () => {
  const netlink = hostKernel();
  netlink.addLink({ name: 'flannel0-rx', kind: 'vxlan', vxlan: { vni: 1, port: 8286, learning: false, gbp: false } });
  const config = networkConfig('ipv4', { Datapath: 'kernel' });
  const ports = new Set([8285]);
  const inspect = await look({ netlink, config, firewall: firewall(ports) });
  expect(await inspect([peer(2)])).toEqual([]);
  const leases = [peer(2, { data: kernelPathAnnouncement })];
  expect(lines(await inspect(leases))).toEqual(['UDP_PORT_FILTERED UDP port 8286: the nftables chain inet mine in']);
  ports.add(8286);
  expect(await inspect(leases)).toEqual([]);
});

it('a network that shares addresses with the overlay is found as it comes, and let go as it goes', async () => {
  const netlink = hostKernel();
  const inspect = await look({ netlink, config: networkConfig('ipv4') });
  expect(await inspect([])).toEqual([]);
  netlink.addLink({ name: 'docker0', addresses: ['10.5.7.1/24'] });
  expect(lines(await inspect([]))).toEqual(['NETWORK_OVERLAP docker0 10.5.7.0/24']);
  netlink.removeLink('docker0');
  expect(await inspect([])).toEqual([]);
});

it('without access to the packet filter only networks are looked at', async () => {
  expect(await (await look({ config: networkConfig('ipv4') }))([peer(2)])).toEqual([]);
});
