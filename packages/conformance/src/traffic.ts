import type { SuiteRunner } from './runner';
import { forwardingSuite } from './traffic/forwarding';
import { masqueradeSuite } from './traffic/masquerading';
import { companySuite } from './traffic/other-daemons';
import { upkeepSuite } from './traffic/upkeep';
import { TrafficFixture, type TrafficSubject } from './traffic/fixture';

export {
  desiredTraffic,
  PLACES,
  trafficPolicy,
  type Place,
  type PlaceAddresses,
  type PolicyChange,
  type TrafficFlow,
  type TrafficSubject,
} from './traffic/fixture';

/**
 * What every TrafficManager must do, judged by packets: who is masqueraded, who is not, and who gets through. `open` gives a node without
 * any packet filter rules, in the world that `PLACES` describes, for each test; what it gave is closed afterwards.
 */
export function trafficSuite(runner: SuiteRunner, open: () => Promise<TrafficSubject>): void {
  run(runner, open, [masqueradeSuite, forwardingSuite, upkeepSuite, companySuite]);
}

/** The part of it that another iptables on the host can decide otherwise. */
export function trafficForwardingSuite(runner: SuiteRunner, open: () => Promise<TrafficSubject>): void {
  run(runner, open, [forwardingSuite]);
}

type Part = (runner: SuiteRunner, fixture: TrafficFixture) => void;

function run(runner: SuiteRunner, open: () => Promise<TrafficSubject>, parts: readonly Part[]): void {
  const fixture = new TrafficFixture();
  runner.describe('TrafficManager', () => {
    runner.beforeEach(async () => fixture.open(await open()));
    runner.afterEach(() => fixture.close());
    for (const part of parts) part(runner, fixture);
  });
}
