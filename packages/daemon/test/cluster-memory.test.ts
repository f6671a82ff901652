import type { LastCluster, LeaseSnapshot } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { ClusterMemory } from '../src/cluster-memory';
import { leaseOf } from './support/leases';

const CONFIG = '{"Network":"10.5.0.0/16"}';
const NODE2 = leaseOf('10.5.2.0/24', '192.168.50.2');
const NODE3 = leaseOf('10.5.3.0/24', '192.168.50.3');
const snapshotOf = (...leases: LeaseSnapshot['leases']): LeaseSnapshot => ({ revision: '1', leases });

function setUp(last: LastCluster | null = null) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const written: LastCluster[] = [];
  const disk = { full: false };
  const write = (cluster: LastCluster): Promise<void> => {
    if (disk.full) return Promise.reject(new Error('no space'));
    written.push(cluster);
    return Promise.resolve();
  };
  const memory = new ClusterMemory({ store: { path: '/state/cluster.json', write }, last, clock, logger });
  const stop = new AbortController();
  const running = memory.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
    expect(clock.timers).toBe(0);
  };
  return { clock, logger, memory, written, disk, end };
}

test('writes config and peers soon after the first list, and a burst of changes once in a while, the last of them', async () => {
  const { clock, memory, written, end } = setUp();
  memory.setConfig(CONFIG);
  await clock.advance(60_000);
  expect(written).toEqual([]);
  memory.setSnapshot(snapshotOf(NODE2));
  await clock.advance(1_000);
  expect(written).toEqual([{ config: CONFIG, peers: [NODE2] }]);
  for (let n = 0; n < 100; n++) {
    memory.setSnapshot(n % 2 === 0 ? snapshotOf() : snapshotOf(NODE2, NODE3));
    await clock.advance(100);
  }
  await clock.advance(30_000);
  expect(written).toHaveLength(2);
  expect(written[1]?.peers).toEqual([NODE2, NODE3]);
  await end();
});

test('keeps the config of the last run until there is another', async () => {
  const { clock, memory, written, end } = setUp({ config: CONFIG, peers: [NODE3] });
  memory.setSnapshot(snapshotOf(NODE2));
  await clock.advance(1_000);
  expect(written).toEqual([{ config: CONFIG, peers: [NODE2] }]);
  await end();
});

test('a full disk costs one warning, and the file is written when there is room again', async () => {
  const { clock, logger, memory, written, disk, end } = setUp();
  disk.full = true;
  memory.setSnapshot(snapshotOf(NODE2));
  await clock.advance(300_000);
  expect(logger.matching('peers cannot be remembered')).toHaveLength(1);
  disk.full = false;
  await clock.advance(30_000);
  expect(written).toHaveLength(1);
  await end();
});
