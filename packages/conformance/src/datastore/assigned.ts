import assert from 'node:assert/strict';
import type { LeaseRecord } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, plain, rejectsWith, TTL, type DatastoreFixture } from './fixture';

/** Where an administrator assigns subnets, a node may only confirm what is written. */
export function assignedSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const own = async (): Promise<LeaseRecord> => {
    await fixture.subject.putLease(place('10.5.1.0/24', 'fc00::/64'), attrsOf(1));
    const [record] = (await fixture.datastore.list(fixture.signal())).records;
    assert.ok(record);
    return record;
  };

  describe('assigned leases', () => {
    it('are reservations', async () => {
      const record = await own();
      assert.equal(record.reservation, true);
      assert.equal(record.expiresAt, null);
      assert.equal(record.attrs.owner?.node, 'node-1');
    });

    it('are confirmed by an update to what is written, and by renewing', async () => {
      const record = await own();
      const same = await fixture.datastore.update(record, attrsOf(1), TTL, fixture.signal());
      assert.deepEqual(plain(same.attrs), plain(record.attrs));
      assert.equal(same.modRevision, record.modRevision);
      const renewed = await fixture.datastore.renew(record, TTL, fixture.signal());
      assert.equal(renewed.reservation, true);
    });

    it('are not changed, moved, made or deleted by a node', async () => {
      const record = await own();
      const { datastore } = fixture;
      const signal = fixture.signal();
      await rejectsWith(datastore.update(record, attrsOf(2), TTL, signal), 'DATASTORE_READ_ONLY');
      await rejectsWith(datastore.move(record, place('10.5.2.0/24'), attrsOf(1), TTL, signal), 'DATASTORE_READ_ONLY');
      await rejectsWith(datastore.create(place('10.5.3.0/24'), attrsOf(3), TTL, signal), 'DATASTORE_READ_ONLY');
      await rejectsWith(datastore.delete(record, signal), 'DATASTORE_READ_ONLY');
      assert.equal((await datastore.list(signal)).records.length, 1);
    });

    it('refuse a record that is outdated', async () => {
      const record = await own();
      await fixture.subject.putLease(place('10.5.1.0/24', 'fc00::/64'), attrsOf(2));
      const { datastore } = fixture;
      await datastore.list(fixture.signal());
      await rejectsWith(datastore.renew(record, TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      await rejectsWith(datastore.update(record, attrsOf(1), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      await fixture.subject.removeKey(record.key);
      await rejectsWith(datastore.renew(record, TTL, fixture.signal()), 'DATASTORE_CONFLICT');
    });
  });
}
