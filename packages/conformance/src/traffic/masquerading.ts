import type { SuiteRunner } from '../runner';
import { desiredTraffic, type TrafficFixture } from './fixture';

/** Whose address a receiver sees. */
export function masqueradeSuite({ describe, it }: SuiteRunner, fixture: TrafficFixture): void {
  describe('masquerading', () => {
    it('hides pods from the outside and from the nodes', async () => {
      await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      await fixture.start();
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      await fixture.sees({ from: 'pod', to: 'peer' }, 'node');
    });

    it('hides no pod from another', async () => {
      await fixture.start();
      await fixture.sees({ from: 'pod', to: 'peerPod' }, 'pod');
      await fixture.sees({ from: 'peerPod', to: 'pod' }, 'peerPod');
    });

    it('hides no client outside from the pods of this node, but from those elsewhere', async () => {
      await fixture.start();
      await fixture.sees({ from: 'outside', to: 'pod' }, 'outside');
      await fixture.sees({ from: 'outside', to: 'peerPod' }, 'node');
      await fixture.sees({ from: 'node', to: 'peerPod' }, 'node');
    });

    it('brings answers to what others sent through this node back here', async () => {
      await fixture.start();
      await fixture.sees({ from: 'peerPod', to: 'thirdPod' }, 'node');
    });

    it('leaves what kube-proxy has marked to kube-proxy, whatever the other bits say', async () => {
      await fixture.start();
      await fixture.sees({ from: 'pod', to: 'outside', mark: 0x4000 }, 'pod');
      await fixture.sees({ from: 'pod', to: 'outside', mark: 0xc001 }, 'pod');
      await fixture.sees({ from: 'pod', to: 'outside', mark: 0x8001 }, 'node');
    });

    it('does nothing where it is switched off', async () => {
      await fixture.start({ masquerade: false });
      await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      await fixture.sees({ from: 'outside', to: 'peerPod' }, 'outside');
    });

    it('works with ports that are not random', async () => {
      await fixture.start({ fullyRandom: false });
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
    });

    it('excepts networks', async () => {
      await fixture.start({ excluded: ['192.168.50.4/31', 'fd50::4/127', '203.0.113.0/24', '2001:db8:ff::/64'] });
      await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      await fixture.sees({ from: 'pod', to: 'stranger' }, 'pod');
      await fixture.sees({ from: 'pod', to: 'peer' }, 'node');
    });

    it('excepts nodes, and follows their coming and going', async () => {
      const { manager } = await fixture.start(
        { masqueradeNodeTraffic: false },
        desiredTraffic({ nodes: ['node', 'peer'] }),
      );
      await fixture.sees({ from: 'pod', to: 'peer' }, 'pod');
      await fixture.sees({ from: 'pod', to: 'third' }, 'node');
      manager.setRules(desiredTraffic({ nodes: ['node', 'third'] }));
      await fixture.comesToSee({ from: 'pod', to: 'third' }, 'pod');
      await fixture.sees({ from: 'pod', to: 'peer' }, 'node');
    });
  });
}
