import { parseIpAddress, type DesiredLink, type KernelState, type Ownership } from '@tartan/core';
import type { FakeKernel } from '@tartan/netlink/testing';
import { MAC_A, MAC_B, applyDelta, deltaOf, findingLines, host, opLines, route } from './support';

const own: Partial<Ownership> = { devices: ['flannel.1'] };
const link: DesiredLink = {
  name: 'flannel.1',
  kind: 'vxlan',
  mtuBytes: 1450,
  mac: MAC_A,
  up: true,
  addrGenMode: 1,
  vxlan: {
    vni: 1,
    port: 8472,
    local: parseIpAddress('192.168.50.1'),
    lowerIfname: 'eth0',
    learning: false,
    gbp: false,
  },
};
const address = { ifname: 'flannel.1', address: parseIpAddress('10.5.1.0'), prefixLength: 32 };
const neighbour = { ifname: 'flannel.1', address: parseIpAddress('10.5.2.0'), mac: MAC_B };
const fdb = { ifname: 'flannel.1', mac: MAC_B, dst: parseIpAddress('192.168.50.2') };
const full: Partial<KernelState> = {
  links: [link],
  addresses: [address],
  neighbours: [neighbour],
  fdb: [fdb],
  routes: [route('10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink')],
};

async function programmed(): Promise<FakeKernel> {
  const kernel = host();
  await applyDelta(kernel, await deltaOf(kernel, full, own));
  await applyDelta(kernel, await deltaOf(kernel, full, own));
  return kernel;
}

describe('device delta', () => {
  it('makes the device first and alone, then what leans on it in order', async () => {
    const kernel = host();
    const first = await deltaOf(kernel, full, own);
    expect(first.linkOps.map(({ op }) => op.op)).toEqual(['link-create']);
    expect(first.ops).toEqual([]);
    await applyDelta(kernel, first);
    const second = await deltaOf(kernel, full, own);
    expect(second.linkOps).toEqual([]);
    expect(second.ops.map(({ op }) => op.op)).toEqual([
      'address-replace',
      'neighbour-replace',
      'fdb-replace',
      'route-add',
    ]);
    await applyDelta(kernel, second);
    expect(await deltaOf(kernel, full, own)).toMatchObject({ linkOps: [], ops: [], findings: [], waiting: [] });
  });

  it('takes down in the reverse order', async () => {
    const kernel = await programmed();
    const delta = await deltaOf(kernel, { links: [link] }, own);
    expect(delta.ops.map(({ op }) => op.op)).toEqual([
      'route-delete',
      'fdb-delete',
      'neighbour-delete',
      'address-delete',
    ]);
  });

  it.each<[string, (kernel: FakeKernel) => void, object]>([
    ['MTU', (kernel) => kernel.changeLink('flannel.1', { mtuBytes: 1400 }), { mtuBytes: 1450 }],
    ['MAC address', (kernel) => kernel.changeLink('flannel.1', { mac: MAC_B }), { mac: MAC_A }],
    ['state', (kernel) => kernel.setLinkDown('flannel.1'), { up: true }],
    ['address generation', (kernel) => kernel.changeLink('flannel.1', { addrGenMode: 0 }), { addrGenMode: 1 }],
  ])('puts a changed %s back in place', async (_, disturb, change) => {
    const kernel = await programmed();
    disturb(kernel);
    const { linkOps } = await deltaOf(kernel, full, own);
    expect(linkOps.map(({ op }) => op)).toEqual([
      { op: 'link-change', ifindex: kernel.link('flannel.1').index, change },
    ]);
  });

  it.each([{ vni: 2 }, { port: 4789 }, { local: parseIpAddress('fd00::1') }, { gbp: true }])(
    'makes a device anew that differs in what is fixed at birth: %j',
    async (difference) => {
      const kernel = await programmed();
      const links = [{ ...link, vxlan: { ...link.vxlan!, ...difference } }];
      const { linkOps } = await deltaOf(kernel, { ...full, links }, own);
      expect(linkOps.map(({ op }) => op.op)).toEqual(['link-delete', 'link-create']);
    },
  );

  it.each([{ learning: true }, { local: parseIpAddress('192.168.50.9') }])(
    'changes a living device where the kernel can: %j',
    async (difference) => {
      const kernel = await programmed();
      const links = [{ ...link, vxlan: { ...link.vxlan!, ...difference } }];
      const { linkOps } = await deltaOf(kernel, { ...full, links }, own);
      expect(linkOps.map(({ op }) => op)).toMatchObject([{ op: 'link-change', change: { vxlan: difference } }]);
    },
  );

  it('waits for the lower device', async () => {
    const kernel = host();
    kernel.removeLink('eth0');
    const delta = await deltaOf(kernel, { links: [link] }, own);
    expect(delta).toMatchObject({
      linkOps: [],
      waiting: [{ key: 'link flannel.1', ifname: 'eth0', reason: 'missing' }],
    });
  });

  it('leaves a device of another kind alone and says so', async () => {
    const kernel = host();
    kernel.addLink({ name: 'flannel.1', kind: 'bridge' });
    const delta = await deltaOf(kernel, { links: [link] }, own);
    expect(delta.linkOps).toEqual([]);
    expect(findingLines(delta)).toEqual(['LINK_CONFLICT flannel.1']);
  });

  it('never deletes a device because a plan does not name it', async () => {
    const kernel = await programmed();
    expect((await deltaOf(kernel, {}, own)).linkOps).toEqual([]);
  });

  it('refuses objects on devices that are not the backend’s own', async () => {
    const delta = await deltaOf(host(), {
      addresses: [{ ...address, ifname: 'eth0' }],
      neighbours: [{ ...neighbour, ifname: 'eth0' }],
      fdb: [{ ...fdb, ifname: 'eth0' }],
      links: [{ name: 'eth0', kind: 'bridge' }],
    });
    expect(delta).toMatchObject({ linkOps: [], ops: [] });
    expect(findingLines(delta).map((line) => line.split(' ')[0])).toEqual(Array(4).fill('PLAN_OUTSIDE_OWNERSHIP'));
  });
});

describe('objects on our own devices', () => {
  it('removes addresses that somebody put there, but no link-local ones', async () => {
    const kernel = await programmed();
    kernel.addAddress('flannel.1', '192.168.50.77/24');
    kernel.addAddress('flannel.1', 'fe80::1/64');
    expect(opLines(await deltaOf(kernel, full, own))).toEqual(['address-delete address flannel.1 192.168.50.77/24']);
  });

  it('removes stale neighbours and forwarding entries, old MAC addresses included', async () => {
    const kernel = await programmed();
    kernel.addNeighbour('flannel.1', '10.5.9.0', '02:00:00:00:00:09');
    kernel.addFdb('flannel.1', '02:00:00:00:00:09', '192.168.50.9');
    expect(opLines(await deltaOf(kernel, full, own))).toEqual([
      'fdb-delete fdb flannel.1 02:00:00:00:00:09',
      'neighbour-delete neighbour flannel.1 10.5.9.0',
    ]);
  });

  it('repairs entries that were changed', async () => {
    const kernel = await programmed();
    kernel.addNeighbour('flannel.1', '10.5.2.0', '02:00:00:00:00:09');
    kernel.addFdb('flannel.1', MAC_B.toString(), '192.168.50.9');
    expect(opLines(await deltaOf(kernel, full, own))).toEqual([
      'neighbour-replace neighbour flannel.1 10.5.2.0',
      `fdb-replace fdb flannel.1 ${MAC_B.toString()}`,
    ]);
  });

  it('leaves other devices alone', async () => {
    const kernel = await programmed();
    kernel.addNeighbour('eth0', '192.168.50.9', '02:00:00:00:00:09');
    kernel.addAddress('eth0', '10.5.200.1/32');
    expect((await deltaOf(kernel, full, own)).ops).toEqual([]);
  });
});

describe('a TUN', () => {
  const tun: DesiredLink = { name: 'flannel0', kind: 'tun', mtuBytes: 1472, up: true, addrGenMode: 1 };
  const desired: Partial<KernelState> = {
    links: [tun],
    addresses: [{ ifname: 'flannel0', address: parseIpAddress('10.5.1.0'), prefixLength: 32 }],
    routes: [route('10.5.2.0/24 dev flannel0')],
  };
  const ours: Partial<Ownership> = { devices: ['flannel0'] };

  it('is waited for, with all that needs it', async () => {
    const delta = await deltaOf(host(), desired, ours);
    expect([...delta.linkOps, ...delta.ops]).toEqual([]);
    expect(new Set(delta.waiting.map(({ ifname }) => ifname))).toEqual(new Set(['flannel0']));
    expect(delta.waiting.map(({ key }) => key)).toContain('link flannel0');
  });

  it('that is there gets its MTU, is brought up, and takes the rest', async () => {
    const kernel = host();
    kernel.addLink({ name: 'flannel0', kind: 'tun', up: false, pointToPoint: true, addrGenMode: 0 });
    await applyDelta(kernel, await deltaOf(kernel, desired, ours));
    await applyDelta(kernel, await deltaOf(kernel, desired, ours));
    expect(kernel.link('flannel0')).toMatchObject({ mtuBytes: 1472, up: true, addrGenMode: 1 });
    const { linkOps, ops, waiting } = await deltaOf(kernel, desired, ours);
    expect([linkOps, ops, waiting]).toEqual([[], [], []]);
  });

  it('of another kind is a conflict', async () => {
    const kernel = host();
    kernel.addLink({ name: 'flannel0', kind: 'bridge' });
    expect(findingLines(await deltaOf(kernel, desired, ours))).toContain('LINK_CONFLICT flannel0');
  });
});
