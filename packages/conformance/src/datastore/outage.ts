import assert from 'node:assert/strict';
import { isTartanError } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { attrsOf, eventually, place, rejectsWith, type DatastoreFixture } from './fixture';

export function outageSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  describe('outage', () => {
    it('is an error, never an empty answer, and passes', async () => {
      const { datastore, subject } = fixture;
      await subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await datastore.list(fixture.signal());
      assert.equal(datastore.status().reachable, true);
      await subject.breakOff();
      await rejectsWith(datastore.list(fixture.signal()), 'DATASTORE_UNAVAILABLE');
      const down = datastore.status();
      assert.equal(down.reachable, false);
      assert.ok(down.lastError);
      assert.equal(typeof down.since, 'number');
      await rejectsWith(datastore.getConfig(fixture.signal()), 'DATASTORE_UNAVAILABLE');
      await subject.restore();
      await eventually(
        () =>
          datastore.list(fixture.signal()).then(
            ({ records }) => records.length === 1,
            () => false,
          ),
        'the leases are back',
      );
      assert.equal(datastore.status().reachable, true);
    });

    it('ends a watch, which resumes afterwards where it was', async () => {
      const { datastore, subject } = fixture;
      const log = fixture.watch((await datastore.list(fixture.signal())).revision);
      await log.standing();
      await subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await log.until(({ events }) => events.length === 1, 'the first lease');
      await subject.breakOff();
      assert.ok(isTartanError(await log.failure(), 'DATASTORE_UNAVAILABLE'));
      await subject.restore();
      await eventually(
        () =>
          datastore.list(fixture.signal()).then(
            () => true,
            () => false,
          ),
        'the datastore is back',
      );
      const resumed = fixture.watch(log.responses.at(-1)?.revision ?? 0n);
      await resumed.standing();
      await subject.putLease(place('10.5.2.0/24'), attrsOf(2));
      await resumed.until(({ events }) => events.length > 0, 'the second lease');
      assert.equal(resumed.events.length, 1);
    });

    it('is what a closed datastore reports', async () => {
      const other = await fixture.connect();
      await other.list(fixture.signal());
      await other.close();
      await other.close();
      await rejectsWith(other.list(fixture.signal()), 'DATASTORE_UNAVAILABLE');
      await fixture.datastore.list(fixture.signal());
    });
  });
}
