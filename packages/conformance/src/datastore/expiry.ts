import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, rejectsWith, show, TTL, type DatastoreFixture } from './fixture';

const SHORT_TTL = 2;

export function expirySuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const pass = async (seconds: number): Promise<void> => {
    const { subject } = fixture;
    assert.ok(subject.pass, 'a subject with expiry can let time pass');
    await subject.pass(seconds);
  };

  describe('expiry', () => {
    it('removes what is not renewed, tells watchers, and frees the place', async () => {
      const { datastore } = fixture;
      await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const short = await datastore.create(place('10.5.2.0/24'), attrsOf(2), SHORT_TTL, fixture.signal());
      const log = fixture.watch((await datastore.list(fixture.signal())).revision);
      await log.standing();
      await pass(SHORT_TTL);
      await log.until(({ events }) => events.length > 0, 'the lease runs out');
      assert.deepEqual(log.events.map(show), ['delete 10.5.2.0-24']);
      const { records } = await datastore.list(fixture.signal());
      assert.deepEqual(
        records.map(({ key }) => key),
        ['10.5.1.0-24'],
      );
      await rejectsWith(datastore.renew(short, TTL, fixture.signal()), 'DATASTORE_LEASE_GONE');
      await rejectsWith(datastore.update(short, attrsOf(2), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      await datastore.create(place('10.5.2.0/24'), attrsOf(3), TTL, fixture.signal());
    });

    it('spares what was renewed or updated for longer', async () => {
      const { datastore } = fixture;
      const renewed = await datastore.create(place('10.5.1.0/24'), attrsOf(1), SHORT_TTL, fixture.signal());
      const updated = await datastore.create(place('10.5.2.0/24'), attrsOf(2), SHORT_TTL, fixture.signal());
      const moved = await datastore.create(place('10.5.3.0/24'), attrsOf(3), SHORT_TTL, fixture.signal());
      const { revision } = await datastore.list(fixture.signal());
      await datastore.create(place('10.5.5.0/24'), attrsOf(5), SHORT_TTL, fixture.signal());
      await datastore.renew(renewed, TTL, fixture.signal());
      await datastore.update(updated, attrsOf(2), TTL, fixture.signal());
      await datastore.move(moved, place('10.5.4.0/24'), attrsOf(3), TTL, fixture.signal());
      await pass(SHORT_TTL);
      await fixture
        .watch(revision)
        .until(
          ({ events }) => events.some((event) => show(event) === 'delete 10.5.5.0-24'),
          'the one left alone runs out',
        );
      const { records } = await datastore.list(fixture.signal());
      assert.deepEqual(records.map(({ key }) => key).sort(), ['10.5.1.0-24', '10.5.2.0-24', '10.5.4.0-24']);
    });
  });
}
