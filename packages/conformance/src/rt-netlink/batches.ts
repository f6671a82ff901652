import assert from 'node:assert/strict';
import { Ipv4Address, Ipv4Prefix, isTartanError, type KernelOp, type RouteSpec } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { PROTOCOL, route, type NetlinkFixture } from './fixture';

export function batchSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('batches', () => {
    it('nothing to do is done', async () => {
      assert.deepEqual(await fixture.netlink.apply([]), []);
    });

    it('each error belongs to its op, and a failing op does not stop the others', async () => {
      await fixture.addNetwork();
      const failing = new Set([0, 1, 500, 1_023, 1_024, 2_047, 2_999]);
      const ops = numbered(3_000, (number) =>
        failing.has(number) ? { gateway: Ipv4Address.parse('198.51.100.1') } : {},
      );
      const results = await fixture.netlink.apply(ops);
      assert.deepEqual(
        results.flatMap((result, number) => (result.ok ? [] : [number])),
        [...failing],
      );
      for (const result of results) {
        if (!result.ok) assert.ok(isTartanError(result.error, 'KERNEL_REFUSED'), result.error.message);
      }
      assert.equal((await fixture.netlink.listRoutes({ protocol: PROTOCOL })).length, 3_000 - failing.size);
    });

    it('ops are carried out in order', async () => {
      await fixture.addNetwork();
      const one = route('10.5.1.0/24', '192.0.2.2');
      const results = await fixture.netlink.apply([
        { op: 'route-add', route: one },
        { op: 'route-add', route: one },
        { op: 'route-delete', route: one },
        { op: 'route-add', route: one },
        { op: 'route-replace', route: route('10.5.1.0/24', '192.0.2.3') },
      ]);
      assert.deepEqual(
        results.map((result) => result.ok),
        [true, false, true, true, true],
      );
      assert.equal(String((await fixture.routesTo('10.5.1.0/24'))[0]?.gateway), '192.0.2.3');
    });

    it('a link made in a batch can be refused without harm to what follows', async () => {
      await fixture.addNetwork();
      const results = await fixture.netlink.apply([
        { op: 'link-create', link: { name: 'br0', kind: 'bridge', addrGenMode: 1, up: true } },
        { op: 'link-create', link: { name: 'br0', kind: 'bridge', addrGenMode: 1, up: true } },
        { op: 'route-add', route: route('10.5.1.0/24', '192.0.2.2') },
      ]);
      assert.deepEqual(
        results.map((result) => result.ok),
        [true, false, true],
      );
      const link = await fixture.link('br0');
      assert.deepEqual([link.up, link.addrGenMode], [true, 1]);
    });

    it('a thousand calls at the same time each get their own answer', async () => {
      await fixture.addNetwork();
      const ops = numbered(500);
      const applied = ops.map((op) => fixture.netlink.apply([op]));
      const lists = ops.map(async (_, number) =>
        number % 2 === 0 ? fixture.netlink.listAddresses({ family: 4 }) : fixture.netlink.listRoutes({ family: 4 }),
      );
      for (const results of await Promise.all(applied)) assert.deepEqual(results, [{ ok: true }]);
      assert.equal((await Promise.all(lists)).length, 500);
      assert.equal((await fixture.netlink.listRoutes({ protocol: PROTOCOL })).length, 500);
    });
  });

  describe('closing', () => {
    it('rejects calls under way and later ones, and may be repeated', async () => {
      const handle = fixture.another();
      const calls = [handle.listRoutes(), handle.listLinks(), handle.apply(numbered(10)), handle.lookupRoutes([])];
      handle.close();
      handle.close();
      for (const call of [...calls.slice(0, 3), handle.listLinks(), handle.apply([])]) {
        await assert.rejects(call, (error) => isTartanError(error, 'KERNEL_SOCKET'));
      }
      await Promise.allSettled(calls);
    });

    it('leaves other handles and the kernel’s state alone', async () => {
      await fixture.addNetwork();
      const handle = fixture.another();
      await handle.apply([{ op: 'route-add', route: route('10.5.1.0/24', '192.0.2.2') }]);
      handle.close();
      assert.equal((await fixture.routesTo('10.5.1.0/24')).length, 1);
    });
  });
}

/** Routes 10.64.0.0/24, 10.64.1.0/24, ... */
function numbered(count: number, extra: (number: number) => Partial<RouteSpec> = () => ({})): KernelOp[] {
  const first = Ipv4Address.parse('10.64.0.0');
  const gateway = Ipv4Address.parse('192.0.2.2');
  return Array.from({ length: count }, (_, number) => ({
    op: 'route-add' as const,
    route: { dst: Ipv4Prefix.of(first.add(number * 256), 24), protocol: PROTOCOL, gateway, ...extra(number) },
  }));
}
