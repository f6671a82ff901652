import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, plain, rejectsWith, TTL, type DatastoreFixture } from './fixture';

export function writeSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const list = async (): Promise<string[]> =>
    (await fixture.datastore.list(fixture.signal())).records.map(({ key }) => key).sort();

  describe('create', () => {
    it('makes what everybody lists then', async () => {
      const extra = { Zone: 'a', 'with <&>': [1, { x: null }] };
      const attrs = attrsOf(1, { backendV6Data: 'text "and" \\', extra });
      const subnets = place('10.5.1.0/24', 'fc00:0:0:1::/64');
      const made = await fixture.datastore.create(subnets, attrs, TTL, fixture.signal());
      const [found] = (await (await fixture.connect()).list(fixture.signal())).records;
      assert.equal(made.key, '10.5.1.0-24&fc00:0:0:1::-64');
      assert.deepEqual(plain(made.attrs), plain(attrs));
      assert.deepEqual(plain(found?.attrs), plain(attrs));
      assert.equal(made.createRevision, found?.createRevision);
      assert.equal(made.reservation, false);
    });

    it('tells when it will run out', async () => {
      const made = await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      if (fixture.datastore.capabilities.expiry) assert.equal(typeof made.expiresAt, 'number');
    });

    it('refuses a place whose network address is taken, whatever the length and the IPv6 part', async () => {
      await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const other = await fixture.connect();
      for (const taken of [place('10.5.1.0/24'), place('10.5.1.0/25'), place('10.5.1.0/24', 'fc00::/64')]) {
        await rejectsWith(other.create(taken, attrsOf(2), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      }
      assert.deepEqual(await list(), ['10.5.1.0-24']);
    });

    it('does not confuse networks whose texts start alike', async () => {
      for (const subnet of ['10.5.1.0/24', '10.5.10.0/24', '10.5.1.64/26', '10.5.100.0/24']) {
        await fixture.datastore.create(place(subnet), attrsOf(1), TTL, fixture.signal());
      }
      assert.equal((await list()).length, 4);
    });

    it('gives IPv6-only nodes different leases', async () => {
      const { datastore } = fixture;
      await datastore.create(place(null, 'fc00:0:0:1::/64'), attrsOf(1), TTL, fixture.signal());
      await datastore.create(place(null, 'fc00:0:0:2::/64'), attrsOf(2), TTL, fixture.signal());
      await rejectsWith(
        datastore.create(place(null, 'fc00:0:0:1::/64'), attrsOf(3), TTL, fixture.signal()),
        'DATASTORE_CONFLICT',
      );
    });

    it('makes a reservation when there is no time to live', async () => {
      const made = await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), null, fixture.signal());
      assert.equal(made.reservation, true);
      assert.equal(made.expiresAt, null);
      assert.equal((await fixture.datastore.list(fixture.signal())).records[0]?.reservation, true);
    });
  });

  describe('update', () => {
    it('replaces the attributes at a new revision', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const changed = await datastore.update(made, attrsOf(9), TTL, fixture.signal());
      assert.ok(changed.modRevision > made.modRevision);
      assert.equal(changed.createRevision, made.createRevision);
      const [found] = (await datastore.list(fixture.signal())).records;
      assert.deepEqual(plain(found?.attrs), plain(attrsOf(9)));
      assert.equal(found?.modRevision, changed.modRevision);
      assert.equal(found.reservation, false);
    });

    it('refuses a record that somebody else changed', async () => {
      const { datastore } = fixture;
      const other = await fixture.connect();
      await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const [mine] = (await datastore.list(fixture.signal())).records;
      const [theirs] = (await other.list(fixture.signal())).records;
      assert.ok(mine && theirs);
      await other.update(theirs, attrsOf(2), TTL, fixture.signal());
      await rejectsWith(datastore.update(mine, attrsOf(3), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      const [found] = (await datastore.list(fixture.signal())).records;
      assert.deepEqual(plain(found?.attrs), plain(attrsOf(2)));
    });

    it('refuses a record that is gone, and one that was made anew', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await fixture.subject.removeKey(made.key);
      await rejectsWith(datastore.update(made, attrsOf(2), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
      await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await rejectsWith(datastore.update(made, attrsOf(2), TTL, fixture.signal()), 'DATASTORE_CONFLICT');
    });

    it('leaves a reservation a reservation', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), null, fixture.signal());
      const changed = await datastore.update(made, attrsOf(2), TTL, fixture.signal());
      assert.equal(changed.reservation, true);
      assert.equal((await datastore.list(fixture.signal())).records[0]?.reservation, true);
    });

    it('works on a listed record of another client, as after a restart', async () => {
      await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const other = await fixture.connect();
      const [found] = (await other.list(fixture.signal())).records;
      assert.ok(found);
      const once = await other.update(found, attrsOf(2), TTL, fixture.signal());
      const twice = await other.update(once, attrsOf(3), TTL, fixture.signal());
      assert.ok(twice.modRevision > once.modRevision);
    });
  });

  describe('delete', () => {
    it('removes the lease, and is content when there is none', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await datastore.delete(made, fixture.signal());
      assert.deepEqual(await list(), []);
      await datastore.delete(made, fixture.signal());
    });

    it('refuses when somebody else changed it', async () => {
      const { datastore } = fixture;
      const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      await datastore.update(made, attrsOf(2), TTL, fixture.signal());
      await rejectsWith(datastore.delete(made, fixture.signal()), 'DATASTORE_CONFLICT');
      assert.deepEqual(await list(), ['10.5.1.0-24']);
    });
  });
}
