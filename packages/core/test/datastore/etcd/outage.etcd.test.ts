import { createEtcdDatastore, type EtcdDatastoreOptions } from '@tartan/core/datastore/etcd';
import { isTartanError, type Datastore } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { EtcdCluster, eventually, freePorts, TcpGate } from '@tartan/lab';
import { runInThisContext } from 'node:vm';
import { attrsOf, Cleanup, forever, place, timed, TTL, Watched } from './support';

const TIMEOUT_MS = 2_000;

let cluster: EtcdCluster;
const cleanup = new Cleanup();
const logger = new MemoryLogger();

beforeAll(async () => {
  cluster = await EtcdCluster.start();
});
afterAll(() => cluster.destroy());
afterEach(async () => {
  await cleanup.run();
  cluster.member.resume();
  if (!cluster.member.running) await cluster.member.start();
  await cluster.clear();
  logger.lines.length = 0;
});

const open = (options: Partial<EtcdDatastoreOptions> = {}): Datastore => {
  const datastore = createEtcdDatastore({ endpoints: cluster.endpoints, timeoutMs: TIMEOUT_MS, logger, ...options });
  return cleanup.add(datastore, (opened) => opened.close());
};
const watch = (datastore: Datastore, after: bigint): Watched =>
  cleanup.add(new Watched(datastore, after), (watched) => watched.stop());
const messages = (): string[] => logger.lines.map(({ message }) => message);
const worksAgain = (datastore: Datastore): Promise<unknown> =>
  eventually(() => datastore.list(forever), { timeoutMs: 15_000, what: 'the datastore works again' });

describe('etcd that is away', () => {
  it('is reported at once, and found when it comes', async () => {
    const [port = 0, peer = 0] = await freePorts(2, '127.0.0.1');
    const datastore = open({ endpoints: [`http://127.0.0.1:${port}`] });
    const { ms, error } = await timed(datastore.getConfig(forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(error?.message).toContain('ECONNREFUSED');
    expect(ms).toBeLessThan(TIMEOUT_MS);
    await timed(datastore.list(forever));
    expect(messages()).toEqual(['datastore unreachable']);
    expect(logger.lines[0]?.fields).toMatchObject({ endpoints: [`127.0.0.1:${port}`] });
    const late = await EtcdCluster.start({ ports: [port, peer] });
    cleanup.add(late, (started) => started.destroy());
    await worksAgain(datastore);
    expect(messages()).toEqual(['datastore unreachable', 'datastore reachable again']);
  });

  it('comes back after a restart with all that was there', async () => {
    const datastore = open();
    await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const before = await datastore.list(forever);
    const watched = watch(datastore, before.revision);
    await eventually(() => watched.responses.length > 0);
    await cluster.member.stop();
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    const down = await timed(datastore.list(forever));
    expect(isTartanError(down.error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    await cluster.member.start();
    await worksAgain(datastore);
    const after = await datastore.list(forever);
    expect(after.clusterId).toBe(before.clusterId);
    expect(after.records).toHaveLength(1);
  });

  it('costs no more than the time limit, and ends a watch within some ten seconds, when it is stopped with sockets open', async () => {
    const datastore = open();
    const record = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const watched = watch(datastore, record.modRevision);
    await eventually(() => watched.responses.length > 0);
    cluster.member.pause();
    const start = performance.now();
    const calls = [
      datastore.list(forever),
      datastore.renew(record, TTL, forever),
      datastore.update(record, attrsOf(2), TTL, forever),
      datastore.create(place('10.5.2.0/24'), attrsOf(2), TTL, forever),
      datastore.getConfig(forever),
    ];
    for (const { ms, error } of await Promise.all(calls.map(timed))) {
      expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
      expect(ms).toBeLessThan(TIMEOUT_MS + 1_000);
    }
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(performance.now() - start).toBeLessThan(14_000);
    cluster.member.resume();
    await worksAgain(datastore);
    const resumed = watch(datastore, record.modRevision);
    const made = await datastore.create(place('10.5.3.0/24'), attrsOf(3), TTL, forever);
    await eventually(() => resumed.events.some((event) => event.type === 'put' && event.record.key === made.key));
  }, 40_000);

  it('is reached again at once when the path heals but old connections stay dead', async () => {
    const gate = cleanup.add(await TcpGate.open(cluster.member.endpoint), (opened) => opened.close());
    const datastore = open({ endpoints: [`127.0.0.1:${gate.port}`] });
    await datastore.list(forever);
    gate.freeze();
    const { ms, error } = await timed(datastore.list(forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(ms).toBeLessThan(TIMEOUT_MS + 1_000);
    gate.thaw();
    expect((await timed(datastore.list(forever))).error).toBeNull();
  });

  it('keeps a watch that outlives a call that timed out', async () => {
    const gate = cleanup.add(await TcpGate.open(cluster.member.endpoint), (opened) => opened.close());
    const datastore = open({ endpoints: [`127.0.0.1:${gate.port}`] });
    const { revision } = await datastore.list(forever);
    const watched = watch(datastore, revision);
    await eventually(() => watched.responses.length > 0);
    cluster.member.pause();
    await timed(datastore.list(forever));
    cluster.member.resume();
    await worksAgain(datastore);
    await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    await eventually(() => watched.events.length === 1);
  });

  it('leaves neither a double lease nor an orphan when answers get lost', async () => {
    const gate = cleanup.add(await TcpGate.open(cluster.member.endpoint), (opened) => opened.close());
    const endpoints = [`127.0.0.1:${gate.port}`, cluster.member.endpoint];
    const datastore = open({ endpoints, random: () => 0 });
    await datastore.list(forever);
    gate.freeze('answers');
    const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    expect(made.createRevision).toBe((await datastore.list(forever)).records[0]?.createRevision);
    await eventually(async () => {
      await datastore.list(forever);
      return (await cluster.leases()).length === 1;
    });
    expect((await cluster.leases())[0]?.keys).toHaveLength(1);
    expect(messages()).toEqual(['etcd endpoint failed, using another']);
  });

  it('gets its leases tidied up after a create that was cut off', async () => {
    const gate = cleanup.add(await TcpGate.open(cluster.member.endpoint), (opened) => opened.close());
    const datastore = open({ endpoints: [`127.0.0.1:${gate.port}`] });
    await datastore.list(forever);
    gate.freeze('answers');
    const { error } = await timed(datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    gate.thaw();
    await worksAgain(datastore);
    const tidy = async (): Promise<boolean> => {
      await datastore.list(forever);
      const keys = (await cluster.leases()).map((lease) => lease.keys.length);
      return keys.every((count) => count === 1);
    };
    await eventually(tidy, { what: 'a grant without key is revoked' });
  });

  it('stops a call at once when its caller gives up, and when the datastore is closed', async () => {
    // So long that a call which ends sooner was not ended by the limit.
    const datastore = open({ timeoutMs: 20_000 });
    await datastore.list(forever);
    cluster.member.pause();
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = timed(datastore.list(controller.signal));
    controller.abort(reason);
    expect(await aborted).toMatchObject({ error: reason });
    const closed = timed(datastore.list(forever));
    await datastore.close();
    const { ms, error } = await closed;
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(ms).toBeLessThan(10_000);
  });

  it('gives up connections that lead nowhere as soon as it is told that the network has changed', async () => {
    const gate = cleanup.add(await TcpGate.open(cluster.member.endpoint), (opened) => opened.close());
    const datastore = open({ endpoints: [`127.0.0.1:${gate.port}`], timeoutMs: 20_000 });
    const { revision } = await datastore.list(forever);
    const watched = watch(datastore, revision);
    await eventually(() => watched.responses.length > 0);
    gate.freeze('answers');
    const call = timed(datastore.list(forever));
    datastore.reconnect?.();
    const { ms, error } = await call;
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(ms).toBeLessThan(10_000);
    gate.thaw();
    expect((await timed(datastore.list(forever))).error).toBeNull();
  });

  it('serves many calls at once without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    // The test's own `process` is a copy that jest makes, and hears nothing.
    const realProcess = runInThisContext('process') as NodeJS.Process;
    cleanup.add(realProcess.on('warning', onWarning), (target) => target.off('warning', onWarning));
    const datastore = open({ timeoutMs: 20_000 });
    const calls = Array.from({ length: 60 }, (_, index) =>
      datastore.create(place(`10.5.${index}.0/24`), attrsOf(1), TTL, new AbortController().signal),
    );
    await Promise.all(calls);
    expect((await datastore.list(forever)).records).toHaveLength(60);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });

  it('leaves no socket and no timer behind when it is closed', async () => {
    const count = (kind: string): number => process.getActiveResourcesInfo().filter((name) => name === kind).length;
    const before = { sockets: count('TCPSocketWrap'), timers: count('Timeout') };
    const datastore = open({ endpoints: [...cluster.endpoints, 'http://127.0.0.1:1'], random: () => 0.9 });
    const record = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    await datastore.renew(record, TTL, forever);
    const watched = watch(datastore, record.modRevision);
    await eventually(() => watched.responses.length > 0);
    await datastore.close();
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    await eventually(() => count('TCPSocketWrap') <= before.sockets && count('Timeout') <= before.timers + 1);
  });
});
