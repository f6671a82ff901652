import assert from 'node:assert/strict';
import { parseIpPrefix } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { desiredTraffic, PLACES, state, type TrafficFixture } from './fixture';

/** Rules stay as stated, and nothing is without rules meanwhile. */
export function upkeepSuite({ describe, it }: SuiteRunner, fixture: TrafficFixture): void {
  describe('upkeep', () => {
    it('is there again after somebody has deleted every rule', async () => {
      await fixture.start();
      await fixture.subject.flushRules();
      await fixture.comesToSee({ from: 'pod', to: 'outside' }, 'node');
    });

    it('leaves no moment without masquerading while rules change', async () => {
      const { manager } = await fixture.start({ masqueradeNodeTraffic: false });
      let changing = true;
      const changes = (async () => {
        for (let round = 0; round < 8; round++) {
          await state(manager, desiredTraffic({ nodes: round % 2 === 0 ? ['peer', 'third'] : [] }));
        }
        changing = false;
      })();
      const seen = new Set<string | null>();
      do seen.add(await fixture.subject.send({ from: 'pod', to: 'outside', family: 4 }));
      while (changing);
      await changes;
      assert.deepEqual([...seen], [PLACES.node[4]]);
    });

    it('leaves no moment without masquerading over a restart', async () => {
      const first = await fixture.start();
      await first.stop();
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      let starting = true;
      const second = fixture.start().finally(() => (starting = false));
      const seen = new Set<string | null>();
      do seen.add(await fixture.subject.send({ from: 'pod', to: 'outside', family: 4 }));
      while (starting);
      await second;
      assert.deepEqual([...seen], [PLACES.node[4]]);
    });

    it('follows another subnet', async () => {
      const { manager } = await fixture.start();
      const network = parseIpPrefix('10.42.0.0/16');
      await state(manager, desiredTraffic({ ipv4: { network, subnet: parseIpPrefix('10.42.2.0/24') } }));
      // Now the peer's pods count as our own, and ours as somebody else's.
      assert.equal(await fixture.subject.send({ from: 'outside', to: 'peerPod', family: 4 }), PLACES.outside[4]);
      assert.equal(await fixture.subject.send({ from: 'outside', to: 'pod', family: 4 }), '10.42.1.1');
    });

    it('removes the rules of the network before, of this life and of the last', async () => {
      const { manager, stop } = await fixture.start();
      await stop();
      const ipv4 = { network: parseIpPrefix('10.99.0.0/16'), subnet: parseIpPrefix('10.99.1.0/24') };
      const other = desiredTraffic({ ipv4, ipv6: null });
      const previous = [parseIpPrefix('10.42.0.0/16'), parseIpPrefix('fc00:42::/48')];
      const second = await fixture.start({}, other, previous);
      await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      await state(second.manager, desiredTraffic());
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      await state(second.manager, other);
      await fixture.sees({ from: 'pod', to: 'outside' }, 'pod');
      assert.equal(manager.status().synced, true);
    });
  });
}
