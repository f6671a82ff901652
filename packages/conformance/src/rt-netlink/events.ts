import assert from 'node:assert/strict';
import { MacAddress, NEIGHBOUR_STATE, parseIpAddress, type KernelEvent } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { interfaceAddress, route, type NetlinkFixture } from './fixture';

type EventOf<Type extends KernelEvent['type']> = Extract<KernelEvent, { type: Type }>;

export function eventSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('events', () => {
    it('routes: made, replaced and deleted by somebody else, in order', async () => {
      await fixture.addNetwork();
      const watch = await fixture.watch(['route']);
      await fixture.ok(
        { op: 'route-add', route: route('10.5.1.0/24', '192.0.2.2') },
        { op: 'route-replace', route: route('10.5.1.0/24', '192.0.2.3') },
        { op: 'route-delete', route: route('10.5.1.0/24', '192.0.2.3') },
      );
      await watch.until('route deleted', isRoute('del', '10.5.1.0/24'));
      const seen = watch.events.filter(
        (event) => event.type === 'route' && event.route.dst.toString() === '10.5.1.0/24',
      );
      assert.deepEqual(
        (seen as EventOf<'route'>[]).map((event) => [event.action, String(event.route.gateway)]),
        [
          ['new', '192.0.2.2'],
          ['new', '192.0.2.3'],
          ['del', '192.0.2.3'],
        ],
      );
    });

    it('routes: IPv6 as well', async () => {
      if (!fixture.capabilities.ipv6) return;
      await fixture.addNetwork();
      const watch = await fixture.watch(['route']);
      await fixture.ok({ op: 'route-add', route: route('2001:db8:5::/48', '2001:db8::2') });
      const event = await watch.until('route made', isRoute('new', '2001:db8:5::/48'));
      assert.deepEqual([String(event.route.gateway), event.route.metric], ['2001:db8::2', 1024]);
    });

    it('links: made, down and gone, without a false deletion when a port leaves its bridge', async () => {
      const bridge = await fixture.addLink({ name: 'br0', kind: 'bridge', up: true });
      const watch = await fixture.watch(['link']);
      const port = await fixture.addLink({ name: 'a0', kind: 'veth', peerName: 'a1', masterIndex: bridge.index });
      await watch.until('port made', isLink('new', 'a0'));
      await fixture.ok(
        { op: 'link-change', ifindex: port.index, change: { masterIndex: 0 } },
        { op: 'link-change', ifindex: port.index, change: { mtuBytes: 1300 } },
      );
      await watch.until('MTU changed', isLink('new', 'a0', 1300));
      assert.ok(!watch.events.some(isLink('del', 'a0')));
      await fixture.ok({ op: 'link-delete', ifindex: port.index });
      const gone = await watch.until('port deleted', isLink('del', 'a0'));
      assert.equal(gone.link.index, port.index);
    });

    it('addresses: put and deleted', async () => {
      const link = await fixture.addNetwork();
      const watch = await fixture.watch(['address']);
      await fixture.addAddress(link.index, '10.5.74.0/32');
      const made = await watch.until('address put', isAddress('new', '10.5.74.0'));
      assert.deepEqual([made.address.ifindex, made.address.prefixLength], [link.index, 32]);
      const address = { ifindex: link.index, ...interfaceAddress('10.5.74.0/32') };
      await fixture.ok({ op: 'address-delete', address });
      await watch.until('address deleted', isAddress('del', '10.5.74.0'));
    });

    it('neighbours and forwarding entries are told apart', async () => {
      const lower = await fixture.addNetwork();
      const vxlan = { vni: 7, port: 8472, learning: false, gbp: false, lowerIndex: lower.index };
      const { index: ifindex } = await fixture.addLink({ name: 'vx0', kind: 'vxlan', up: true, vxlan });
      const watch = await fixture.watch(['neighbour']);
      const mac = MacAddress.parse('02:00:00:00:00:77');
      const address = parseIpAddress('192.0.2.77');
      await fixture.ok(
        { op: 'neighbour-replace', neighbour: { ifindex, address, mac } },
        { op: 'fdb-replace', fdb: { ifindex, mac, dst: address } },
        { op: 'fdb-delete', fdb: { ifindex, mac } },
        { op: 'neighbour-delete', neighbour: { ifindex, address } },
      );
      await watch.until(
        'neighbour deleted',
        (event): event is EventOf<'neighbour'> =>
          event.type === 'neighbour' && event.action === 'del' && event.neighbour.address.equals(address),
      );
      const about = watch.events.filter(
        (event) =>
          (event.type === 'fdb' && event.fdb.mac.equals(mac)) ||
          (event.type === 'neighbour' && event.neighbour.address.equals(address) && !hasJustFailed(event)),
      );
      assert.deepEqual(
        about.map((event) => (event.type === 'resync' ? '' : `${event.type} ${event.action}`)),
        ['neighbour new', 'fdb new', 'fdb del', 'neighbour del'],
      );
    });

    it('other groups stay silent, and a closed subscription too', async () => {
      const link = await fixture.addNetwork();
      const handle = fixture.another();
      const seen: KernelEvent[] = [];
      const subscription = handle.subscribe(['link'], (event) => seen.push(event));
      await subscription.ready;
      const witness = await fixture.watch(['route', 'link']);
      await fixture.ok({ op: 'route-add', route: route('10.5.1.0/24', '192.0.2.2') });
      await witness.until('route made', isRoute('new', '10.5.1.0/24'));
      subscription.close();
      subscription.close();
      await fixture.ok({ op: 'link-change', ifindex: link.index, change: { mtuBytes: 1300 } });
      await witness.until('MTU changed', isLink('new', 'net0', 1300));
      assert.deepEqual(seen, []);
    });

    it('ready is settled also when the subscription is closed first', async () => {
      const subscription = fixture.another().subscribe(['route'], () => undefined);
      subscription.close();
      await Promise.allSettled([subscription.ready]);
    });
  });
}

/** Before it deletes a neighbour the kernel says that it failed. */
function hasJustFailed(event: EventOf<'neighbour'>): boolean {
  return event.action === 'new' && event.neighbour.state === NEIGHBOUR_STATE.failed;
}

function isRoute(action: 'new' | 'del', dst: string): (event: KernelEvent) => event is EventOf<'route'> {
  return (event): event is EventOf<'route'> =>
    event.type === 'route' && event.action === action && event.route.dst.toString() === dst;
}

function isLink(
  action: 'new' | 'del',
  name: string,
  mtuBytes?: number,
): (event: KernelEvent) => event is EventOf<'link'> {
  return (event): event is EventOf<'link'> =>
    event.type === 'link' &&
    event.action === action &&
    event.link.name === name &&
    (mtuBytes === undefined || event.link.mtuBytes === mtuBytes);
}

function isAddress(action: 'new' | 'del', text: string): (event: KernelEvent) => event is EventOf<'address'> {
  return (event): event is EventOf<'address'> =>
    event.type === 'address' && event.action === action && event.address.address.toString() === text;
}
