import type { SuiteRunner } from './runner';
import { assignedSuite } from './datastore/assigned';
import { configSuite } from './datastore/config';
import { expirySuite } from './datastore/expiry';
import { DatastoreFixture, type DatastoreSubject } from './datastore/fixture';
import { listSuite } from './datastore/listing';
import { moveSuite } from './datastore/moves';
import { outageSuite } from './datastore/outage';
import { raceSuite } from './datastore/races';
import { renewSuite } from './datastore/renewal';
import { watchSuite } from './datastore/watching';
import { writeSuite } from './datastore/writes';

export type { DatastoreSubject } from './datastore/fixture';
export type { SuiteRunner } from './runner';

export interface DatastoreSuiteFeatures {
  /** What the datastores under test say of themselves; checked against what `open` gives. */
  readonly allocation: boolean;
  readonly expiry: boolean;
}

/**
 * What every Datastore must do. `open` gives a world of its own, empty, for each test; what it gave is closed afterwards. The
 * in-memory fake, etcd and files pass the same suite.
 */
export function datastoreSuite(
  runner: SuiteRunner,
  features: DatastoreSuiteFeatures,
  open: () => Promise<DatastoreSubject>,
): void {
  const fixture = new DatastoreFixture();
  const always = [configSuite, listSuite, watchSuite, outageSuite];
  const allocating = [writeSuite, moveSuite, renewSuite, raceSuite];
  const suites = [
    ...always,
    ...(features.allocation ? allocating : [assignedSuite]),
    ...(features.expiry ? [expirySuite] : []),
  ];
  runner.describe('Datastore', () => {
    runner.beforeEach(async () => fixture.open(await open(), features));
    runner.afterEach(() => fixture.close());
    for (const suite of suites) suite(runner, fixture);
  });
}
