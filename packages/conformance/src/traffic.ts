import type { SuiteRunner } from './runner';
import { forwardingSuite } from './traffic/forwarding';
import { masqueradeSuite } from './traffic/masquerading';
import { companySuite } from './traffic/other-daemons';
import { upkeepSuite } from './traffic/upkeep';
import { TrafficFixture, type TrafficSubject } from './traffic/fixture';

export { PLACES, type Place, type TrafficFlow, type TrafficSubject } from './traffic/fixture';

/**
 * What every TrafficManager must do, judged by packets: who is masqueraded, who is not, and who gets through. `open` gives a node without
 * any packet filter rules, in the world that `PLACES` describes, for each test; what it gave is closed afterwards.
 */
export function trafficSuite(runner: SuiteRunner, open: () => Promise<TrafficSubject>): void {
  const fixture = new TrafficFixture();
  runner.describe('TrafficManager', () => {
    runner.beforeEach(async () => fixture.open(await open()));
    runner.afterEach(() => fixture.close());
    for (const suite of [masqueradeSuite, forwardingSuite, upkeepSuite, companySuite]) suite(runner, fixture);
  });
}
