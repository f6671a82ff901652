import assert from 'node:assert/strict';
import { ROUTE_SCOPE } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { interfaceAddress, type NetlinkFixture } from './fixture';

export function addressSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('addresses', () => {
    it('IPv4: what was put is listed, filters choose', async () => {
      const link = await fixture.addNetwork();
      const listed = await fixture.netlink.listAddresses({ family: 4, ifindex: link.index });
      assert.equal(listed.length, 1);
      const [entry] = listed;
      assert.equal(`${String(entry?.address)}/${entry?.prefixLength}`, '192.0.2.1/24');
      assert.equal(entry?.scope, ROUTE_SCOPE.universe);
      assert.deepEqual([entry.permanent, entry.tentative, entry.deprecated], [true, false, false]);
      const loopback = await fixture.netlink.listAddresses({ ifindex: 1 });
      assert.ok(loopback.every((one) => one.address.isLoopback));
      assert.ok(loopback.some((one) => one.scope === ROUTE_SCOPE.host));
    });

    it('IPv6: an address put with noDad is usable at once', async () => {
      if (!fixture.capabilities.ipv6) return;
      const link = await fixture.addNetwork();
      const [entry] = await fixture.netlink.listAddresses({ family: 6, ifindex: link.index });
      assert.equal(`${String(entry?.address)}/${entry?.prefixLength}`, '2001:db8::1/64');
      assert.deepEqual([entry?.tentative, entry?.dadFailed, entry?.temporary], [false, false, false]);
    });

    it('putting it again changes nothing', async () => {
      const link = await fixture.addNetwork();
      const before = await fixture.netlink.listAddresses({ ifindex: link.index });
      await fixture.addAddress(link.index, '192.0.2.1/24');
      if (fixture.capabilities.ipv6) await fixture.addAddress(link.index, '2001:db8::1/64');
      assert.deepEqual(await fixture.netlink.listAddresses({ ifindex: link.index }), before);
    });

    it('a /32 makes no connected route, a longer subnet does', async () => {
      const link = await fixture.addNetwork();
      await fixture.addAddress(link.index, '10.5.74.0/32');
      assert.equal((await fixture.routesTo('10.5.74.0/32')).length, 0);
      const [connected] = await fixture.routesTo('192.0.2.0/24');
      assert.deepEqual(
        [connected?.oif, connected?.scope, connected?.protocol, String(connected?.prefSrc), connected?.type],
        [link.index, ROUTE_SCOPE.link, 2, '192.0.2.1', 'unicast'],
      );
    });

    it('deleting takes the connected route along; deleting again, or on a device that is gone, is success', async () => {
      const link = await fixture.addNetwork();
      const address = { ifindex: link.index, ...interfaceAddress('192.0.2.1/24') };
      await fixture.ok({ op: 'address-delete', address }, { op: 'address-delete', address });
      assert.deepEqual(await fixture.netlink.listAddresses({ family: 4, ifindex: link.index }), []);
      assert.deepEqual(await fixture.routesTo('192.0.2.0/24'), []);
      await fixture.ok({ op: 'address-delete', address: { ...address, ifindex: 4711 } });
    });

    it('an address for a device that does not exist is refused with ENODEV', async () => {
      const address = { ifindex: 4711, ...interfaceAddress('192.0.2.9/24') };
      assert.equal((await fixture.refused({ op: 'address-replace', address })).errnoName, 'ENODEV');
    });
  });
}
