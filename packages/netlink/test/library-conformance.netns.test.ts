import { rtNetlinkSuite } from '@tartan/conformance';
import { createRtNetlink } from '@tartan/netlink';
import { inOwnNamespace, itPassesInOwnNamespace } from './support/own-namespace';

/*
 * The npm library opens sockets only where its process is, so this file starts jest once more inside of a namespace that is
 * its own, and empties that namespace after each test.
 */
if (inOwnNamespace()) {
  describe('kernel, library transport', () => {
    rtNetlinkSuite({ describe, it, beforeEach, afterEach }, async () => ({
      capabilities: { extendedAck: false, ipv6: true },
      open: () => createRtNetlink({ transport: 'library' }),
      close: emptyNamespace,
    }));
  });
} else {
  describe('kernel, library transport', () => itPassesInOwnNamespace(__filename));
}

/** Devices take addresses, neighbours and most routes along. */
async function emptyNamespace(): Promise<void> {
  const netlink = createRtNetlink({ transport: 'library' });
  for (const link of await netlink.listLinks()) {
    if (!link.loopback) await netlink.apply([{ op: 'link-delete', ifindex: link.index }]);
  }
  for (const route of await netlink.listRoutes()) {
    await netlink.apply([
      { op: 'route-delete', route: { dst: route.dst, protocol: route.protocol, type: route.type } },
    ]);
  }
  netlink.close();
}
