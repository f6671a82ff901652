import type { KernelOp } from '@tartan/core';
import type { FakeKernel } from '@tartan/netlink/testing';
import type { SuiteRunner } from '../runner';
import type { BackendFixture } from './fixture';
import { RunningBackend } from './running';

const operations: readonly KernelOp['op'][] = [
  'link-create',
  'link-change',
  'address-replace',
  'neighbour-replace',
  'fdb-replace',
  'route-add',
  'route-replace',
  'route-delete',
];

/** Whatever the kernel refuses for a while, the end is the same. Runs where the host's kernel can fail on demand. */
export function failureSuite({ describe, it }: SuiteRunner, fixture: BackendFixture): void {
  const mode = fixture.modes.at(-1);
  if (mode === undefined) return;
  const converges = (name: string, disturb: (kernel: FakeKernel) => void): void => {
    it(name, () =>
      RunningBackend.with(fixture, mode, async (running) => {
        const { kernel } = fixture.host;
        if (!kernel) return;
        const peers = await fixture.peers(4, mode);
        await running.converge(peers.slice(0, 2));
        disturb(kernel);
        await running.converge(peers.slice(1));
        kernel.clearFailures();
      }),
    );
  };

  describe('after failures', () => {
    for (const op of operations) {
      converges(`of ${op}, once, it converges`, (kernel) => kernel.failNext(op, 'ENOMEM'));
      converges(`of ${op}, several times, it converges`, (kernel) => kernel.failNext(op, 'EBUSY', { times: 4 }));
    }
    converges('of reading, it converges', (kernel) => {
      kernel.failNext('list-routes', 'ENOBUFS', { socket: true, times: 3 });
      kernel.failNext('list-links', 'ENOBUFS', { socket: true, times: 3 });
      kernel.failNext('lookup-routes', 'ENOBUFS', { socket: true, times: 2 });
    });
    converges('of whole batches, it converges', (kernel) =>
      kernel.failNext('apply', 'ECONNRESET', { socket: true, times: 2 }),
    );
    converges('of notifications, it converges', (kernel) => kernel.loseEvents());
  });
}
