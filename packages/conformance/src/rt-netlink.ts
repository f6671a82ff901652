import type { SuiteRunner } from './runner';
import { addressSuite } from './rt-netlink/addresses';
import { batchSuite } from './rt-netlink/batches';
import { eventSuite } from './rt-netlink/events';
import { featureSuite } from './rt-netlink/features';
import { NetlinkFixture, type RtNetlinkSubject } from './rt-netlink/fixture';
import { linkSuite } from './rt-netlink/links';
import { lookupSuite } from './rt-netlink/lookups';
import { neighbourSuite } from './rt-netlink/neighbours';
import { routeSuite } from './rt-netlink/routes';
import { sysctlSuite } from './rt-netlink/sysctls';

export type { RtNetlinkCapabilities, RtNetlinkSubject } from './rt-netlink/fixture';

/**
 * What every RtNetlink must do. `open` gives a namespace in which only lo exists; it is called before each test, and what it
 * gave is closed after. The fake kernel and the real one pass the same suite, which is what makes the fake worth believing.
 */
export function rtNetlinkSuite(runner: SuiteRunner, open: () => Promise<RtNetlinkSubject>): void {
  runSuites(runner, open, [
    linkSuite,
    featureSuite,
    addressSuite,
    routeSuite,
    lookupSuite,
    neighbourSuite,
    batchSuite,
    eventSuite,
    sysctlSuite,
  ]);
}

/** The part of it on features of links, for another way to them. */
export function linkFeatureSuite(runner: SuiteRunner, open: () => Promise<RtNetlinkSubject>): void {
  runSuites(runner, open, [featureSuite]);
}

type Suite = (runner: SuiteRunner, fixture: NetlinkFixture) => void;

function runSuites(runner: SuiteRunner, open: () => Promise<RtNetlinkSubject>, suites: readonly Suite[]): void {
  const fixture = new NetlinkFixture();
  runner.describe('RtNetlink', () => {
    runner.beforeEach(async () => fixture.open(await open()));
    runner.afterEach(() => fixture.close());
    for (const suite of suites) suite(runner, fixture);
  });
}
