import { backendSuite, openFakeHost } from '@tartan/conformance';
import { FakePacketHost } from './support/fake-packet-loop';
import { fakeModule } from './support/nodes';

const runner = { describe, it, beforeEach, afterEach };

for (const options of [{}, { Port: 4789, MTU: 1400, Keepalive: 25, Queues: 2 }]) {
  let host = new FakePacketHost();
  const { module } = fakeModule(host, {
    loadLoop:
      ({ netlink }) =>
      (loopOptions) =>
        host.create(loopOptions, netlink),
  });
  backendSuite(runner, {
    module,
    options,
    openHost: async () => {
      host = new FakePacketHost();
      return openFakeHost();
    },
  });
}
