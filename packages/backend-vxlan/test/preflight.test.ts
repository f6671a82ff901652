import type { FakeKernel } from '@tartan/netlink/testing';
import {
  externalInterface,
  findingLines,
  hostKernel,
  networkConfig,
  peer,
  planFor,
  startNetwork,
  containing,
} from './support/nodes';
import { Ipv4Address, type Plan } from '@tartan/core';

const NEIGH = 'net/ipv4/neigh/default';

async function planOn(netlink: FakeKernel, peers = 1, options = {}): Promise<Plan> {
  const network = await startNetwork({ netlink, config: networkConfig('ipv4', options) });
  return planFor(
    network,
    Array.from({ length: peers }, (_, n) => peerAt(n + 8)),
  );
}

/** More peers than fit into one byte. */
function peerAt(n: number) {
  const subnet = `10.5.${(n >> 2) & 255}.${(n & 3) * 64}/26`;
  const mac = `0a:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
  return peer(2, { subnet, publicIP: `10.99.${n >> 8}.${n & 255}`, data: { VNI: 1, VtepMAC: mac } });
}

describe('networks of the host that overlap the overlay', () => {
  it('are reported', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'docker0', kind: 'bridge', addresses: ['10.5.77.1/24'] });
    netlink.addLink({ name: 'lan', addresses: ['10.0.0.9/8'] });
    netlink.addLink({ name: 'fine', addresses: ['172.16.0.1/12'] });
    expect(findingLines(await planOn(netlink, 0)).sort()).toEqual([
      'NETWORK_OVERLAP docker0 10.5.77.0/24',
      'NETWORK_OVERLAP lan 10.0.0.0/8',
    ]);
  });

  it("do not include the node's own pods and devices, nor routes that somebody stated", async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'cni0', kind: 'bridge', addresses: ['10.5.1.1/24'] });
    netlink.addRoute('10.5.9.0/24 via 192.168.50.9 dev eth0 proto static');
    netlink.addRoute('default via 192.168.50.254 dev eth0');
    expect((await planOn(netlink, 0)).findings).toEqual([]);
  });

  it('include our own external address', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'eth1' });
    const external = externalInterface({ address: Ipv4Address.parse('10.5.200.1') });
    const network = await startNetwork({ netlink, config: networkConfig('ipv4'), externalInterface: external });
    expect(planFor(network, []).findings).toMatchObject([{ code: 'NETWORK_OVERLAP', severity: 'error' }]);
  });
});

describe('the limits of the neighbour table', () => {
  function limitedKernel(limit: number): FakeKernel {
    const netlink = hostKernel();
    for (const [level, share] of [
      [1, 8],
      [2, 2],
      [3, 1],
    ] as const) {
      netlink.setSysctl(`${NEIGH}/gc_thresh${level}`, String(limit / share));
    }
    return netlink;
  }

  const gc = ({ desired }: Plan) => desired.sysctls.filter(({ path }) => path.includes('gc_thresh'));

  it('are left alone when they are wide enough, or not to be seen', async () => {
    expect(gc(await planOn(limitedKernel(1024), 200))).toEqual([]);
    expect(gc(await planOn(hostKernel(), 900))).toEqual([]);
  });

  it('are raised to twice of what peers and pods may need', async () => {
    expect(gc(await planOn(limitedKernel(1024), 900))).toEqual([
      { path: `${NEIGH}/gc_thresh3`, value: '4096', atLeast: true },
      { path: `${NEIGH}/gc_thresh2`, value: '2048', atLeast: true },
      { path: `${NEIGH}/gc_thresh1`, value: '512', atLeast: true },
    ]);
  });

  it('are only warned of where they may not be written', async () => {
    const netlink = limitedKernel(1024);
    netlink.failWhen((request) => request.op === 'write-sysctl', 'EROFS');
    const plan = await planOn(netlink, 900);
    expect(gc(plan)).toEqual([]);
    expect(plan.findings).toMatchObject([
      { code: 'NEIGHBOUR_TABLE_SMALL', cure: containing('net.ipv4.neigh.default.gc_thresh3=4096') },
    ]);
  });
});
