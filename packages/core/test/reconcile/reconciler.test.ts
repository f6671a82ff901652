import { parseIpAddress, parseIpPrefix, type RouteSpec } from '@tartan/core';
import { host, peerRoute, planOf, route } from './support';
import { start, stopAll } from './running';

const three = planOf({ routes: [peerRoute(2), peerRoute(3), peerRoute(4)] });
const oursTo = (n: number): string => `10.5.${n}.0/24 via 192.168.50.${n} dev eth0 proto 158`;

afterEach(stopAll);

describe('reconciler', () => {
  it('reads and deletes nothing before the first plan', async () => {
    const kernel = host();
    kernel.addRoute(oursTo(9));
    kernel.clearRecord();
    const { advance, reconciler } = start(kernel);
    await advance(120_000);
    expect(kernel.requests.map(({ op }) => op)).toEqual(['subscribe']);
    expect(reconciler.status()).toMatchObject({ firstPassDone: false, synced: false, lastPass: null });
  });

  it('brings the kernel to the plan and says so', async () => {
    const kernel = host();
    kernel.addRoute(oursTo(9));
    const { advance, reconciler, metric } = start(kernel, three);
    await advance();
    await reconciler.whenFirstPassDone();
    await reconciler.whenSynced();
    expect(kernel.routesTo('10.5.4.0/24')).toHaveLength(1);
    expect(kernel.routesTo('10.5.9.0/24')).toEqual([]);
    expect(reconciler.status()).toMatchObject({
      synced: true,
      findings: [],
      lastPass: { trigger: 'change', applied: 4, failed: 0 },
      routes: { desired: 3, programmed: 3, waiting: 0, blocked: 0, failed: 0 },
    });
    expect(await metric('tartan_reconcile_passes_total', { trigger: 'change', result: 'ok' })).toBe(1);
    expect(await metric('tartan_stale_entries_removed_total', { kind: 'route' })).toBe(1);
    expect(await metric('tartan_repairs_total')).toBe(0);
    expect(await metric('tartan_routes', { state: 'programmed' })).toBe(3);
  });

  it('does not take the echo of its own writes for drift', async () => {
    const kernel = host();
    const { advance, passes } = start(kernel, three);
    await advance(20_000);
    expect(passes()).toBe(1);
  });

  it('does not pass for what others do elsewhere', async () => {
    const kernel = host();
    const { advance, passes } = start(kernel, three);
    await advance();
    kernel.addLink({ name: 'veth1', addresses: ['172.17.0.1/16'] });
    kernel.addRoute('10.99.0.0/16 via 192.168.50.9 dev eth0 proto static');
    kernel.addRoute('10.9.2.0/24 via 192.168.50.2 dev eth0 proto 158');
    await advance(20_000);
    expect(passes()).toBe(1);
  });

  it('puts a deleted route back within 100 ms, and counts the repair', async () => {
    const kernel = host();
    const { advance, metric, reconciler } = start(kernel, three);
    await advance();
    kernel.removeRoutes('10.5.3.0/24');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    expect(await metric('tartan_repairs_total', { kind: 'route' })).toBe(1);
    expect(reconciler.status().lastPass).toMatchObject({ trigger: 'event', applied: 1 });
  });

  it('makes one pass of a burst', async () => {
    const kernel = host();
    const { advance, passes } = start(kernel, three);
    await advance();
    for (const n of [2, 3, 4]) kernel.removeRoutes(`10.5.${n}.0/24`);
    await advance(100);
    expect(passes()).toBe(2);
  });

  it.each([
    ['changed', oursTo(3).replace('.50.3', '.50.7')],
    ['added', '10.5.77.0/24 via 192.168.50.7 dev eth0 proto 158'],
  ])('undoes what was %s under our own protocol number', async (_, text) => {
    const kernel = host();
    const { advance } = start(kernel, three);
    await advance();
    const before = kernel.snapshot();
    kernel.removeRoutes(text.split(' ')[0]!);
    kernel.addRoute(text);
    await advance(100);
    expect(kernel.snapshot()).toEqual(before);
  });

  it('repairs what it was not told about in the periodic pass', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, three, { fullPassIntervalMs: 30_000 });
    await advance();
    kernel.holdEvents();
    kernel.removeRoutes('10.5.3.0/24');
    await advance(33_000);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    expect(reconciler.status().lastPass).toMatchObject({ trigger: 'periodic' });
  });

  it('reads everything again after lost notifications', async () => {
    const kernel = host();
    const { advance } = start(kernel, three);
    await advance();
    kernel.holdEvents();
    kernel.removeRoutes('10.5.3.0/24');
    kernel.loseEvents();
    kernel.releaseEvents();
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
  });

  it('removes what another plan does not want', async () => {
    const kernel = host();
    const { advance, reconciler, metric } = start(kernel, three);
    await advance();
    reconciler.setPlan(planOf({ routes: [peerRoute(2)] }));
    expect(reconciler.status().synced).toBe(false);
    await advance();
    expect(kernel.routesTo('10.5.3.0/24')).toEqual([]);
    expect(await metric('tartan_stale_entries_removed_total', { kind: 'route' })).toBe(2);
    expect(await metric('tartan_repairs_total')).toBe(0);
  });

  it('works on the latest plan when plans come faster than passes', async () => {
    const kernel = host();
    const { advance, reconciler, passes } = start(kernel, three);
    kernel.holdCalls();
    await advance();
    for (const n of [5, 6, 7]) reconciler.setPlan(planOf({ routes: [peerRoute(n)] }));
    kernel.releaseCalls();
    await advance();
    expect(passes()).toBe(2);
    expect((await kernel.listRoutes({ protocol: 158 })).map(({ dst }) => dst.toString())).toEqual(['10.5.7.0/24']);
    expect(reconciler.status().synced).toBe(true);
  });

  it('finds nothing to do after a restart', async () => {
    const kernel = host();
    const first = start(kernel.open(), three);
    await first.advance();
    await first.stop();
    kernel.clearRecord();
    const second = start(kernel.open(), three);
    await second.advance();
    expect(second.reconciler.status()).toMatchObject({ synced: true, lastPass: { applied: 0 } });
    expect(kernel.appliedOps()).toEqual([]);
  });

  it('lets two daemons with different networks live on one host', async () => {
    const kernel = host();
    const other = { networks: [parseIpPrefix('10.9.0.0/16')] };
    const a = start(kernel.open(), three);
    const b = start(kernel.open(), planOf({ routes: [route('10.9.2.0/24 via 192.168.50.2 dev eth0')] }), other);
    await a.advance();
    await b.advance();
    for (const one of [a, b]) one.reconciler.requestPass();
    await a.advance(40_000);
    await b.advance(40_000);
    expect((await kernel.listRoutes({ protocol: 158 })).map(({ dst }) => dst.toString()).sort()).toEqual([
      '10.5.2.0/24',
      '10.5.3.0/24',
      '10.5.4.0/24',
      '10.9.2.0/24',
    ]);
    expect(kernel.count('route-add')).toBe(4);
    expect(kernel.count('route-delete') + kernel.count('route-replace')).toBe(0);
  });
});

describe('reconciler and interfaces', () => {
  it('puts routes back after a flap, and takes no flapping link for a fight', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, three);
    await advance();
    for (let flap = 0; flap < 20; flap++) {
      kernel.setLinkDown('eth0');
      await advance(200);
      expect(kernel.routesTo('10.5.3.0/24')).toEqual([]);
      kernel.setLinkUp('eth0');
      await advance(100);
      expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    }
    expect(codes()).toEqual([]);
  });

  it('follows an interface to its new index', async () => {
    const kernel = host();
    const { advance, reconciler } = start(kernel, three);
    await advance();
    const { index } = kernel.recreateLink('eth0');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toMatchObject([{ oif: index }]);
    expect(reconciler.status().synced).toBe(true);
  });

  it('puts routes back when the interface has lost its address and got it again', async () => {
    const kernel = host();
    const { advance, reconciler, codes } = start(kernel, three);
    await advance();
    kernel.removeAddress('eth0', '192.168.50.1/24');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toEqual([]);
    expect(codes()).toEqual(['KERNEL_REFUSED']);
    kernel.addAddress('eth0', '192.168.50.1/24');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
  });

  it('waits for an interface, says so once, and goes on when it is there', async () => {
    const kernel = host();
    const plan = planOf({ routes: [peerRoute(2), route('10.5.3.0/24 via 192.168.51.3 dev eth1')] });
    const { advance, reconciler, codes, logger } = start(kernel, plan);
    await advance(100_000);
    expect(kernel.routesTo('10.5.2.0/24')).toHaveLength(1);
    expect(reconciler.status()).toMatchObject({ firstPassDone: true, synced: false, routes: { waiting: 1 } });
    expect(codes()).toEqual(['INTERFACE_MISSING']);
    kernel.addLink({ name: 'eth1', addresses: ['192.168.51.1/24'] });
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    expect(codes()).toEqual([]);
    expect(logger.lines.filter(({ fields }) => fields['code'] === 'INTERFACE_MISSING')).toMatchObject([
      { level: 'error', message: 'finding' },
      { level: 'info', message: 'finding cleared' },
    ]);
  });
});

describe('reconciler and failures', () => {
  it('lets one failing entry block no other, and retries it with growing pauses', async () => {
    const kernel = host();
    const bad = parseIpPrefix('10.5.3.0/24');
    const works = kernel.failWhen((request) => request.op === 'route-add' && request.route.dst.equals(bad), 'ENOMEM');
    const { advance, reconciler, codes, passes, metric } = start(kernel, three, { fullPassIntervalMs: 1e9 });
    await advance();
    expect(kernel.routesTo('10.5.4.0/24')).toHaveLength(1);
    expect(reconciler.status()).toMatchObject({ synced: false, routes: { desired: 3, programmed: 2, failed: 1 } });
    expect(codes()).toEqual(['KERNEL_REFUSED']);
    await advance(10_000);
    expect(passes()).toBeGreaterThan(4);
    expect(passes()).toBeLessThan(9);
    expect(await metric('tartan_kernel_errors_total', { op: 'route-add', errno: 'ENOMEM' })).toBe(passes());
    works();
    await advance(30_000);
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
    expect(await metric('tartan_repairs_total')).toBe(0);
  });

  it('makes one finding of one cause, however many objects it hits', async () => {
    const kernel = host();
    kernel.failWhen(({ op }) => op === 'route-add', 'ENETUNREACH');
    const { advance, reconciler } = start(kernel, three);
    await advance();
    expect(reconciler.status().findings).toMatchObject([
      {
        code: 'KERNEL_REFUSED',
        subject: 'route-add ENETUNREACH',
        message: expect.stringContaining('and 2 more') as string,
      },
    ]);
  });

  it.each(['list-routes', 'list-links'] as const)('changes nothing while %s fails, and tries again', async (call) => {
    const kernel = host();
    kernel.addRoute(oursTo(9));
    const works = kernel.failWhen(({ op }) => op === call, 'ENOBUFS', { socket: true });
    const { advance, reconciler, codes } = start(kernel, three);
    await advance(5_000);
    expect(kernel.appliedOps()).toEqual([]);
    expect(codes()).toEqual(['PASS_FAILED']);
    expect(reconciler.status().firstPassDone).toBe(false);
    works();
    await advance(30_000);
    expect(reconciler.status()).toMatchObject({ synced: true, findings: [] });
  });

  it('counts a call that fails as a whole as a failure of each operation', async () => {
    const kernel = host();
    kernel.failNext('apply', 'ECONNRESET', { socket: true });
    const { advance, reconciler } = start(kernel, three);
    await advance();
    expect(reconciler.status()).toMatchObject({ synced: false, routes: { failed: 3 } });
    await advance(1_000);
    expect(reconciler.status()).toMatchObject({ synced: true, routes: { failed: 0 } });
  });

  it('reports a conflict, and takes the place at once when it is free', async () => {
    const kernel = host();
    kernel.addRoute('10.5.3.0/24 via 192.168.50.99 dev eth0 proto static');
    const { advance, reconciler, codes, passes, metric } = start(kernel, three);
    await advance(20_000);
    expect(codes()).toEqual(['ROUTE_CONFLICT']);
    expect(await metric('tartan_findings', { code: 'ROUTE_CONFLICT', severity: 'error' })).toBe(1);
    expect(passes()).toBe(1);
    expect(reconciler.status()).toMatchObject({ synced: true, routes: { programmed: 2, blocked: 1 } });
    kernel.removeRoutes('10.5.3.0/24');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toMatchObject([{ protocol: 158 }]);
    expect(codes()).toEqual([]);
  });

  it('does not overwrite who replaced our route', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, three);
    await advance();
    const theirs: RouteSpec = {
      dst: parseIpPrefix('10.5.3.0/24'),
      gateway: parseIpAddress('192.168.50.99'),
      oif: kernel.link('eth0').index,
      protocol: 4,
    };
    await kernel.apply([{ op: 'route-replace', route: theirs }]);
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toMatchObject([{ protocol: 4 }]);
    expect(codes()).toEqual(['ROUTE_CONFLICT']);
  });
});

describe('reconciler and fights', () => {
  const enemy = async (): Promise<{ repairs: number; codes: string[]; later: string[] }> => {
    const kernel = host();
    const { advance, codes } = start(kernel, three, { fullPassIntervalMs: 1e9 });
    await advance();
    kernel.clearRecord();
    for (let second = 0; second < 60; second++) {
      kernel.removeRoutes('10.5.3.0/24');
      await advance(1_000);
    }
    const during = codes();
    const repairs = kernel.count('route-add');
    await advance(60_000);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    await advance(600_000);
    return { repairs, codes: during, later: codes() };
  };

  it('backs off from who undoes the same repair again and again, and says so', async () => {
    const { repairs, codes } = await enemy();
    expect(codes).toEqual(['FIGHT']);
    expect(repairs).toBeGreaterThan(5);
    expect(repairs).toBeLessThan(15);
  });

  it('does not let one contested object hold up the others', async () => {
    const kernel = host();
    const { advance } = start(kernel, three);
    await advance();
    for (let time = 0; time < 10; time++) {
      kernel.removeRoutes('10.5.3.0/24');
      await advance(100);
    }
    kernel.removeRoutes('10.5.4.0/24');
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toEqual([]);
    expect(kernel.routesTo('10.5.4.0/24')).toHaveLength(1);
  });

  it('forgets when it is quiet', async () => {
    const kernel = host();
    const { advance, codes } = start(kernel, three);
    await advance();
    for (let time = 0; time < 10; time++) {
      kernel.removeRoutes('10.5.3.0/24');
      await advance(100);
    }
    expect(codes()).toEqual(['FIGHT']);
    await advance(300_000);
    expect(codes()).toEqual([]);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
  });
});

describe('stopping', () => {
  it('leaves the kernel as it is, and no subscription and no timer behind', async () => {
    const kernel = host();
    const { advance, stop, clock } = start(kernel, three);
    await advance();
    const before = kernel.snapshot();
    await stop();
    expect(kernel.snapshot()).toEqual(before);
    expect(kernel.subscriptions).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it('waits for the pass under way', async () => {
    const kernel = host();
    const { advance, stop } = start(kernel, three);
    kernel.holdCalls();
    await advance();
    let stopped = false;
    const stopping = stop().then(() => (stopped = true));
    await advance();
    expect(stopped).toBe(false);
    kernel.releaseCalls();
    await stopping;
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
  });

  it('makes those who wait give up with their own signal', async () => {
    const { reconciler } = start(host());
    const controller = new AbortController();
    const waiting = reconciler.whenSynced(controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
