import type { FakeKernel } from '@tartan/netlink/testing';
import {
  externalInterface,
  findingLines,
  hostKernel,
  networkConfig,
  peer,
  planFor,
  signal,
  startNetwork,
  containing,
} from './support/nodes';
import {
  Ipv4Address,
  type BackendNetwork,
  type Finding,
  type FirewallAccess,
  type Lease,
  type Plan,
} from '@tartan/core';

const NEIGH = 'net/ipv4/neigh/default';

async function planOn(netlink: FakeKernel, peers = 1, options = {}): Promise<Plan> {
  const network = await startNetwork({ netlink, config: networkConfig('ipv4', options) });
  const leases = Array.from({ length: peers }, (_, n) => peerAt(n + 8));
  const plan = planFor(network, leases);
  return { ...plan, findings: [...plan.findings, ...(await inspect(network, leases))] };
}

async function inspect(network: BackendNetwork, leases: readonly Lease[]): Promise<readonly Finding[]> {
  return (await network.inspect?.({ revision: '1', leases }, signal)) ?? [];
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
    expect(await inspect(network, [])).toMatchObject([{ code: 'NETWORK_OVERLAP', severity: 'error' }]);
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

  it('are kept when they are wide enough, and left alone where they cannot be seen', async () => {
    const held = [{ path: `${NEIGH}/gc_thresh3`, value: '1024', atLeast: true }];
    expect(gc(await planOn(limitedKernel(1024), 200))).toEqual(held);
    expect(gc(await planOn(limitedKernel(8192), 200))).toEqual(held);
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

  it('are judged again, so that the warning goes once somebody raised them', async () => {
    const netlink = limitedKernel(1024);
    netlink.failWhen((request) => request.op === 'write-sysctl', 'EROFS');
    const network = await startNetwork({ netlink, config: networkConfig('ipv4') });
    const leases = Array.from({ length: 900 }, (_, n) => peerAt(n));
    expect(await inspect(network, leases)).toHaveLength(1);
    netlink.setSysctl(`${NEIGH}/gc_thresh3`, '4096');
    expect(await inspect(network, leases)).toEqual([]);
  });
});

describe("the host's firewall", () => {
  const chain = { family: 'ip', table: 'mine', name: 'in', type: 'filter', hook: 'input', policy: 'drop' };

  /** Of a host that drops what does not come from 192.168.50.0/29. */
  function firewall(): FirewallAccess {
    const source = { match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: { prefix: { addr: '192.168.50.0', len: 29 } } } }; // prettier-ignore
    const rule = { chain: 'in', expr: [source, { accept: null }] };
    const stdout = JSON.stringify({ nftables: [{ chain }, { rule }] });
    return { runner: { run: () => Promise.resolve({ exitCode: 0, stdout, stderr: '' }) } };
  }

  it.each([
    ['lets all peers in', [2, 3], []],
    ['drops some peers', [2, 77], [containing('may drop')]],
    ['drops every peer', [77, 78], [containing('drops packets to UDP port 4789 that come in on eth0')]],
  ])('that %s', async (_, peers, messages) => {
    const config = networkConfig('ipv4', { Port: 4789 });
    const network = await startNetwork({ config, firewall: firewall() });
    const leases = peers.map((n) => peer(n));
    const found = await inspect(network, [...leases, peer(99, { type: 'host-gw' })]);
    expect(found.map(({ message }) => message)).toEqual(messages);
  });
});
