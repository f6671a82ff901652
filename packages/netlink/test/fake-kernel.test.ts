import { parseIpAddress, parseIpPrefix, type KernelEvent } from '@tartan/core';
import { FakeKernel } from '@tartan/netlink/testing';

function kernelWithLink(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', addresses: ['192.168.0.1/24', 'fd01::1/64'] });
  kernel.clearRecord();
  return kernel;
}

describe('FakeKernel for tests', () => {
  test('shows its state as text', () => {
    const kernel = kernelWithLink();
    kernel.addRoute('10.5.1.0/24 via 192.168.0.2 proto 70 metric 5');
    kernel.addRoute('blackhole fd05::/64 proto static');
    kernel.addNeighbour('eth0', '192.168.0.9', '02:00:00:00:00:09');
    expect(kernel.snapshot()).toEqual({
      links: ['eth0 up mtu 1500'],
      addresses: ['192.168.0.1/24 dev eth0', 'fd01::1/64 dev eth0'],
      routes: ['10.5.1.0/24 via 192.168.0.2 dev eth0 proto 70 metric 5', 'blackhole fd05::/64 proto 4'],
      neighbours: ['192.168.0.9 dev eth0 lladdr 02:00:00:00:00:09 permanent'],
      fdb: [],
    });
  });

  test('re-created link has another index and has lost its routes', () => {
    const kernel = kernelWithLink();
    const before = kernel.link('eth0').index;
    kernel.addRoute('10.5.1.0/24 via 192.168.0.2');
    kernel.addRoute('fd05:1::/64 via fd01::2');
    expect(kernel.recreateLink('eth0').index).toBeGreaterThan(before);
    expect(kernel.snapshot().routes).toEqual([]);
    expect(kernel.snapshot().addresses).toEqual(['192.168.0.1/24 dev eth0', 'fd01::1/64 dev eth0']);
  });

  test('fails the next requests of a name, as often as asked', async () => {
    const kernel = kernelWithLink();
    kernel.failNext('list-routes', 'EBUSY', { times: 2 });
    await expect(kernel.listRoutes()).rejects.toMatchObject({ code: 'KERNEL_REFUSED', data: { errnoName: 'EBUSY' } });
    await expect(kernel.listRoutes()).rejects.toMatchObject({ code: 'KERNEL_REFUSED' });
    await expect(kernel.listRoutes()).resolves.toHaveLength(2);
    expect(kernel.count('list-routes')).toBe(3);
  });

  test('fails chosen ops and leaves the others alone', async () => {
    const kernel = kernelWithLink();
    const bad = parseIpPrefix('10.5.2.0/24');
    const stop = kernel.failWhen((request) => request.op === 'route-add' && request.route.dst.equals(bad), 'ENOMEM', {
      extendedAck: 'no room',
    });
    const add = (dst: string) =>
      ({
        op: 'route-add',
        route: { dst: parseIpPrefix(dst), protocol: 70, gateway: parseIpAddress('192.168.0.2') },
      }) as const;
    const results = await kernel.apply([add('10.5.1.0/24'), add('10.5.2.0/24'), add('10.5.3.0/24')]);
    expect(results.map((result) => result.ok)).toEqual([true, false, true]);
    expect(results[1]).toMatchObject({ error: { data: { errnoName: 'ENOMEM', extendedAck: 'no room' } } });
    stop();
    expect((await kernel.apply([add('10.5.2.0/24')]))[0]).toEqual({ ok: true });
    expect(kernel.appliedOps()).toHaveLength(4);
  });

  test('lost events become one resync', async () => {
    const kernel = kernelWithLink();
    const events: KernelEvent[] = [];
    kernel.subscribe(['route'], (event) => events.push(event));
    kernel.holdEvents();
    kernel.addRoute('10.5.1.0/24 via 192.168.0.2');
    kernel.loseEvents();
    kernel.addRoute('10.5.2.0/24 via 192.168.0.2');
    kernel.releaseEvents();
    await kernel.settled();
    expect(events.map((event) => event.type)).toEqual(['resync', 'route']);
  });

  test('IPv4 routes vanish with their link without a notification, IPv6 routes do not', async () => {
    const kernel = kernelWithLink();
    kernel.addRoute('10.5.1.0/24 via 192.168.0.2');
    kernel.addRoute('fd05:1::/64 via fd01::2');
    await kernel.settled();
    const gone: string[] = [];
    kernel.subscribe(['route', 'link'], (event) => {
      gone.push(event.type === 'route' ? `${event.action} ${event.route.dst.toString()}` : event.type);
    });
    kernel.setLinkDown('eth0');
    await kernel.settled();
    expect(kernel.snapshot().routes).toEqual([]);
    expect(gone).toEqual(['link', 'del fd01::1/128', 'del fd01::/64', 'del fd05:1::/64']);
  });

  test('calls can be held, and closing rejects them', async () => {
    const kernel = kernelWithLink();
    const handle = kernel.open();
    kernel.holdCalls();
    const call = handle.listLinks();
    handle.close();
    kernel.releaseCalls();
    await expect(call).rejects.toMatchObject({ code: 'KERNEL_SOCKET', data: { errnoName: 'ECANCELED' } });
    await expect(kernel.listLinks()).resolves.toHaveLength(2);
  });

  test('a pulled cable marks routes as dead', () => {
    const kernel = kernelWithLink();
    kernel.addRoute('10.5.1.0/24 via 192.168.0.2');
    kernel.setCarrier('eth0', false);
    expect(kernel.routesTo('10.5.1.0/24')).toMatchObject([{ dead: true }]);
    kernel.setCarrier('eth0', true);
    expect(kernel.routesTo('10.5.1.0/24')).toMatchObject([{ dead: false }]);
  });
});
