import { parseIpPrefix, type KernelEvent } from '@tartan/core';
import { createRtNetlink, type TransportChoice } from '@tartan/netlink';
import { inOwnNamespace, itPassesInOwnNamespace } from './support/own-namespace';

/* Without any capability everything can be read and nothing changed, and every refusal is a clean error. */
const withoutCapabilities = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];

if (inOwnNamespace()) {
  describe.each<TransportChoice>(['native', 'library'])('unprivileged, %s transport', (transport) => {
    const route = { dst: parseIpPrefix('10.5.1.0/24'), protocol: 99, oif: 1 };

    test('changes are refused with EPERM, op by op', async () => {
      const netlink = createRtNetlink({ transport });
      const results = await netlink.apply([
        { op: 'route-add', route },
        { op: 'link-create', link: { name: 'br0', kind: 'bridge', addrGenMode: 1 } },
        { op: 'link-features', ifindex: 1, features: { 'tx-nocache-copy': true } },
        { op: 'route-delete', route },
      ]);
      for (const result of results) {
        expect(result).toMatchObject({ ok: false, error: { code: 'KERNEL_REFUSED', data: { errnoName: 'EPERM' } } });
      }
      netlink.close();
    });

    test('lists, lookups and subscriptions work', async () => {
      const netlink = createRtNetlink({ transport });
      const events: KernelEvent[] = [];
      await netlink.subscribe(['route', 'link'], (event) => events.push(event)).ready;
      expect(await netlink.listLinks()).toMatchObject([{ name: 'lo' }]);
      expect((await netlink.listLinkFeatures(1)).get('rx-gro')).toMatchObject({ active: true });
      expect(await netlink.lookupRoutes([route.dst.address])).toEqual([undefined]);
      netlink.close();
    });

    test('a sysctl that may not be written is a clean error, and can still be read', async () => {
      const netlink = createRtNetlink({ transport });
      // Nobody may write it, so that nothing happens should the test be wrong.
      const path = 'kernel/osrelease';
      const before = await netlink.readSysctl(path);
      await expect(netlink.writeSysctl(path, 'x')).rejects.toMatchObject({
        code: 'KERNEL_REFUSED',
        data: { operation: 'write sysctl kernel/osrelease', errnoName: 'EACCES' },
      });
      expect(await netlink.readSysctl(path)).toBe(before);
      netlink.close();
    });
  });

  test('another namespace is refused with EPERM', async () => {
    const netlink = createRtNetlink({ transport: 'native', netns: process.pid });
    await expect(netlink.listLinks()).rejects.toMatchObject({ code: 'KERNEL_SOCKET', data: { errnoName: 'EPERM' } });
    netlink.close();
  });
} else {
  describe('unprivileged', () => itPassesInOwnNamespace(__filename, withoutCapabilities));
}
