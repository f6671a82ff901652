import { rtNetlinkSuite } from '@tartan/conformance';
import { FakeKernel } from '@tartan/netlink/testing';

describe('fake kernel', () => {
  rtNetlinkSuite({ describe, it, beforeEach, afterEach }, async () => {
    const kernel = new FakeKernel();
    return { capabilities: { extendedAck: true, ipv6: true }, open: () => kernel.open(), close: () => {} };
  });
});
