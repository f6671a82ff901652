import { parseIpAddress, parseIpPrefix } from '@tartan/core';
import { applyDelta, deltaOf, findingLines, host, opLines, peerRoute, route } from './support';

const viaPeer2 = { adoptRoutesVia: [parseIpAddress('192.168.50.2'), parseIpAddress('fd00::2')] };

describe('route delta', () => {
  it('adds what is missing and is then content', async () => {
    const kernel = host();
    const desired = { routes: [peerRoute(2), route('fc00:0:0:2::/64 via fd00::2 dev eth0')] };
    const delta = await deltaOf(kernel, desired);
    expect(opLines(delta)).toEqual([
      'route-add route 10.5.2.0/24 (peer 192.168.50.2)',
      'route-add route fc00:0:0:2::/64',
    ]);
    await applyDelta(kernel, delta);
    expect(await deltaOf(kernel, desired)).toMatchObject({ ops: [], linkOps: [], findings: [], waiting: [] });
  });

  it('deletes routes of ours that nobody wants any more', async () => {
    const kernel = host();
    kernel.addRoute('10.5.3.0/24 via 192.168.50.3 dev eth0 proto 158');
    expect(opLines(await deltaOf(kernel, { routes: [peerRoute(2)] }))).toEqual([
      'route-add route 10.5.2.0/24 (peer 192.168.50.2)',
      'route-delete route 10.5.3.0/24',
    ]);
  });

  it.each([
    ['gateway', '10.5.2.0/24 via 192.168.50.9 dev eth0 proto 158'],
    ['onlink', '10.5.2.0/24 via 192.168.50.2 dev eth0 proto 158 onlink'],
    ['type', 'blackhole 10.5.2.0/24 proto 158'],
  ])('replaces a route of ours with another %s in place', async (_, present) => {
    const kernel = host();
    kernel.addRoute(present);
    const delta = await deltaOf(kernel, { routes: [peerRoute(2)] });
    expect(opLines(delta)).toEqual(['route-replace route 10.5.2.0/24 (peer 192.168.50.2)']);
    await applyDelta(kernel, delta);
    expect(kernel.routesTo('10.5.2.0/24')).toMatchObject([{ gateway: parseIpAddress('192.168.50.2'), protocol: 158 }]);
  });

  it('replaces a route of ours that leads out of another interface', async () => {
    const kernel = host();
    kernel.addLink({ name: 'eth1', addresses: ['192.168.51.1/24'] });
    kernel.addRoute('10.5.2.0/24 via 192.168.51.2 dev eth1 proto 158');
    expect(opLines(await deltaOf(kernel, { routes: [peerRoute(2)] }))).toEqual([
      'route-replace route 10.5.2.0/24 (peer 192.168.50.2)',
    ]);
  });

  it('moves a route to another metric: the new one first', async () => {
    const kernel = host();
    kernel.addRoute('10.5.2.0/24 via 192.168.50.2 dev eth0 proto 158 metric 7');
    expect(opLines(await deltaOf(kernel, { routes: [peerRoute(2)] }))).toEqual([
      'route-add route 10.5.2.0/24 (peer 192.168.50.2)',
      'route-delete route 10.5.2.0/24',
    ]);
  });

  it.each([undefined, 0, 1024])('takes IPv6 metric %s as the kernel does', async (metric) => {
    const kernel = host();
    kernel.addRoute('fc00:0:0:2::/64 via fd00::2 dev eth0 proto 158');
    const desired = route('fc00:0:0:2::/64 via fd00::2 dev eth0', metric === undefined ? {} : { metric });
    expect((await deltaOf(kernel, { routes: [desired] })).ops).toEqual([]);
  });

  it('ignores the device that the kernel fills in', async () => {
    const kernel = host();
    kernel.addRoute('10.5.2.0/24 via 192.168.50.2 dev eth0 proto 158');
    kernel.addRoute('blackhole fc00:0:0:3::/64 proto 158');
    const routes = [
      route('10.5.2.0/24 via 192.168.50.2'),
      { dst: parseIpPrefix('fc00:0:0:3::/64'), type: 'blackhole' as const },
    ];
    expect((await deltaOf(kernel, { routes })).ops).toEqual([]);
  });

  it('looks into other tables only where the plan has routes', async () => {
    const kernel = host();
    kernel.addRoute({
      dst: parseIpPrefix('10.5.3.0/24'),
      gateway: parseIpAddress('192.168.50.3'),
      oif: kernel.link('eth0').index,
      protocol: 158,
      table: 77,
    });
    const desired = { routes: [route('10.5.2.0/24 via 192.168.50.2 dev eth0 table 77')] };
    const delta = await deltaOf(kernel, desired, {}, [254, 77]);
    expect(opLines(delta)).toEqual(['route-add route 10.5.2.0/24', 'route-delete route 10.5.3.0/24']);
    await applyDelta(kernel, delta);
    expect((await deltaOf(kernel, desired, {}, [254, 77])).ops).toEqual([]);
  });
});

describe('routes that flanneld left', () => {
  it.each([
    ['10.5.2.0/24 via 192.168.50.2 dev eth0 proto boot', peerRoute(2)],
    ['fc00:0:0:2::/64 via fd00::2 dev eth0 proto boot', route('fc00:0:0:2::/64 via fd00::2 dev eth0')],
  ])('become ours in place: %s', async (left, desired) => {
    const kernel = host();
    kernel.addRoute(left);
    const delta = await deltaOf(kernel, { routes: [desired] }, viaPeer2);
    expect(delta.ops.map(({ op }) => op.op)).toEqual(['route-replace']);
    await applyDelta(kernel, delta);
    expect(kernel.routesTo(desired.dst.toString())).toMatchObject([{ protocol: 158 }]);
  });

  it('go when nobody wants them', async () => {
    const kernel = host();
    kernel.addRoute('10.5.7.0/24 via 192.168.50.2 dev eth0 proto boot');
    expect(opLines(await deltaOf(kernel, {}, viaPeer2))).toEqual(['route-delete route 10.5.7.0/24']);
  });

  it('are recognised by a device of ours as well', async () => {
    const kernel = host();
    kernel.addLink({ name: 'flannel.1' });
    kernel.addRoute('10.5.7.0/24 via 10.5.7.0 dev flannel.1 proto boot onlink');
    expect(opLines(await deltaOf(kernel, {}, { devices: ['flannel.1'] }))).toEqual(['route-delete route 10.5.7.0/24']);
  });

  it.each([
    ['10.5.1.0/24', 2 ** 31 - 1],
    ['fc00:0:0:1::/64', 2 ** 31 - 1],
    ['10.5.1.0/24', undefined],
  ])('the blackhole of flannel gives way to ours: %s metric %s', async (dst, metric) => {
    const kernel = host();
    kernel.addRoute(`blackhole ${dst} proto boot`);
    const desired = { dst: parseIpPrefix(dst), type: 'blackhole' as const, ...(metric !== undefined && { metric }) };
    const delta = await deltaOf(kernel, { routes: [desired] });
    expect(delta.ops.map(({ op }) => op.op)).toEqual(
      metric === undefined ? ['route-replace'] : ['route-add', 'route-delete'],
    );
    await applyDelta(kernel, delta);
    expect(kernel.routesTo(dst)).toMatchObject([{ protocol: 158, type: 'blackhole' }]);
    expect((await deltaOf(kernel, { routes: [desired] })).ops).toEqual([]);
  });

  it('a blackhole that nothing of ours replaces is only reported', async () => {
    const kernel = host();
    kernel.addRoute('blackhole 10.5.1.0/24 proto boot');
    kernel.addRoute('blackhole 10.5.3.0/24 proto static');
    const delta = await deltaOf(kernel, {}, viaPeer2);
    expect(delta.ops).toEqual([]);
    expect(delta.findings).toMatchObject([
      { code: 'ROUTE_LEFTOVER', cure: expect.stringContaining('ip route del blackhole 10.5.1.0/24') as string },
    ]);
  });

  it('are only reported when they lead to no peer of today', async () => {
    const kernel = host();
    kernel.addRoute('10.5.7.0/24 via 192.168.50.7 dev eth0 proto boot');
    const delta = await deltaOf(kernel, {}, viaPeer2);
    expect(delta.ops).toEqual([]);
    expect(delta.findings).toMatchObject([
      {
        severity: 'info',
        code: 'ROUTE_LEFTOVER',
        cure: expect.stringContaining('ip route del 10.5.7.0/24 via 192.168.50.7 dev eth0 proto boot') as string,
      },
    ]);
  });
});

describe('foreign routes', () => {
  it.each([
    '10.5.2.0/24 via 192.168.50.9 dev eth0 proto static',
    '10.5.2.0/24 via 192.168.50.9 dev eth0 proto boot',
    '10.5.2.0/24 via 192.168.50.2 dev eth0 proto 12',
    'blackhole 10.5.2.0/24 proto static',
  ])('are not overwritten where they have our key: %s', async (foreign) => {
    const kernel = host();
    kernel.addRoute(foreign);
    const delta = await deltaOf(kernel, { routes: [peerRoute(2), peerRoute(3)] }, viaPeer2);
    expect(opLines(delta)).toEqual(['route-add route 10.5.3.0/24 (peer 192.168.50.3)']);
    expect(delta.blocked).toEqual(['route 254 10.5.2.0/24 0']);
    expect(findingLines(delta)).toEqual(['ROUTE_CONFLICT route 10.5.2.0/24 (peer 192.168.50.2)']);
  });

  it('are described with who seems to own them and the command that removes them', async () => {
    const kernel = host();
    kernel.addLink({ name: 'docker0', addresses: ['10.5.2.1/24'] });
    const [finding] = (await deltaOf(kernel, { routes: [peerRoute(2)] })).findings;
    expect(finding).toMatchObject({
      severity: 'error',
      message:
        'another route holds this place: "10.5.2.0/24 dev docker0 proto kernel", made by the kernel, for an address on that interface',
      cure: expect.stringContaining('ip route del 10.5.2.0/24 dev docker0 proto kernel') as string,
    });
  });

  it('get an IPv6 command where they are IPv6', async () => {
    const kernel = host();
    kernel.addRoute('fc00:0:0:2::/64 via fd00::9 dev eth0 proto static');
    const [finding] = (await deltaOf(kernel, { routes: [route('fc00:0:0:2::/64 via fd00::2 dev eth0')] })).findings;
    expect(finding!.cure).toContain('ip -6 route del fc00:0:0:2::/64 via fd00::9 dev eth0 proto static');
  });

  it('are left alone even when one of ours with the same key is wrong', async () => {
    const kernel = host();
    kernel.addLink({ name: 'eth1', addresses: ['10.5.2.1/24'] });
    kernel.addLink({ name: 'eth2', addresses: ['10.5.2.2/24'] });
    const delta = await deltaOf(kernel, { routes: [peerRoute(2)] });
    expect(delta.ops).toEqual([]);
    expect(findingLines(delta)).toEqual(['ROUTE_CONFLICT route 10.5.2.0/24 (peer 192.168.50.2)']);
  });

  it.each([
    ['more specific', '10.5.2.128/25 via 192.168.50.9 dev eth0 proto static', peerRoute(2)],
    [
      'better metric',
      '10.5.2.0/24 via 192.168.50.9 dev eth0 proto static',
      route('10.5.2.0/24 via 192.168.50.2 dev eth0 metric 10'),
    ],
    [
      'better IPv6 metric',
      'fc00:0:0:2::/64 via fd00::9 dev eth0 proto static metric 1',
      route('fc00:0:0:2::/64 via fd00::2 dev eth0'),
    ],
  ])('that the kernel prefers are reported: %s', async (_, foreign, desired) => {
    const kernel = host();
    kernel.addRoute(foreign);
    const delta = await deltaOf(kernel, { routes: [desired] });
    expect(delta.ops).toHaveLength(1);
    expect(delta.findings).toMatchObject([{ code: 'ROUTE_SHADOWED', severity: 'warning' }]);
  });

  it.each([
    ['a worse metric', '10.5.2.0/24 via 192.168.50.9 dev eth0 proto static metric 50', peerRoute(2)],
    ['a shorter prefix', '10.5.0.0/16 via 192.168.50.9 dev eth0 proto static', peerRoute(2)],
    ['another peer', '192.168.77.0/24 via 192.168.50.9 dev eth0 proto static', peerRoute(2)],
    ['pods below a route to the whole network', '10.5.1.0/24 dev eth0 proto kernel', route('10.5.0.0/16 dev eth0')],
  ])('that do no harm are not: %s', async (_, foreign, desired) => {
    const kernel = host();
    kernel.addRoute(foreign);
    expect((await deltaOf(kernel, { routes: [desired] })).findings).toEqual([]);
  });

  it('include those of another Tartan daemon with another network', async () => {
    const kernel = host();
    kernel.addRoute('10.9.2.0/24 via 192.168.50.2 dev eth0 proto 158');
    kernel.addRoute('10.9.3.0/24 via 192.168.50.2 dev eth0 proto boot');
    expect(await deltaOf(kernel, {}, viaPeer2)).toMatchObject({ ops: [], findings: [] });
  });
});

describe('routes that cannot be made', () => {
  it('wait for an interface that is missing or down, without stopping others', async () => {
    const kernel = host();
    kernel.addLink({ name: 'eth1', up: false });
    const routes = [
      route('10.5.3.0/24 via 10.0.0.3 dev eth1'),
      route('10.5.4.0/24 via 10.0.0.4 dev eth2'),
      peerRoute(2),
    ];
    const delta = await deltaOf(kernel, { routes });
    expect(opLines(delta)).toEqual(['route-add route 10.5.2.0/24 (peer 192.168.50.2)']);
    expect(delta.waiting).toMatchObject([
      { ifname: 'eth1', reason: 'down' },
      { ifname: 'eth2', reason: 'missing' },
    ]);
  });

  it('keep what is there while their interface is away', async () => {
    const kernel = host();
    kernel.addRoute('10.5.3.0/24 via 192.168.50.3 dev eth0 proto 158');
    expect((await deltaOf(kernel, { routes: [route('10.5.3.0/24 via 10.0.0.3 dev eth1')] })).ops).toEqual([]);
  });

  it('are refused outside of our networks, and when stated twice', async () => {
    const routes = [
      route('192.168.9.0/24 via 192.168.50.2 dev eth0'),
      peerRoute(2),
      route('10.5.2.0/24 via 192.168.50.9 dev eth0'),
    ];
    const delta = await deltaOf(host(), { routes });
    expect(opLines(delta)).toEqual(['route-add route 10.5.2.0/24 (peer 192.168.50.2)']);
    expect(findingLines(delta)).toEqual([
      'PLAN_OUTSIDE_OWNERSHIP route 254 192.168.9.0/24 0',
      'PLAN_DUPLICATE route 254 10.5.2.0/24 0',
    ]);
  });
});
