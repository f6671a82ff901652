import { createEtcdDatastore, type EtcdDatastoreOptions } from '@tartan/core/datastore/etcd';
import { isTartanError, type Datastore } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { EtcdCluster, eventually, type EtcdMember } from '@tartan/lab';
import { attrsOf, Cleanup, forever, place, timed, TTL, Watched } from './support';

const TIMEOUT_MS = 5_000;

let cluster: EtcdCluster;
const cleanup = new Cleanup();
const logger = new MemoryLogger();

beforeAll(async () => {
  cluster = await EtcdCluster.start({ members: 3 });
});
afterAll(() => cluster.destroy());
afterEach(async () => {
  await cleanup.run();
  for (const member of cluster.members) {
    member.resume();
    if (!member.running) await member.start();
  }
  await eventually(() => cluster.etcdctl(['endpoint', 'health']), { timeoutMs: 20_000 });
  logger.lines.length = 0;
});

/** Prefers the first endpoint of the list. */
const open = (options: Partial<EtcdDatastoreOptions> = {}): Datastore => {
  const base = { endpoints: cluster.endpoints, timeoutMs: TIMEOUT_MS, random: () => 0, logger };
  return cleanup.add(createEtcdDatastore({ ...base, ...options }), (datastore) => datastore.close());
};
const first = (): EtcdMember => cluster.member;
const others = (): readonly EtcdMember[] => cluster.members.slice(1);

describe('etcd with three members', () => {
  it('serves on when the preferred member is killed, watch included', async () => {
    const datastore = open();
    const { revision } = await datastore.list(forever);
    const watched = new Watched(datastore, revision);
    await eventually(() => watched.responses.length > 0);
    await first().kill();
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    // The rest may need an election before it takes writes.
    const created = await eventually(() => datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever), {
      timeoutMs: 15_000,
    });
    const resumed = cleanup.add(new Watched(datastore, revision), (log) => log.stop());
    await eventually(() => resumed.events.length === 1);
    expect(resumed.events).toMatchObject([{ type: 'put', record: { modRevision: created.modRevision } }]);
    expect(datastore.status().reachable).toBe(true);
    await datastore.delete(created, forever);
  }, 60_000);

  it('takes reads and writes to another member within the time limit when one is stopped', async () => {
    const datastore = open();
    await datastore.list(forever);
    first().pause();
    const read = await timed(eventually(() => datastore.list(forever), { timeoutMs: 15_000 }));
    expect(read.error).toBeNull();
    const write = async (): Promise<void> => {
      const record = await datastore.create(place('10.5.2.0/24'), attrsOf(2), TTL, forever);
      await datastore.delete(record, forever);
    };
    await eventually(write, { timeoutMs: 15_000 });
    expect(logger.matching('using another')).not.toHaveLength(0);
  }, 60_000);

  it('costs a dead member only once', async () => {
    await (cluster.members[1] as EtcdMember).kill();
    const datastore = open({ endpoints: [1, 0, 2].map((index) => cluster.endpoints[index] as string) });
    await eventually(() => datastore.list(forever), { timeoutMs: 15_000 });
    await datastore.list(forever);
    const dead = new URL(cluster.endpoints[1] as string).host;
    const lines = logger.matching('etcd endpoint failed').filter(({ fields }) => fields['endpoint'] === dead);
    expect(lines).toHaveLength(1);
    expect(logger.matching('datastore unreachable')).toHaveLength(0);
  }, 60_000);

  it('says unavailable, within the limit, when there is no majority', async () => {
    const datastore = open();
    await datastore.list(forever);
    await Promise.all(others().map((member) => member.kill()));
    const { ms, error } = await timed(datastore.create(place('10.5.3.0/24'), attrsOf(3), TTL, forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(ms).toBeLessThan(TIMEOUT_MS + 1_000);
    await Promise.all(others().map((member) => member.launch()));
    await eventually(() => datastore.list(forever), { timeoutMs: 20_000 });
  }, 60_000);
});
