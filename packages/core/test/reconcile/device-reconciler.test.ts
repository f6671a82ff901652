import { parseIpAddress, type Plan } from '@tartan/core';
import { MAC_A, MAC_B, host, planOf, route } from './support';
import { start, stopAll } from './running';

const plan: Plan = planOf(
  {
    links: [
      {
        name: 'flannel.1',
        kind: 'vxlan',
        mtuBytes: 1450,
        mac: MAC_A,
        up: true,
        vxlan: {
          vni: 1,
          port: 8472,
          local: parseIpAddress('192.168.50.1'),
          lowerIfname: 'eth0',
          learning: false,
          gbp: false,
        },
      },
    ],
    addresses: [{ ifname: 'flannel.1', address: parseIpAddress('10.5.1.0'), prefixLength: 32 }],
    neighbours: [{ ifname: 'flannel.1', address: parseIpAddress('10.5.2.0'), mac: MAC_B }],
    fdb: [{ ifname: 'flannel.1', mac: MAC_B, dst: parseIpAddress('192.168.50.2') }],
    routes: [route('10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink')],
    sysctls: [{ path: 'net/ipv4/ip_forward', value: '1' }],
  },
  { devices: ['flannel.1'] },
);

afterEach(stopAll);

describe('reconciler with a device of its own', () => {
  it('makes device, address, neighbour, FDB entry and route in one pass', async () => {
    const kernel = host();
    kernel.setSysctl('net/ipv4/ip_forward', '0');
    const { advance, reconciler, passes } = start(kernel, plan);
    await advance(20_000);
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
    expect(kernel.snapshot()).toMatchObject({
      routes: [expect.stringContaining('10.5.2.0/24') as string],
      neighbours: [expect.stringContaining('10.5.2.0') as string],
      fdb: [expect.stringContaining('192.168.50.2') as string],
    });
    expect(kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
    // The device's own notifications call for one more look at most.
    expect(passes()).toBeLessThanOrEqual(2);
  });

  it('makes everything again after the device was deleted', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, plan);
    await advance(1_000);
    const before = kernel.snapshot();
    kernel.removeLink('flannel.1');
    await advance(200);
    expect(kernel.snapshot()).toEqual(before);
    expect(reconciler.status().synced).toBe(true);
  });

  it('makes everything again after the underlay interface, and with it the device, was re-created', async () => {
    const kernel = host();
    const { advance } = start(kernel, plan);
    await advance(1_000);
    const before = kernel.snapshot();
    kernel.recreateLink('eth0');
    await advance(200);
    expect(kernel.snapshot()).toEqual(before);
  });

  it.each<[string, (kernel: ReturnType<typeof host>) => void]>([
    ['a neighbour', (kernel) => kernel.removeNeighbour('flannel.1', '10.5.2.0')],
    ['a forwarding entry', (kernel) => kernel.removeFdb('flannel.1', MAC_B.toString())],
    ['an address', (kernel) => kernel.removeAddress('flannel.1', '10.5.1.0/32')],
    ['the MAC address', (kernel) => kernel.changeLink('flannel.1', { mac: MAC_B })],
    ['learning', (kernel) => kernel.changeLink('flannel.1', { vxlan: { learning: true } })],
    [
      'the local address',
      (kernel) => kernel.changeLink('flannel.1', { vxlan: { local: parseIpAddress('192.168.50.9') } }),
    ],
    ['the MTU', (kernel) => kernel.changeLink('flannel.1', { mtuBytes: 1300 })],
    ['a foreign address', (kernel) => kernel.addAddress('flannel.1', '192.168.77.1/24')],
    ['the state of the link', (kernel) => kernel.setLinkDown('flannel.1')],
  ])('repairs %s at once', async (_, disturb) => {
    const kernel = host();
    const { advance } = start(kernel, plan);
    await advance(1_000);
    const look = (): unknown => [kernel.snapshot(), kernel.link('flannel.1')];
    const before = look();
    disturb(kernel);
    expect(look()).not.toEqual(before);
    await advance(100);
    expect(look()).toEqual(before);
  });

  it('puts a device right before it reads what is on it', async () => {
    const kernel = host();
    const { advance } = start(kernel, plan);
    await advance(1_000);
    kernel.clearRecord();
    kernel.changeLink('flannel.1', { mac: MAC_B });
    await advance(100);
    const calls = kernel.requests.map(({ op }) => op);
    expect(calls.indexOf('link-change')).toBeGreaterThan(-1);
    expect(calls.indexOf('link-change')).toBeLessThan(calls.indexOf('list-fdb'));
    expect(calls.filter((op) => op === 'list-fdb')).toHaveLength(1);
  });

  it('keeps what is on a device that changes in place, and makes it anew only where it must', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, plan);
    await advance(1_000);
    const [link] = plan.desired.links;
    const { index } = kernel.link('flannel.1');
    kernel.addAddress('eth0', '192.168.50.9/24');
    const moved = { ...link!, vxlan: { ...link!.vxlan!, local: parseIpAddress('192.168.50.9'), learning: true } };
    reconciler.setPlan({ ...plan, desired: { ...plan.desired, links: [moved] } });
    await advance(100);
    expect(kernel.link('flannel.1')).toMatchObject({ index, vxlan: { learning: true, local: moved.vxlan.local } });
    const other = { ...moved, vxlan: { ...moved.vxlan, port: 4789 } };
    reconciler.setPlan({ ...plan, desired: { ...plan.desired, links: [other] } });
    await advance(100);
    expect(kernel.link('flannel.1').index).not.toBe(index);
    expect(kernel.link('flannel.1').vxlan?.port).toBe(4789);
    expect(kernel.snapshot().fdb).toHaveLength(1);
  });

  it('backs off from who keeps deleting the device', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, plan, { fullPassIntervalMs: 1e9 });
    await advance(1_000);
    kernel.clearRecord();
    for (let second = 0; second < 60; second++) {
      if (kernel.hasLink('flannel.1')) kernel.removeLink('flannel.1');
      await advance(1_000);
    }
    expect(codes()).toContain('FIGHT');
    expect(kernel.count('link-create')).toBeLessThan(15);
  });

  it('leaves a limit alone that is higher than it must be', async () => {
    const kernel = host();
    const path = 'net/ipv4/neigh/default/gc_thresh3';
    kernel.setSysctl(path, '8192');
    const { advance } = start(kernel, planOf({ sysctls: [{ path, value: '4096', atLeast: true }] }));
    await advance();
    expect(kernel.sysctl(path)).toBe('8192');
    kernel.setSysctl(path, '1024');
    await advance(40_000);
    expect(kernel.sysctl(path)).toBe('4096');
  });

  it('reports a setting that does not exist, and repairs one that was changed in the periodic pass', async () => {
    const kernel = host();
    const sysctls = [
      { path: 'net/ipv4/ip_forward', value: '1' },
      { path: 'net/no/such/setting', value: '1' },
    ];
    const { advance, reconciler } = start(kernel, planOf({ sysctls }));
    await advance();
    expect(reconciler.status().findings).toMatchObject([
      { code: 'SYSCTL_MISSING', subject: 'sysctl net/no/such/setting' },
    ]);
    kernel.setSysctl('net/ipv4/ip_forward', '0');
    await advance(40_000);
    expect(kernel.sysctl('net/ipv4/ip_forward')).toBe('1');
  });

  it('in a read-only /proc/sys is told with the command for the node, and is no failure that is tried again', async () => {
    const kernel = host();
    kernel.setSysctl('net/ipv4/ip_forward', '0');
    kernel.failWhen((request) => request.op === 'write-sysctl', 'EROFS');
    const { advance, reconciler } = start(kernel, planOf({ sysctls: [{ path: 'net/ipv4/ip_forward', value: '1' }] }));
    await advance();
    expect(reconciler.status()).toMatchObject({
      synced: true,
      findings: [
        { code: 'SYSCTL_READ_ONLY', cure: expect.stringContaining('sysctl -w net/ipv4/ip_forward=1') as string },
      ],
    });
  });
});

describe('a kernel that refuses a change in place', () => {
  it.each([
    ['the local address', { local: parseIpAddress('192.168.50.77') }],
    ['learning', { learning: true }],
  ])('as unsupported gets the device made anew with everything on it: %s', async (_, vxlan) => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, plan);
    await advance(1_000);
    const { fdb, neighbours, routes } = kernel.snapshot();
    const before = kernel.link('flannel.1').index;
    kernel.changeLink('flannel.1', { vxlan });
    kernel.failWhen((request) => request.op === 'link-change' && request.change.vxlan !== undefined, 'EOPNOTSUPP');
    await advance(1_000);
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
    expect(kernel.link('flannel.1').index).not.toBe(before);
    expect(kernel.snapshot()).toMatchObject({ fdb, neighbours, routes });
  });

  it.each([
    ['the MTU', { mtuBytes: 1300 }, 'EOPNOTSUPP'],
    ['the local address', { vxlan: { local: parseIpAddress('192.168.50.77') } }, 'EPERM'],
  ] as const)('otherwise keeps the device: %s, %s', async (_, change, errno) => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, plan);
    await advance(1_000);
    const before = kernel.link('flannel.1').index;
    kernel.failWhen((request) => request.op === 'link-change', errno);
    kernel.changeLink('flannel.1', change);
    await advance(1_000);
    expect(reconciler.status().findings).toMatchObject([{ code: 'KERNEL_REFUSED' }]);
    expect(kernel.link('flannel.1').index).toBe(before);
  });
});
