import assert from 'node:assert/strict';
import { isTartanError } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { attrsOf, eventually, place, plain, revisionOf, show, type DatastoreFixture } from './fixture';

export function watchSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const present = async (): Promise<bigint> => (await fixture.datastore.list(fixture.signal())).revision;

  describe('watch', () => {
    it('says at once that it stands, and where', async () => {
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      const { revision, clusterId } = await fixture.datastore.list(fixture.signal());
      const log = fixture.watch(revision);
      await log.standing();
      assert.deepEqual(log.responses[0], { revision, clusterId, events: [] });
    });

    it('tells every change in order', async () => {
      const log = fixture.watch(await present());
      await log.standing();
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await log.until(({ events }) => events.length >= 1, 'the new lease');
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(2));
      await log.until(({ events }) => events.length >= 2, 'the changed lease');
      await fixture.subject.removeKey('10.5.1.0-24');
      await log.until(({ events }) => events.length >= 3, 'the deleted lease');
      assert.deepEqual(log.events.map(show), ['put 10.5.1.0-24', 'put 10.5.1.0-24', 'delete 10.5.1.0-24']);
      const [first, second] = log.events;
      assert.ok(first?.type === 'put' && second?.type === 'put');
      assert.equal(first.record.attrs.publicIP.toString(), '192.168.50.1');
      assert.equal(second.record.attrs.publicIP.toString(), '192.168.50.2');
      assert.equal(second.record.createRevision, first.record.createRevision);
      const revisions = log.events.map(revisionOf);
      assert.deepEqual(plain(revisions), plain([...revisions].sort((a, b) => (a < b ? -1 : 1))));
      for (const response of log.responses) {
        for (const event of response.events) assert.ok(revisionOf(event) <= response.revision);
      }
    });

    it('agrees with a list of the same moment', async () => {
      const log = fixture.watch(await present());
      await log.standing();
      await fixture.subject.putLease(place('10.5.1.0/24', 'fc00::/64'), attrsOf(1));
      await log.until(({ events }) => events.length > 0, 'the new lease');
      const [event] = log.events;
      const [listed] = (await fixture.datastore.list(fixture.signal())).records;
      assert.ok(event?.type === 'put' && listed);
      assert.deepEqual(plain(event.record), plain(listed));
    });

    it('resumes after the last response without losing or repeating a change', async () => {
      const log = fixture.watch(await present());
      await log.standing();
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await log.until(({ events }) => events.length > 0, 'the first lease');
      await log.stop();
      await fixture.subject.putLease(place('10.5.2.0/24'), attrsOf(2));
      const { revision } = log.responses.at(-1) as { revision: bigint };
      const resumed = fixture.watch(revision);
      await fixture.subject.putLease(place('10.5.3.0/24'), attrsOf(3));
      await resumed.until(({ events }) => events.length >= 2, 'both later leases');
      assert.deepEqual(resumed.events.map(show), ['put 10.5.2.0-24', 'put 10.5.3.0-24']);
    });

    it('reports what is not a lease, and goes on', async () => {
      const log = fixture.watch(await present());
      await log.standing();
      await fixture.subject.putUnreadable('10.5.2.0-24');
      await log.until(({ events }) => events.length >= 1, 'the bad entry');
      await fixture.subject.putLease(place('10.5.3.0/24'), attrsOf(3));
      await log.until(({ events }) => events.length >= 2, 'the lease after it');
      await fixture.subject.removeKey('10.5.2.0-24');
      await log.until(({ events }) => events.length >= 3, 'the bad entry going away');
      assert.deepEqual(log.events.map(show), ['skipped 10.5.2.0-24', 'put 10.5.3.0-24', 'delete 10.5.2.0-24']);
    });

    it('serves several readers at once', async () => {
      const revision = await present();
      const logs = [fixture.watch(revision), fixture.watch(revision), fixture.watch(revision)];
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      for (const log of logs) await log.until(({ events }) => events.length > 0, 'the lease');
      assert.deepEqual(plain(logs[1]?.events), plain(logs[0]?.events));
    });

    it('ends with the reason of the abort', async () => {
      const log = fixture.watch(await present());
      await log.standing();
      const reason = new Error('enough');
      assert.equal(await log.stop(reason), reason);
    });

    it('ends when the datastore is closed', async () => {
      const other = await fixture.connect();
      const log = fixture.watch((await other.list(fixture.signal())).revision, other);
      await log.standing();
      await other.close();
      assert.ok(isTartanError(await log.failure(), 'DATASTORE_UNAVAILABLE'));
    });

    it('says so when the history it needs is gone', async () => {
      if (!fixture.subject.compact) return;
      const revision = await present();
      await fixture.subject.putLease(place('10.5.1.0/24'), attrsOf(1));
      await fixture.subject.putLease(place('10.5.2.0/24'), attrsOf(2));
      await fixture.subject.compact();
      const log = fixture.watch(revision);
      assert.ok(isTartanError(await log.failure(), 'DATASTORE_COMPACTED'));
      const { revision: now, records } = await fixture.datastore.list(fixture.signal());
      assert.equal(records.length, 2);
      await fixture.watch(now).standing();
    });

    it('shows a revision from the future as such', async () => {
      const revision = await present();
      const log = fixture.watch(revision + 1_000n);
      await eventually(() => log.responses.length > 0 || log.ended !== null, 'an answer');
      const [first] = log.responses;
      assert.ok(first ? first.revision === revision : isTartanError(log.ended, 'DATASTORE_COMPACTED'));
    });
  });
}
