import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, plain, rejectsWith, show, TTL, type DatastoreFixture } from './fixture';

export function moveSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const list = async (): Promise<string[]> =>
    (await fixture.datastore.list(fixture.signal())).records.map(({ key }) => key).sort();

  describe('move', () => {
    it('holds the new place and not the old one', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const moved = await datastore.move(made, place('10.5.2.0/24'), attrsOf(2), TTL, fixture.signal());
      assert.equal(moved.key, '10.5.2.0-24');
      assert.ok(moved.createRevision > made.createRevision);
      assert.deepEqual(await list(), ['10.5.2.0-24']);
      const again = await datastore.update(moved, attrsOf(3), TTL, fixture.signal());
      assert.deepEqual(plain(again.attrs), plain(attrsOf(3)));
    });

    it('adds an IPv6 subnet beside the same IPv4 one, and takes it away', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const dual = await datastore.move(made, place('10.5.1.0/24', 'fc00::/64'), attrsOf(1), TTL, fixture.signal());
      assert.deepEqual(await list(), ['10.5.1.0-24&fc00::-64']);
      await datastore.move(dual, place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      assert.deepEqual(await list(), ['10.5.1.0-24']);
    });

    it('is an update when the place stays', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const moved = await datastore.move(made, place('10.5.1.0/24'), attrsOf(2), TTL, fixture.signal());
      assert.equal(moved.createRevision, made.createRevision);
      assert.deepEqual(plain(moved.attrs), plain(attrsOf(2)));
    });

    it('shows the watchers both changes at once', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const log = fixture.watch((await datastore.list(fixture.signal())).revision);
      await log.standing();
      await datastore.move(made, place('10.5.2.0/24'), attrsOf(1), TTL, fixture.signal());
      await log.until(({ events }) => events.length >= 2, 'both events');
      const full = log.responses.filter(({ events }) => events.length > 0);
      assert.equal(full.length, 1);
      assert.deepEqual(log.events.map(show).sort(), ['delete 10.5.1.0-24', 'put 10.5.2.0-24']);
    });

    it('refuses a taken place and keeps the old one', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await datastore.create(place('10.5.2.0/24', 'fc00::/64'), attrsOf(2), TTL, fixture.signal());
      await rejectsWith(
        datastore.move(made, place('10.5.2.0/24'), attrsOf(1), TTL, fixture.signal()),
        'DATASTORE_CONFLICT',
      );
      assert.deepEqual(await list(), ['10.5.1.0-24', '10.5.2.0-24&fc00::-64']);
    });

    it('refuses a record that was changed or is gone', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const changed = await datastore.update(made, attrsOf(2), TTL, fixture.signal());
      const move = (): Promise<unknown> =>
        datastore.move(made, place('10.5.2.0/24'), attrsOf(1), TTL, fixture.signal());
      await rejectsWith(move(), 'DATASTORE_CONFLICT');
      await datastore.delete(changed, fixture.signal());
      await rejectsWith(move(), 'DATASTORE_CONFLICT');
      assert.deepEqual(await list(), []);
    });

    it('leaves a reservation a reservation', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), null, fixture.signal());
      const moved = await datastore.move(made, place('10.5.2.0/24'), attrsOf(1), TTL, fixture.signal());
      assert.equal(moved.reservation, true);
    });
  });
}
