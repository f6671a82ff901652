import assert from 'node:assert/strict';
import { MacAddress, NEIGHBOUR_FLAG, NEIGHBOUR_STATE, parseIpAddress, type FdbEntry, type Link } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import type { NetlinkFixture } from './fixture';

const mac = MacAddress.parse('02:00:00:00:00:77');
const mac2 = MacAddress.parse('02:00:00:00:00:78');

export function neighbourSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('neighbours', () => {
    for (const text of ['192.0.2.77', '2001:db8::77']) {
      const address = parseIpAddress(text);
      const wanted = (): boolean => address.family === 4 || fixture.capabilities.ipv6;

      it(`IPv${address.family}: replace creates a permanent one and then changes it`, async () => {
        if (!wanted()) return;
        const { index: ifindex } = await fixture.addNetwork();
        for (const lladdr of [mac, mac2, mac2]) {
          await fixture.ok({ op: 'neighbour-replace', neighbour: { ifindex, address, mac: lladdr } });
          const list = await fixture.netlink.listNeighbours({ family: address.family, ifindex });
          const found = list.filter((one) => one.address.equals(address));
          assert.equal(found.length, 1);
          assert.ok(found[0]?.mac?.equals(lladdr));
          assert.equal(found[0]?.state, NEIGHBOUR_STATE.permanent);
        }
      });

      it(`IPv${address.family}: delete takes one of one link; again, or without the link, is success`, async () => {
        if (!wanted()) return;
        const { index: ifindex } = await fixture.addNetwork();
        const other = await fixture.addLink({ name: 'br0', kind: 'bridge', up: true });
        await fixture.ok(
          { op: 'neighbour-replace', neighbour: { ifindex, address, mac } },
          { op: 'neighbour-replace', neighbour: { ifindex: other.index, address, mac } },
          { op: 'neighbour-delete', neighbour: { ifindex, address } },
          { op: 'neighbour-delete', neighbour: { ifindex, address } },
          { op: 'neighbour-delete', neighbour: { ifindex: 4711, address } },
        );
        const left = (await fixture.netlink.listNeighbours()).filter((one) => one.mac?.equals(mac));
        assert.deepEqual(
          left.map((one) => one.ifindex),
          [other.index],
        );
      });

      it(`IPv${address.family}: a link going down takes permanent ones along`, async () => {
        if (!wanted()) return;
        const { index: ifindex } = await fixture.addNetwork();
        await fixture.ok(
          { op: 'neighbour-replace', neighbour: { ifindex, address, mac } },
          { op: 'link-change', ifindex, change: { up: false } },
        );
        assert.deepEqual(await fixture.netlink.listNeighbours({ ifindex }), []);
      });
    }

    for (const text of ['192.0.2.77', '2001:db8::77']) {
      const address = parseIpAddress(text);

      it(`IPv${address.family}: a probe makes the kernel ask`, async () => {
        if (address.family === 6 && !fixture.capabilities.ipv6) return;
        const { index: ifindex } = await fixture.addNetwork();
        const stateOf = async (): Promise<number | undefined> => {
          const list = await fixture.netlink.listNeighbours({ family: address.family, ifindex });
          return list.find((one) => one.address.equals(address))?.state;
        };
        await fixture.ok({ op: 'neighbour-probe', neighbour: { ifindex, address } });
        const asked = await stateOf();
        const { incomplete, reachable, failed } = NEIGHBOUR_STATE;
        assert.ok(asked !== undefined && (asked & (incomplete | reachable | failed)) !== 0, `state ${asked}`);
      });
    }

    it('a device that does not exist is refused with ENODEV', async () => {
      const neighbour = { ifindex: 4711, address: parseIpAddress('192.0.2.77'), mac };
      assert.equal((await fixture.refused({ op: 'neighbour-replace', neighbour })).errnoName, 'ENODEV');
    });
  });

  describe('forwarding database', () => {
    const vtep = parseIpAddress('192.0.2.7');
    const vtep2 = parseIpAddress('192.0.2.8');

    it('a MAC address has one VTEP; replace moves it', async () => {
      const { index: ifindex } = await addVxlan(fixture);
      for (const dst of [vtep, vtep2]) {
        await fixture.ok({ op: 'fdb-replace', fdb: { ifindex, mac, dst } });
        const [entry, ...more] = await entriesOf(fixture, ifindex);
        assert.ok(entry?.dst?.equals(dst));
        assert.equal(entry?.state, NEIGHBOUR_STATE.permanent);
        assert.equal(entry.flags & NEIGHBOUR_FLAG.self, NEIGHBOUR_FLAG.self);
        assert.equal(more.length, 0);
      }
    });

    it('takes an IPv6 VTEP', async () => {
      if (!fixture.capabilities.ipv6) return;
      const dst = parseIpAddress('2001:db8::7');
      const { index: ifindex } = await addVxlan(fixture, '2001:db8::1');
      await fixture.ok({ op: 'fdb-replace', fdb: { ifindex, mac, dst } });
      assert.ok((await entriesOf(fixture, ifindex))[0]?.dst?.equals(dst));
    });

    it('delete by MAC address, with or without the VTEP; again, or without the link, is success', async () => {
      const { index: ifindex } = await addVxlan(fixture);
      await fixture.ok(
        { op: 'fdb-replace', fdb: { ifindex, mac, dst: vtep } },
        { op: 'fdb-replace', fdb: { ifindex, mac: mac2, dst: vtep } },
        { op: 'fdb-delete', fdb: { ifindex, mac, dst: vtep2 } },
      );
      assert.equal((await entriesOf(fixture, ifindex)).length, 2);
      await fixture.ok(
        { op: 'fdb-delete', fdb: { ifindex, mac, dst: vtep } },
        { op: 'fdb-delete', fdb: { ifindex, mac: mac2 } },
        { op: 'fdb-delete', fdb: { ifindex, mac } },
        { op: 'fdb-delete', fdb: { ifindex: 4711, mac } },
      );
      assert.deepEqual(await entriesOf(fixture, ifindex), []);
    });

    it('permanent entries outlive the link going down, not its deletion', async () => {
      const { index: ifindex } = await addVxlan(fixture);
      await fixture.ok(
        { op: 'fdb-replace', fdb: { ifindex, mac, dst: vtep } },
        { op: 'link-change', ifindex, change: { up: false } },
      );
      assert.equal((await entriesOf(fixture, ifindex)).length, 1);
      await fixture.ok({ op: 'link-delete', ifindex });
      assert.deepEqual(await entriesOf(fixture, ifindex), []);
    });

    it('an entry for a device that does not exist is refused with ENODEV', async () => {
      const refusal = await fixture.refused({ op: 'fdb-replace', fdb: { ifindex: 4711, mac, dst: vtep } });
      assert.equal(refusal.errnoName, 'ENODEV');
    });
  });
}

async function addVxlan(fixture: NetlinkFixture, local = '192.0.2.1'): Promise<Link> {
  const lower = await fixture.addNetwork();
  const vxlan = {
    vni: 77,
    port: 8472,
    learning: false,
    gbp: false,
    lowerIndex: lower.index,
    local: parseIpAddress(local),
  };
  return fixture.addLink({ name: 'vx0', kind: 'vxlan', up: true, vxlan });
}

/** The kernel also lists multicast addresses that a device listens to, without a VTEP. */
async function entriesOf(fixture: NetlinkFixture, ifindex: number): Promise<FdbEntry[]> {
  return (await fixture.netlink.listFdb({ ifindex })).filter((entry) => entry.dst !== undefined);
}
