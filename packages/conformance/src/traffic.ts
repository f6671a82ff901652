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

const parts = {
  masquerading: masqueradeSuite,
  forwarding: forwardingSuite,
  upkeep: upkeepSuite,
  company: companySuite,
} as const;

export type TrafficSuitePart = keyof typeof parts;

/**
 * What every TrafficManager must do, judged by packets: who is masqueraded, who is not, and who gets through. `open` gives a node without
 * any packet filter rules, in the world that `PLACES` describes, for each test; what it gave is closed afterwards. `only` limits it to what a
 * variant can decide otherwise.
 */
export function trafficSuite(
  runner: SuiteRunner,
  open: () => Promise<TrafficSubject>,
  only: readonly TrafficSuitePart[] = ['masquerading', 'forwarding', 'upkeep', 'company'],
): void {
  const fixture = new TrafficFixture();
  runner.describe('TrafficManager', () => {
    runner.beforeEach(async () => fixture.open(await open()));
    runner.afterEach(() => fixture.close());
    for (const part of only) parts[part](runner, fixture);
  });
}
