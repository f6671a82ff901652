import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, rejectsWith, TTL, type DatastoreFixture } from './fixture';

export function renewSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  describe('renew', () => {
    it('extends the time without a change that others see', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const before = await datastore.list(fixture.signal());
      const renewed = await datastore.renew(made, TTL, fixture.signal());
      const after = await datastore.list(fixture.signal());
      assert.equal(renewed.modRevision, made.modRevision);
      assert.equal(after.revision, before.revision);
      assert.ok((renewed.expiresAt ?? 0) >= (made.expiresAt ?? 0));
    });

    it('works on a listed record, as after a restart', async () => {
      await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const other = await fixture.connect();
      const [found] = (await other.list(fixture.signal())).records;
      assert.ok(found);
      const renewed = await other.renew(found, TTL, fixture.signal());
      if (other.capabilities.expiry) assert.equal(typeof renewed.expiresAt, 'number');
      await other.update(renewed, attrsOf(2), TTL, fixture.signal());
    });

    it('gives a longer time than the lease had', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const renewed = await datastore.renew(made, 2 * TTL, fixture.signal());
      if (datastore.capabilities.expiry) assert.ok((renewed.expiresAt ?? 0) > (made.expiresAt ?? 0) + (TTL * 1000) / 2);
      await datastore.update(renewed, attrsOf(2), TTL, fixture.signal());
    });

    it('refuses what a stranger changed or deleted', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(2));
      await rejectsWith(datastore.renew(made, TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      await fixture.subject.removeKey(made.key);
      await rejectsWith(datastore.renew(made, TTL, fixture.signal()), 'DATASTORE_CONFLICT');
    });

    it('gives a reservation no time to live', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), null, fixture.signal());
      const renewed = await datastore.renew(made, TTL, fixture.signal());
      assert.equal(renewed.reservation, true);
      assert.equal(renewed.expiresAt, null);
      const [found] = (await datastore.list(fixture.signal())).records;
      assert.equal(found?.reservation, true);
      assert.equal(found.modRevision, made.modRevision);
    });
  });
}
