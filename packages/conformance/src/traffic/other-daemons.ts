import { parseIpPrefix } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { desiredTraffic, type TrafficFixture } from './fixture';

/** The second daemon's overlay; none of the places is in it. */
const OTHER = desiredTraffic({
  ipv4: { network: parseIpPrefix('10.77.0.0/16'), subnet: parseIpPrefix('10.77.5.0/24') },
  ipv6: { network: parseIpPrefix('fc00:77::/48'), subnet: parseIpPrefix('fc00:77:0:5::/64') },
});

/** Several daemons with different networks share one node. */
export function companySuite({ describe, it }: SuiteRunner, fixture: TrafficFixture): void {
  describe('beside another daemon', () => {
    it('keeps its rules while the other comes, changes and goes', async () => {
      await fixture.subject.blockForwarding('policy');
      const ours = await fixture.start();
      const other = await fixture.start({}, OTHER);
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      other.manager.setRules({ ...OTHER, ipv6: null });
      await other.manager.whenSynced();
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      await other.stop();
      await ours.stop();
      const last = await fixture.start({ masquerade: false, forward: false }, OTHER);
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      await last.stop();
    });

    it('comes and goes without harm to the other', async () => {
      await fixture.subject.blockForwarding('policy');
      await fixture.start();
      const abroad = await fixture.start({ excluded: ['10.42.0.0/16', 'fc00:42::/48'] }, OTHER);
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
      await fixture.sees({ from: 'outside', to: 'pod' }, 'outside');
      await abroad.stop();
      const gone = await fixture.start({ masquerade: false, forward: false }, OTHER);
      await gone.stop();
      await fixture.sees({ from: 'pod', to: 'outside' }, 'node');
    });
  });
}
