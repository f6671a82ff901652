import { rtNetlinkSuite } from '@tartan/conformance';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace } from './support/namespaces';

describe('kernel, native transport', () => {
  rtNetlinkSuite({ describe, it, beforeEach, afterEach }, async () => {
    const namespace = await createNamespace();
    return {
      capabilities: { extendedAck: true, ipv6: true },
      open: () => createRtNetlink({ netns: namespace.pid, transport: 'native' }),
      close: () => namespace.close(),
    };
  });
});
