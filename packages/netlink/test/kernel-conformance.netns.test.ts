import { linkFeatureSuite, rtNetlinkSuite, type RtNetlinkSubject } from '@tartan/conformance';
import { createRtNetlink, type RtNetlinkOptions } from '@tartan/netlink';
import { createNamespace } from './support/namespaces';

const runner = { describe, it, beforeEach, afterEach };

async function openNamespace(options: RtNetlinkOptions): Promise<RtNetlinkSubject> {
  const namespace = await createNamespace();
  return {
    capabilities: { extendedAck: true, ipv6: true },
    open: () => createRtNetlink({ netns: namespace.pid, transport: 'native', ...options }),
    close: () => namespace.close(),
  };
}

describe('kernel, native transport', () => {
  rtNetlinkSuite(runner, () => openNamespace({}));
});

// As on kernels before 5.8.
describe('kernel, features by ioctl', () => {
  linkFeatureSuite(runner, () => openNamespace({ featureInterface: 'ioctl' }));
});
