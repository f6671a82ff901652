import assert from 'node:assert/strict';
import { parseIpAddress, ROUTE_PROTOCOL, ROUTE_SCOPE, type DumpSieve, type Route } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { PROTOCOL, route, type NetlinkFixture } from './fixture';

/** The same cases in both families; what differs between the kernel's two FIBs stands here. */
const families = [
  {
    family: 4,
    dst: '10.5.1.0/24',
    other: '10.5.2.0/24',
    gateway: '192.0.2.2',
    gateway2: '192.0.2.3',
    offLink: '198.51.100.1',
    defaultMetric: 0,
    unreachable: 'ENETUNREACH',
    unreachableText: 'Nexthop has invalid gateway',
  },
  {
    family: 6,
    dst: '2001:db8:5:1::/64',
    other: '2001:db8:5:2::/64',
    gateway: '2001:db8::2',
    gateway2: '2001:db8::3',
    offLink: '2001:db8:ffff::1',
    defaultMetric: 1024,
    unreachable: 'EHOSTUNREACH',
    unreachableText: undefined,
  },
] as const;

type Family = (typeof families)[number];

export function routeSuite(runner: SuiteRunner, fixture: NetlinkFixture): void {
  for (const family of families) {
    runner.describe(`IPv${family.family} routes`, () => {
      const it = (name: string, body: () => Promise<void>): void =>
        runner.it(name, async () => {
          if (family.family === 4 || fixture.capabilities.ipv6) await body();
        });
      createCases(it, fixture, family);
      sieveCases(it, fixture, family);
      replaceCases(it, fixture, family);
      deleteCases(it, fixture, family);
      linkCases(it, fixture, family);
    });
  }
}

type It = (name: string, body: () => Promise<void>) => void;

function createCases(it: It, fixture: NetlinkFixture, family: Family): void {
  it('what was added is listed with every member, the metric as the kernel’s default', async () => {
    const link = await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway, { mtuBytes: 1400 }) });
    const [listed] = await fixture.routesTo(family.dst);
    assert.deepEqual(listed, {
      dst: listed?.dst,
      table: 254,
      protocol: PROTOCOL,
      scope: ROUTE_SCOPE.universe,
      type: 'unicast',
      metric: family.defaultMetric,
      tos: 0,
      gateway: listed?.gateway,
      oif: link.index,
      onlink: false,
      dead: false,
      mtuBytes: 1400,
    });
    assert.equal(String(listed.gateway), family.gateway);
  });

  it('adding to a taken key is refused with EEXIST and leaves the route alone', async () => {
    await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway, { protocol: ROUTE_PROTOCOL.boot }) });
    const refusal = await fixture.refused({ op: 'route-add', route: route(family.dst, family.gateway2) });
    assert.equal(refusal.errnoName, 'EEXIST');
    const [kept, ...more] = await fixture.routesTo(family.dst);
    assert.deepEqual([String(kept?.gateway), kept?.protocol, more.length], [family.gateway, ROUTE_PROTOCOL.boot, 0]);
  });

  it('the same destination with another metric is another route', async () => {
    await fixture.addNetwork();
    await fixture.ok(
      { op: 'route-add', route: route(family.dst, family.gateway, { metric: 10 }) },
      { op: 'route-add', route: route(family.dst, family.gateway2, { metric: 20 }) },
    );
    const routes = await fixture.routesTo(family.dst);
    assert.deepEqual(
      routes.map((one) => [one.metric, String(one.gateway)]),
      [
        [10, family.gateway],
        [20, family.gateway2],
      ],
    );
  });

  it('a gateway that is not on-link is refused, with onlink it is taken', async () => {
    const link = await fixture.addNetwork();
    const refusal = await fixture.refused({ op: 'route-add', route: route(family.dst, family.offLink) });
    assert.equal(refusal.errnoName, family.unreachable);
    if (fixture.capabilities.extendedAck) assert.equal(refusal.extendedAck, family.unreachableText);
    const wanted = route(family.dst, family.offLink, { oif: link.index, onlink: true });
    await fixture.ok({ op: 'route-add', route: wanted });
    const [listed] = await fixture.routesTo(family.dst);
    assert.deepEqual([listed?.onlink, String(listed?.gateway), listed?.oif], [true, family.offLink, link.index]);
  });

  it('a device that does not exist is refused with ENODEV', async () => {
    const refusal = await fixture.refused({ op: 'route-add', route: route(family.dst, undefined, { oif: 4711 }) });
    assert.equal(refusal.errnoName, 'ENODEV');
  });

  it('a device that is down is refused with ENETDOWN', async () => {
    const link = await fixture.addLink({ name: 'br0', kind: 'bridge' });
    const refusal = await fixture.refused({
      op: 'route-add',
      route: route(family.dst, undefined, { oif: link.index }),
    });
    assert.equal(refusal.errnoName, 'ENETDOWN');
  });

  it('blackhole needs no next hop and is listed as such', async () => {
    await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, undefined, { type: 'blackhole' }) });
    const [listed] = await fixture.routesTo(family.dst);
    assert.deepEqual([listed?.type, listed?.gateway], ['blackhole', undefined]);
  });

  it('a source address must be ours', async () => {
    const link = await fixture.addNetwork();
    const own = parseIpAddress(family.family === 4 ? '192.0.2.1' : '2001:db8::1');
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway, { prefSrc: own }) });
    assert.ok((await fixture.routesTo(family.dst))[0]?.prefSrc?.equals(own));
    const foreign = route(family.other, undefined, { oif: link.index, prefSrc: parseIpAddress(family.offLink) });
    assert.equal((await fixture.refused({ op: 'route-add', route: foreign })).errnoName, 'EINVAL');
  });

  it('filters choose by protocol, device and table', async () => {
    const link = await fixture.addNetwork();
    await fixture.ok(
      { op: 'route-add', route: route(family.dst, family.gateway) },
      { op: 'route-add', route: route(family.other, family.gateway, { table: 1000 }) },
    );
    const list = async (filter: object): Promise<string[]> =>
      (await fixture.netlink.listRoutes({ family: family.family, ...filter })).map((one) => one.dst.toString());
    assert.deepEqual(await list({ protocol: PROTOCOL }), [family.dst]);
    assert.deepEqual(await list({ protocol: PROTOCOL, oif: link.index }), [family.dst]);
    assert.deepEqual(await list({ protocol: PROTOCOL, oif: 1 }), []);
    assert.deepEqual(await list({ table: 1000 }), [family.other]);
    assert.deepEqual(await list({ table: 1001 }), []);
  });
}

function sieveCases(it: It, fixture: NetlinkFixture, family: Family): void {
  it('a sieve sees every route once, and what it does not keep is left out', async () => {
    await fixture.addNetwork();
    const destinations = [family.dst, family.other];
    await fixture.ok(...destinations.map((dst) => ({ op: 'route-add' as const, route: route(dst, family.gateway) })));
    const seen: string[] = [];
    let done = 0;
    const keeps = ({ dst, protocol }: Route): boolean => {
      if (protocol !== PROTOCOL) return false;
      seen.push(dst.toString());
      return dst.toString() === family.other;
    };
    const sieve: DumpSieve<Route> = { open: () => ({ keeps, done: () => done++ }) };
    const kept = await fixture.netlink.listRoutes({ family: family.family }, sieve);
    assert.deepEqual(
      kept.map(({ dst }) => dst.toString()),
      [family.other],
    );
    assert.deepEqual(seen.sort(), [...destinations].sort());
    assert.equal(done, 1);
  });
}

function replaceCases(it: It, fixture: NetlinkFixture, family: Family): void {
  it('replace creates what is missing', async () => {
    await fixture.addNetwork();
    await fixture.ok({ op: 'route-replace', route: route(family.dst, family.gateway) });
    assert.equal((await fixture.routesTo(family.dst)).length, 1);
  });

  it('replace takes the place of whatever has the key, and makes no second next hop', async () => {
    const link = await fixture.addNetwork();
    const steps = [
      route(family.dst, family.gateway, { protocol: ROUTE_PROTOCOL.boot }),
      route(family.dst, family.gateway2),
      route(family.dst, family.offLink, { oif: link.index, onlink: true }),
      route(family.dst, undefined, { oif: link.index }),
      route(family.dst, family.gateway),
      route(family.dst, undefined, { type: 'blackhole' }),
      route(family.dst, family.gateway2),
    ];
    for (const step of steps) {
      await fixture.ok({ op: 'route-replace', route: step });
      const [listed, ...more] = await fixture.routesTo(family.dst);
      assert.deepEqual(
        [String(listed?.gateway), listed?.protocol, listed?.type, listed?.multipath, more.length],
        [String(step.gateway), step.protocol, step.type ?? 'unicast', undefined, 0],
      );
    }
  });

  it('replace leaves routes with another metric alone', async () => {
    await fixture.addNetwork();
    await fixture.ok(
      { op: 'route-add', route: route(family.dst, family.gateway, { metric: 10 }) },
      { op: 'route-replace', route: route(family.dst, family.gateway2, { metric: 20 }) },
      { op: 'route-replace', route: route(family.dst, family.gateway, { metric: 20 }) },
    );
    assert.deepEqual(
      (await fixture.routesTo(family.dst)).map((one) => one.metric),
      [10, 20],
    );
  });
}

function deleteCases(it: It, fixture: NetlinkFixture, family: Family): void {
  it('deleting what is gone is success', async () => {
    await fixture.addNetwork();
    await fixture.ok(
      { op: 'route-delete', route: route(family.dst, family.gateway) },
      { op: 'route-delete', route: route(family.dst, undefined, { oif: 4711 }) },
      { op: 'route-delete', route: route(family.dst, undefined, { table: 4711 }) },
    );
  });

  it('a delete that does not match in protocol, gateway, metric or device leaves the route alone', async () => {
    await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway, { metric: 10 }) });
    for (const wrong of [
      route(family.dst, family.gateway, { protocol: PROTOCOL + 1 }),
      route(family.dst, family.gateway2),
      route(family.dst, family.gateway, { metric: 11 }),
      route(family.dst, family.gateway, { oif: 1 }),
      route(family.dst, family.gateway, { table: 1000 }),
    ]) {
      await fixture.ok({ op: 'route-delete', route: wrong });
      assert.equal((await fixture.routesTo(family.dst)).length, 1);
    }
    await fixture.ok({ op: 'route-delete', route: route(family.dst, family.gateway) });
    assert.deepEqual(await fixture.routesTo(family.dst), []);
  });

  it('a delete of another type leaves the route alone, either way', async () => {
    await fixture.addNetwork();
    const viaGateway = route(family.dst, family.gateway, { type: 'unicast' });
    const blackhole = route(family.dst, undefined, { type: 'blackhole' });
    for (const [there, wrong] of [
      [viaGateway, blackhole],
      [blackhole, viaGateway],
    ] as const) {
      await fixture.ok({ op: 'route-replace', route: there }, { op: 'route-delete', route: wrong });
      assert.equal((await fixture.routesTo(family.dst))[0]?.type, there.type);
    }
    await fixture.ok({ op: 'route-delete', route: blackhole });
    assert.deepEqual(await fixture.routesTo(family.dst), []);
  });

  it('a route as it was listed can be deleted', async () => {
    const link = await fixture.addNetwork();
    for (const spec of [
      route(family.dst, family.gateway, { mtuBytes: 1400, metric: 7 }),
      route(family.dst, family.offLink, { oif: link.index, onlink: true }),
      route(family.dst, undefined, { oif: link.index }),
      route(family.dst, undefined, { type: 'unreachable' }),
    ]) {
      await fixture.ok({ op: 'route-add', route: spec });
      const [listed] = await fixture.routesTo(family.dst);
      assert.ok(listed);
      await fixture.ok({ op: 'route-delete', route: listed });
      assert.deepEqual(await fixture.routesTo(family.dst), []);
    }
  });

  it('of several metrics only the asked one goes, without one the lowest', async () => {
    await fixture.addNetwork();
    for (const metric of [10, 20, 30]) {
      await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway, { metric }) });
    }
    const metrics = async (): Promise<number[]> => (await fixture.routesTo(family.dst)).map((one) => one.metric);
    await fixture.ok({ op: 'route-delete', route: route(family.dst, family.gateway, { metric: 20 }) });
    assert.deepEqual(await metrics(), [10, 30]);
    await fixture.ok({ op: 'route-delete', route: route(family.dst) });
    assert.deepEqual(await metrics(), [30]);
  });
}

function linkCases(it: It, fixture: NetlinkFixture, family: Family): void {
  it('a link going down or away takes its routes along', async () => {
    const link = await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway) });
    await fixture.ok({ op: 'link-change', ifindex: link.index, change: { up: false } });
    assert.deepEqual(await fixture.netlink.listRoutes({ family: family.family, oif: link.index }), []);
    await fixture.ok({ op: 'link-change', ifindex: link.index, change: { up: true } });
    if (family.family === 6) await fixture.addAddress(link.index, '2001:db8::1/64');
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway) });
    await fixture.ok({ op: 'link-delete', ifindex: link.index });
    assert.deepEqual(await fixture.routesTo(family.dst), []);
  });

  it('a route out of a link without carrier is marked dead', async () => {
    await fixture.addNetwork();
    await fixture.ok({ op: 'route-add', route: route(family.dst, family.gateway) });
    const far = await fixture.link('net1');
    await fixture.ok({ op: 'link-change', ifindex: far.index, change: { up: false } });
    const isDead = async (): Promise<boolean | undefined> => (await fixture.routesTo(family.dst))[0]?.dead;
    await fixture.eventually('route is dead', async () => (await isDead()) === true);
    await fixture.ok({ op: 'link-change', ifindex: far.index, change: { up: true } });
    await fixture.eventually('route is alive', async () => (await isDead()) === false);
  });
}
