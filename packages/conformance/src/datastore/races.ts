import assert from 'node:assert/strict';
import { isTartanError, type Datastore, type LeaseRecord } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { attrsOf, place, revisionOf, TTL, type DatastoreFixture, type WatchLog } from './fixture';

const CLIENTS = 6;
const PLACES = 8;
const STEPS = 15;

export function raceSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  const clients = (): Promise<Datastore[]> => Promise.all(Array.from({ length: CLIENTS }, () => fixture.connect()));

  describe('races', () => {
    it('give a place to exactly one', async () => {
      const contenders = await clients();
      for (let round = 1; round <= 4; round++) {
        const attempts = contenders.map((datastore, host) =>
          datastore.create(place(`10.5.${round}.0/24`), attrsOf(host), TTL, fixture.signal()),
        );
        assert.equal(await winners(attempts), 1);
      }
    });

    it('let exactly one of several updates through', async () => {
      const contenders = await clients();
      await fixture.datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, fixture.signal());
      const attempts = contenders.map(async (datastore, host) => {
        const [record] = (await datastore.list(fixture.signal())).records;
        return { datastore, record: record as LeaseRecord, host };
      });
      const seen = await Promise.all(attempts);
      const updates = seen.map(({ datastore, record, host }) =>
        datastore.update(record, attrsOf(host + 10), TTL, fixture.signal()),
      );
      assert.equal(await winners(updates), 1);
    });

    it('let a watch that breaks again and again see every change once', async () => {
      const start = (await fixture.datastore.list(fixture.signal())).revision;
      const history: string[] = [];
      const writing = Promise.all(
        (await clients()).map((datastore, seed) => write(fixture, datastore, seed + 1, history)),
      );
      const seen: string[] = [];
      let log = fixture.watch(start);
      const take = (from: WatchLog): bigint => {
        for (const event of from.events) seen.push(`${revisionOf(event)} ${event.type} ${keyOf(event)}`);
        return from.responses.at(-1)?.revision ?? start;
      };
      let done = false;
      void writing.finally(() => (done = true));
      while (!isDone()) {
        await log.standing();
        const target = log.events.length + 3;
        await log.until(({ events }) => events.length >= target || isDone(), 'some more events');
        await log.stop();
        log = fixture.watch(take(log));
      }
      await writing;
      const { revision, records } = await fixture.datastore.list(fixture.signal());
      await fixture.subject.putLease(place('10.99.0.0/24'), attrsOf(99));
      await log.until(({ events }) => events.some((event) => keyOf(event) === '10.99.0.0-24'), 'the last change');
      const last = log.events.filter((event) => revisionOf(event) <= revision);
      for (const event of last) seen.push(`${revisionOf(event)} ${event.type} ${keyOf(event)}`);
      const order = seen.map(revisionIn);
      assert.ok(order.every((value, index) => index === 0 || value >= (order[index - 1] as bigint)));
      assert.equal(new Set(seen).size, seen.length);
      if (fixture.subject.everyChange) assert.deepEqual([...seen].sort(byRevision), history.sort(byRevision));
      assert.deepEqual(replay(seen), records.map(({ key }) => key).sort());

      function isDone(): boolean {
        return done;
      }
    });
  });
}

/** How many succeed; the others must have lost, not failed. */
async function winners(attempts: readonly Promise<unknown>[]): Promise<number> {
  const results = await Promise.allSettled(attempts);
  for (const result of results) {
    if (result.status === 'rejected')
      assert.ok(isTartanError(result.reason, 'DATASTORE_CONFLICT'), String(result.reason));
  }
  return results.filter(({ status }) => status === 'fulfilled').length;
}

/** Random creates, updates, moves and deletes; notes what was done. */
async function write(fixture: DatastoreFixture, datastore: Datastore, seed: number, history: string[]): Promise<void> {
  const random = generator(seed);
  const anyPlace = (): ReturnType<typeof place> => place(`10.5.${Math.floor(random() * PLACES)}.0/24`);
  const signal = fixture.signal();
  for (let step = 0; step < STEPS; step++) {
    const { records } = await datastore.list(signal);
    const record = records[Math.floor(random() * records.length)];
    const choice = random();
    try {
      if (!record || choice < 0.4) {
        const made = await datastore.create(anyPlace(), attrsOf(seed), TTL, signal);
        history.push(`${made.modRevision} put ${made.key}`);
      } else if (choice < 0.75) {
        const changed = await datastore.update(record, attrsOf((step % 200) + 1), TTL, signal);
        history.push(`${changed.modRevision} put ${changed.key}`);
      } else if (choice < 0.85) {
        const moved = await datastore.move(record, anyPlace(), attrsOf(seed), TTL, signal);
        if (moved.key !== record.key) history.push(`${moved.modRevision} delete ${record.key}`);
        history.push(`${moved.modRevision} put ${moved.key}`);
      } else {
        // The revision of a delete is not told; deleting by moving away first makes it visible.
        const far = place(`10.${100 + seed}.${step}.0/24`);
        const moved = await datastore.move(record, far, attrsOf(seed), TTL, signal);
        history.push(`${moved.modRevision} delete ${record.key}`, `${moved.modRevision} put ${moved.key}`);
      }
    } catch (error) {
      if (!isTartanError(error, 'DATASTORE_CONFLICT')) throw error;
    }
  }
}

function keyOf(event: WatchLog['events'][number]): string {
  if (event.type === 'put') return event.record.key;
  return event.type === 'delete' ? event.key : event.entry.key;
}

/** Lines start with the revision; within one, order does not matter. */
function byRevision(a: string, b: string): number {
  const difference = revisionIn(a) - revisionIn(b);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return a < b ? -1 : Number(a > b);
}

function revisionIn(line: string): bigint {
  return BigInt(line.slice(0, line.indexOf(' ')));
}

function replay(lines: readonly string[]): string[] {
  const keys = new Set<string>();
  for (const line of lines) {
    const [, type, key] = line.split(' ') as [string, string, string];
    if (type === 'put') keys.add(key);
    else keys.delete(key);
  }
  return [...keys].sort();
}

/** Numbers in [0, 1) that repeat for a seed (a linear congruential generator modulo 2^32). */
function generator(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
