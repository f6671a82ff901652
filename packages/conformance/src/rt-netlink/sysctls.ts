import assert from 'node:assert/strict';
import { isTartanError } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import type { NetlinkFixture } from './fixture';

export function sysctlSuite({ describe, it }: SuiteRunner, fixture: NetlinkFixture): void {
  describe('sysctls', () => {
    it('are read trimmed and written', async () => {
      await fixture.netlink.writeSysctl('net/ipv4/conf/lo/rp_filter', '2');
      assert.equal(await fixture.netlink.readSysctl('net/ipv4/conf/lo/rp_filter'), '2');
      await fixture.netlink.writeSysctl('net/ipv4/conf/lo/rp_filter', '0');
      assert.equal(await fixture.netlink.readSysctl('net/ipv4/conf/lo/rp_filter'), '0');
    });

    it('exist for a link as long as it does', async () => {
      const link = await fixture.addLink({ name: 'br0.1', kind: 'bridge' });
      await fixture.netlink.writeSysctl('net/ipv4/conf/br0.1/send_redirects', '0');
      assert.equal(await fixture.netlink.readSysctl('net/ipv4/conf/br0.1/send_redirects'), '0');
      await fixture.ok({ op: 'link-delete', ifindex: link.index });
      assert.equal(await fixture.netlink.readSysctl('net/ipv4/conf/br0.1/send_redirects'), undefined);
    });

    it('what does not exist reads as undefined and cannot be written', async () => {
      assert.equal(await fixture.netlink.readSysctl('net/ipv4/no_such_thing'), undefined);
      await assert.rejects(
        fixture.netlink.writeSysctl('net/ipv4/no_such_thing', '1'),
        (error) => isTartanError(error, 'KERNEL_REFUSED') && error.data.errnoName === 'ENOENT',
      );
    });

    it('a path that leaves /proc/sys is refused before anything is opened', async () => {
      for (const path of ['../version', 'net/../../version', '/etc/hostname', '', 'net//ipv4', 'net/./ipv4', 'a\0b']) {
        const refused = (error: unknown): boolean =>
          isTartanError(error, 'KERNEL_REFUSED') && error.data.errnoName === 'EINVAL';
        await assert.rejects(fixture.netlink.readSysctl(path), refused);
        await assert.rejects(fixture.netlink.writeSysctl(path, '1'), refused);
      }
    });
  });
}
