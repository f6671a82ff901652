import assert from 'node:assert/strict';
import { Ipv4Address, parseIpAddress, type IpAddress } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { route, type NetlinkFixture } from './fixture';

export function lookupSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('route lookups', () => {
    it('tell on-link from behind a gateway, and nothing from blackhole', async () => {
      const link = await fixture.addNetwork();
      await fixture.ok(
        { op: 'route-add', route: route('10.5.1.0/24', '192.0.2.2') },
        { op: 'route-add', route: route('10.5.2.0/24', undefined, { type: 'blackhole' }) },
      );
      const [direct, routed, dropped, unknown] = await fixture.netlink.lookupRoutes(
        ['192.0.2.9', '10.5.1.9', '10.5.2.9', '203.0.113.1'].map(parseIpAddress),
      );
      assert.deepEqual([direct?.gateway, direct?.oif, String(direct?.prefSrc)], [undefined, link.index, '192.0.2.1']);
      assert.equal(direct?.dst.toString(), '192.0.2.9/32');
      assert.deepEqual([String(routed?.gateway), routed?.oif, routed?.table], ['192.0.2.2', link.index, 254]);
      assert.deepEqual([dropped, unknown], [undefined, undefined]);
    });

    it('know our own addresses', async () => {
      await fixture.addNetwork();
      const [own] = await fixture.netlink.lookupRoutes([parseIpAddress('192.0.2.1')]);
      assert.equal(own?.type, 'local');
    });

    it('work in IPv6', async () => {
      if (!fixture.capabilities.ipv6) return;
      const link = await fixture.addNetwork();
      await fixture.ok({ op: 'route-add', route: route('2001:db8:5::/48', '2001:db8::2') });
      const [direct, routed, unknown] = await fixture.netlink.lookupRoutes(
        ['2001:db8::9', '2001:db8:5::9', '2001:db9::1'].map(parseIpAddress),
      );
      assert.deepEqual([direct?.gateway, direct?.oif], [undefined, link.index]);
      assert.deepEqual([String(routed?.gateway), routed?.oif], ['2001:db8::2', link.index]);
      assert.equal(unknown, undefined);
    });

    it('of thousands of addresses of both families come back in order', async () => {
      await fixture.addNetwork();
      const addresses: IpAddress[] = [];
      const first = Ipv4Address.parse('10.5.0.0');
      for (let number = 0; number < 3_000; number++) addresses.push(first.add(number));
      await fixture.ok({ op: 'route-add', route: route('10.5.4.0/22', '192.0.2.2') });
      const routes = await fixture.netlink.lookupRoutes(addresses);
      assert.equal(routes.length, addresses.length);
      routes.forEach((found, number) => {
        assert.equal(found?.dst.toString(), number >> 10 === 1 ? `${String(addresses[number])}/32` : undefined);
      });
    });

    it('of nothing is nothing', async () => {
      assert.deepEqual(await fixture.netlink.lookupRoutes([]), []);
    });
  });
}
