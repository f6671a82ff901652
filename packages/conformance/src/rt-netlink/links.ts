import assert from 'node:assert/strict';
import { MacAddress, parseIpAddress, type VxlanData } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import type { NetlinkFixture } from './fixture';

const MAC = MacAddress.parse('02:00:00:00:be:ef');

export function linkSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('links', () => {
    it('lo is there, up and recognised', async () => {
      const lo = await fixture.link('lo');
      assert.equal(lo.index, 1);
      assert.equal(lo.loopback, true);
      assert.equal(lo.up, true);
      assert.equal(lo.mac, undefined);
    });

    it('a veth pair is created with both ends and what was asked for', async () => {
      const near = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1', mtuBytes: 1400, mac: MAC });
      const far = await fixture.link('a1');
      assert.equal(near.kind, 'veth');
      assert.equal(near.mtuBytes, 1400);
      assert.ok(near.mac?.equals(MAC));
      assert.equal(near.addrGenMode, 1);
      assert.deepEqual([near.lowerIndex, far.lowerIndex], [far.index, near.index]);
      assert.deepEqual([near.up, near.carrier, near.broadcast, near.loopback], [false, false, true, false]);
    });

    it('both ends of a veth must be up for carrier', async () => {
      const near = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1' });
      const far = await fixture.link('a1');
      await fixture.ok({ op: 'link-change', ifindex: near.index, change: { up: true } });
      assert.equal((await fixture.link('a1')).carrier, false);
      await fixture.ok({ op: 'link-change', ifindex: far.index, change: { up: true } });
      assert.deepEqual([(await fixture.link('a0')).carrier, (await fixture.link('a1')).carrier], [true, true]);
    });

    it('a taken name is refused with EEXIST and the link that has it stays as it is', async () => {
      const before = await fixture.addLink({ name: 'br0', kind: 'bridge', mac: MAC });
      const refusal = await fixture.refused({
        op: 'link-create',
        link: { name: 'br0', kind: 'bridge', addrGenMode: 0, up: true, mtuBytes: 1300 },
      });
      assert.equal(refusal.errnoName, 'EEXIST');
      assert.deepEqual(await fixture.link('br0'), before);
    });

    it('MTU, MAC address, name and up are changed, alone or together', async () => {
      const link = await fixture.addLink({ name: 'br0', kind: 'bridge' });
      await fixture.ok({ op: 'link-change', ifindex: link.index, change: { mtuBytes: 1300 } });
      assert.equal((await fixture.link('br0')).mtuBytes, 1300);
      await fixture.ok({ op: 'link-change', ifindex: link.index, change: { name: 'br1', mac: MAC, up: true } });
      const changed = await fixture.link('br1');
      assert.deepEqual([changed.index, changed.up, changed.mtuBytes], [link.index, true, 1300]);
      assert.ok(changed.mac?.equals(MAC));
      assert.equal(await fixture.findLink('br0'), undefined);
      await fixture.ok({ op: 'link-change', ifindex: link.index, change: { up: false } });
      assert.equal((await fixture.link('br1')).up, false);
    });

    it('a port joins a bridge and leaves it', async () => {
      const bridge = await fixture.addLink({ name: 'br0', kind: 'bridge' });
      const port = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1', masterIndex: bridge.index });
      assert.equal(port.masterIndex, bridge.index);
      await fixture.ok({ op: 'link-change', ifindex: port.index, change: { masterIndex: 0 } });
      assert.equal((await fixture.link('a0')).masterIndex, undefined);
    });

    it('an impossible MTU is refused with the kernel’s reason', async () => {
      const link = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1' });
      const refusal = await fixture.refused({ op: 'link-change', ifindex: link.index, change: { mtuBytes: 100_000 } });
      assert.equal(refusal.errnoName, 'EINVAL');
      if (fixture.capabilities.extendedAck) assert.equal(refusal.extendedAck, 'mtu greater than device maximum');
      assert.equal((await fixture.link('a0')).mtuBytes, 1500);
    });

    it('a change of a link that does not exist is refused with ENODEV', async () => {
      const refusal = await fixture.refused({ op: 'link-change', ifindex: 4711, change: { up: true } });
      assert.equal(refusal.errnoName, 'ENODEV');
    });

    it('deleting takes the veth peer along; deleting again is success; the name comes back under another index', async () => {
      const first = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1' });
      await fixture.ok({ op: 'link-delete', ifindex: first.index }, { op: 'link-delete', ifindex: first.index });
      assert.equal(await fixture.findLink('a0'), undefined);
      assert.equal(await fixture.findLink('a1'), undefined);
      const second = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1' });
      assert.notEqual(second.index, first.index);
    });

    it('addrGenMode none keeps link-local addresses away, eui64 makes one from the MAC address', async () => {
      if (!fixture.capabilities.ipv6) return;
      const quiet = await fixture.addLink({ name: 'br0', kind: 'bridge', up: true, addrGenMode: 1 });
      const usual = await fixture.addLink({ name: 'br1', kind: 'bridge', up: true, addrGenMode: 0, mac: MAC });
      await fixture.addLink({ name: 'p0', kind: 'veth', peerName: 'p1', masterIndex: usual.index, up: true });
      await fixture.ok({ op: 'link-change', ifindex: (await fixture.link('p1')).index, change: { up: true } });
      assert.deepEqual(await fixture.netlink.listAddresses({ family: 6, ifindex: quiet.index }), []);
      assert.equal((await fixture.link('br0')).addrGenMode, 1);
      assert.equal((await fixture.link('br1')).addrGenMode, 0);
    });
  });

  describe('vxlan links', () => {
    const data: VxlanData = { vni: 77, port: 8472, learning: false, gbp: false, l2miss: false, l3miss: false };

    it('every parameter comes back as it was given', async () => {
      const lower = await fixture.addNetwork();
      const wanted: VxlanData = { ...data, lowerIndex: lower.index, local: parseIpAddress('192.0.2.1') };
      const link = await fixture.addLink({ name: 'vx77', kind: 'vxlan', mac: MAC, up: true, vxlan: wanted });
      assert.equal(link.kind, 'vxlan');
      assert.deepEqual(link.vxlan, wanted);
      assert.equal(link.mtuBytes, 1450);
      assert.deepEqual([link.up, link.carrier], [true, true]);
    });

    it('learning, gbp, port and VNI are told apart; an IPv6 local address works', async () => {
      if (!fixture.capabilities.ipv6) return;
      const local = parseIpAddress('2001:db8::1');
      const wanted: VxlanData = { ...data, vni: 0xabcdef, port: 4789, learning: true, gbp: true, local };
      const link = await fixture.addLink({ name: 'vx1', kind: 'vxlan', vxlan: wanted });
      assert.deepEqual(link.vxlan, wanted);
    });

    it('the MTU cannot exceed what the lower device leaves, which depends on the underlay’s family', async () => {
      const lower = await fixture.addNetwork();
      const first = await fixture.addLink({
        name: 'vx4',
        kind: 'vxlan',
        mtuBytes: 1480,
        vxlan: { ...data, lowerIndex: lower.index, local: parseIpAddress('192.0.2.1') },
      });
      assert.equal(first.mtuBytes, 1450);
      if (!fixture.capabilities.ipv6) return;
      const second = await fixture.addLink({
        name: 'vx6',
        kind: 'vxlan',
        mtuBytes: 1450,
        vxlan: { ...data, vni: 78, lowerIndex: lower.index, local: parseIpAddress('2001:db8::1') },
      });
      assert.equal(second.mtuBytes, 1430);
    });

    it('a second device with the same VNI and port is refused with EEXIST', async () => {
      await fixture.addLink({ name: 'vx0', kind: 'vxlan', vxlan: data });
      const refusal = await fixture.refused({ op: 'link-create', link: { name: 'vx1', kind: 'vxlan', vxlan: data } });
      assert.equal(refusal.errnoName, 'EEXIST');
    });

    it('one device per address family may have the same VNI and port', async () => {
      if (!fixture.capabilities.ipv6) return;
      await fixture.addLink({ name: 'vx4', kind: 'vxlan', vxlan: { ...data, local: parseIpAddress('192.0.2.1') } });
      await fixture.addLink({ name: 'vx6', kind: 'vxlan', vxlan: { ...data, local: parseIpAddress('2001:db8::1') } });
    });

    it('learning, local address, lower device and MTU are changed together, on a device that lives on', async () => {
      const lower = await fixture.addNetwork();
      const vxlan = { ...data, lowerIndex: lower.index, local: parseIpAddress('192.0.2.1') };
      const link = await fixture.addLink({ name: 'vx0', kind: 'vxlan', up: true, mtuBytes: 1300, vxlan });
      const next = await fixture.addLink({ name: 'br9', kind: 'bridge', mtuBytes: 1400 });
      const wanted = { learning: true, local: parseIpAddress('192.0.2.9'), lowerIndex: next.index };
      await fixture.ok({ op: 'link-change', ifindex: link.index, change: { mtuBytes: 1350, vxlan: wanted } });
      const changed = await fixture.link('vx0');
      assert.deepEqual(changed.vxlan, { ...vxlan, ...wanted });
      assert.deepEqual([changed.index, changed.mtuBytes, changed.up], [link.index, 1350, true]);
    });

    it('the family of the local address is fixed at birth', async () => {
      const vxlan = { ...data, local: parseIpAddress('192.0.2.1') };
      const link = await fixture.addLink({ name: 'vx0', kind: 'vxlan', vxlan });
      const change = { vxlan: { local: parseIpAddress('2001:db8::1') } };
      const refusal = await fixture.refused({ op: 'link-change', ifindex: link.index, change });
      assert.equal(refusal.errnoName, 'EOPNOTSUPP');
    });

    it('goes away with its lower device', async () => {
      const lower = await fixture.addNetwork();
      await fixture.addLink({ name: 'vx0', kind: 'vxlan', vxlan: { ...data, lowerIndex: lower.index } });
      await fixture.ok({ op: 'link-delete', ifindex: lower.index });
      assert.equal(await fixture.findLink('vx0'), undefined);
    });
  });
}
