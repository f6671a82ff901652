import type { SuiteRunner } from '../runner';
import type { TrafficFixture } from './fixture';

/** Who gets through a node that drops what it forwards. */
export function forwardingSuite({ describe, it }: SuiteRunner, fixture: TrafficFixture): void {
  for (const how of ['policy', 'last-rule'] as const) {
    describe(`forwarding against a DROP by ${how}`, () => {
      it('lets pods through, and nobody else', async () => {
        await fixture.subject.blockForwarding(how);
        await fixture.sees({ from: 'pod', to: 'outside' }, null);
        await fixture.start();
        await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
        await fixture.sees({ from: 'outside', to: 'pod' }, 'outside');
        await fixture.sees({ from: 'peerPod', to: 'pod' }, 'peerPod');
        await fixture.sees({ from: 'pod', to: 'peerPod' }, 'pod');
        await fixture.sees({ from: 'outside', to: 'stranger' }, null);
      });

      it('lets them through also when the DROP comes later', async () => {
        await fixture.start();
        await fixture.subject.blockForwarding(how);
        await fixture.comesToSee({ from: 'pod', to: 'outside' }, 'node');
        await fixture.comesToSee({ from: 'outside', to: 'pod' }, 'outside');
        await fixture.sees({ from: 'outside', to: 'stranger' }, null);
      });

      it('lets nobody through where forward rules are switched off', async () => {
        await fixture.subject.blockForwarding(how);
        await fixture.start({ forward: false });
        await fixture.sees({ from: 'pod', to: 'outside' }, null);
      });

      it('needs no masquerading', async () => {
        await fixture.subject.blockForwarding(how);
        await fixture.start({ masquerade: false });
        await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      });
    });
  }
}
