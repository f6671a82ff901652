import { MacAddress, parseIpPrefix, type KernelEvent, type KernelEventGroup } from '@tartan/core';
import { RTM } from '../src/codec/constants';
import type { MessageWriter } from '../src/codec/message-writer';
import { encodeFdbReplace } from '../src/codec/neighbour-codec';
import { encodeRoute } from '../src/codec/route-requests';
import { scripted, type Scripted } from './support/scripted-transport';

function writeRoute(writer: MessageWriter, dst: string): void {
  encodeRoute(writer, { dst: parseIpPrefix(dst), protocol: 70, oif: 3 }, 'add', 0);
}

function subscribed(groups: readonly KernelEventGroup[] = ['route']): Scripted & { events: KernelEvent[] } {
  const kernel = scripted();
  const events: KernelEvent[] = [];
  kernel.netlink.subscribe(groups, (event) => events.push(event));
  return { ...kernel, events };
}

const types = (events: readonly KernelEvent[]): string[] => events.map((event) => event.type);

describe('a subscription', () => {
  test('joins the groups it needs and keeps the process alive', () => {
    const { transport } = subscribed(['link', 'address', 'route', 'neighbour']);
    expect(transport.sockets[0]).toMatchObject({ groups: [1, 5, 9, 7, 11, 3], referenced: true });
  });

  test('delivers in order and leaves out what is no event', () => {
    const { transport, events } = subscribed();
    transport.sockets[0]?.reply((writer) => {
      writeRoute(writer, '10.5.1.0/24');
      writer.startMessage(RTM.newLink, 0, 0);
      // AF_BRIDGE: port information, not a link.
      for (const word of [7, 3, 0, 0]) writer.u32(word);
      writer.endMessage();
      writeRoute(writer, '10.5.2.0/24');
    });
    expect(events.map((event) => event.type === 'route' && event.route.dst.toString())).toEqual([
      '10.5.1.0/24',
      '10.5.2.0/24',
    ]);
  });

  test('a port that leaves its bridge is not a deleted link', () => {
    const { transport, events } = subscribed(['link']);
    transport.sockets[0]?.reply((writer) => {
      writer.startMessage(RTM.delLink, 0, 0);
      for (const word of [7, 3, 0, 0]) writer.u32(word);
      writer.attributeText(3, 'veth0');
      writer.attributeU32(4, 1500);
      writer.endMessage();
    });
    expect(events).toEqual([]);
  });

  test('forwarding entries come as such', () => {
    const { transport, events } = subscribed(['neighbour']);
    const mac = MacAddress.parse('02:00:00:00:00:01');
    const dst = parseIpPrefix('192.0.2.7/32').address;
    transport.sockets[0]?.reply((writer) => encodeFdbReplace(writer, { ifindex: 4, mac, dst }, 0));
    expect(types(events)).toEqual(['fdb']);
  });

  test('says resync after an overrun and goes on with the same socket', () => {
    const { transport, events } = subscribed();
    transport.sockets[0]?.overrun();
    transport.sockets[0]?.reply((writer) => writeRoute(writer, '10.5.1.0/24'));
    expect(types(events)).toEqual(['resync', 'route']);
    expect(transport.sockets).toHaveLength(1);
  });

  test('that breaks is opened again by itself, with one line per trouble, and says resync', async () => {
    const { transport, events, clock, logger } = subscribed();
    transport.openFailures.push('EMFILE', 'EMFILE', 'EMFILE');
    transport.sockets[0]?.fail('EBADF');
    await clock.advance(10_000);
    expect(transport.sockets.map((socket) => socket.closed)).toEqual([true, false]);
    transport.sockets[1]?.reply((writer) => writeRoute(writer, '10.5.1.0/24'));
    expect(types(events)).toEqual(['resync', 'route']);
    expect(logger.lines.map((line) => [line.level, line.message])).toEqual([
      ['warn', 'netlink subscription is broken, opening it again'],
      ['info', 'netlink subscription is back'],
    ]);
  });

  test('that cannot be opened at first is ready once it can', async () => {
    const kernel = scripted();
    kernel.transport.openFailures.push('EMFILE');
    const events: KernelEvent[] = [];
    const subscription = kernel.netlink.subscribe(['route'], (event) => events.push(event));
    let ready = false;
    void subscription.ready.then(() => (ready = true));
    await kernel.clock.advance(0);
    expect(ready).toBe(false);
    await kernel.clock.advance(1_000);
    expect(ready).toBe(true);
    expect(types(events)).toEqual(['resync']);
  });

  test('a listener that throws is told of and loses no events', () => {
    const kernel = scripted();
    const seen: string[] = [];
    kernel.netlink.subscribe(['route'], (event) => {
      seen.push(event.type);
      throw new Error('listener is broken');
    });
    kernel.transport.sockets[0]?.reply((writer) => {
      writeRoute(writer, '10.5.1.0/24');
      writeRoute(writer, '10.5.2.0/24');
    });
    expect(seen).toEqual(['route', 'route']);
    expect(kernel.logger.matching('listener threw')).toHaveLength(2);
  });

  test('that is closed is silent, even within a datagram, and stops trying', async () => {
    const kernel = scripted();
    const seen: string[] = [];
    const subscription = kernel.netlink.subscribe(['route'], (event) => {
      seen.push(event.type);
      subscription.close();
    });
    kernel.transport.sockets[0]?.reply((writer) => {
      writeRoute(writer, '10.5.1.0/24');
      writeRoute(writer, '10.5.2.0/24');
    });
    expect(seen).toEqual(['route']);
    expect(kernel.transport.openSockets).toBe(0);
    const second = kernel.netlink.subscribe(['route'], () => {});
    kernel.transport.sockets[1]?.fail('EIO');
    second.close();
    await kernel.clock.advance(60_000);
    expect(kernel.transport.sockets).toHaveLength(2);
    expect(kernel.clock.timers).toBe(0);
  });

  test('is closed with its netlink', () => {
    const { transport, netlink } = subscribed();
    netlink.close();
    expect(transport.openSockets).toBe(0);
    expect(() => netlink.subscribe(['route'], () => {})).toThrow('EBADF');
  });
});
