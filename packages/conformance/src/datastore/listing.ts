import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, plain, type DatastoreFixture } from './fixture';

export function listSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  describe('list', () => {
    it('is empty in an empty datastore', async () => {
      const { records, skipped, clusterId, revision } = await fixture.datastore.list(fixture.signal());
      assert.deepEqual({ records, skipped }, { records: [], skipped: [] });
      assert.ok(clusterId.length > 0);
      assert.ok(revision >= 0n);
    });

    it('has every lease with its subnets and attributes', async () => {
      const leases = [
        { subnets: place('10.5.1.0/24'), attrs: attrsOf(1) },
        { subnets: place('10.5.2.0/24', 'fc00:0:0:2::/64'), attrs: attrsOf(2) },
        { subnets: place(null, 'fc00:0:0:3::/64'), attrs: attrsOf(3) },
      ];
      for (const { subnets, attrs } of leases) await fixture.subject.putLease(subnets, attrs);
      const { records, revision } = await fixture.datastore.list(fixture.signal());
      const found = [...records].sort((a, b) => (a.attrs.publicIP.value < b.attrs.publicIP.value ? -1 : 1));
      assert.deepEqual(
        found.map(({ key }) => key),
        ['10.5.1.0-24', '10.5.2.0-24&fc00:0:0:2::-64', '0.0.0.0-0&fc00:0:0:3::-64'],
      );
      for (const [index, { subnets, attrs }] of leases.entries()) {
        const record = found[index];
        assert.deepEqual(plain({ subnet: record?.subnet, ipv6Subnet: record?.ipv6Subnet }), plain(subnets));
        assert.deepEqual(plain(published(record?.attrs)), plain(published(attrs)));
        assert.ok(record && record.createRevision <= record.modRevision && record.modRevision <= revision);
      }
    });

    it('skips what is not a lease and keeps the rest', async () => {
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await fixture.subject.putUnreadable('10.5.2.0-24');
      await fixture.subject.putLease(place('10.5.3.0/24'), attrsOf(3));
      const { records, skipped } = await fixture.datastore.list(fixture.signal());
      assert.deepEqual(records.map(({ key }) => key).sort(), ['10.5.1.0-24', '10.5.3.0-24']);
      assert.deepEqual(
        skipped.map(({ key }) => key),
        ['10.5.2.0-24'],
      );
      assert.ok(skipped[0]?.reason);
    });

    it('gives the same revisions and identity again while nothing changes', async () => {
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      const first = await fixture.datastore.list(fixture.signal());
      const second = await fixture.datastore.list(fixture.signal());
      assert.deepEqual(plain(second), plain(first));
    });

    it('rejects with the reason of an abort', async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      controller.abort(reason);
      await assert.rejects(fixture.datastore.list(controller.signal), (error) => error === reason);
    });
  });
}

/** What peers act on; who owns it is not kept by every kind of datastore as a whole. */
function published(attrs: object | undefined): unknown {
  return { ...attrs, owner: undefined };
}
