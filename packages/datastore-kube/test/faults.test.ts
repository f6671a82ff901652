import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReadinessRegistry, silentLogger, systemClock } from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { annotationNames, ApiClient, FileCredentials, KubeCluster, KubeDatastore } from '../src';
import { sampleNode, TestApiServer } from '../src/testing';
import { KubeWorld, kubeconfig, READ_KUBECONFIG, readEvents, until } from './support/world';

/* What only a server that misbehaves on request can show. */

const SIGNAL = new AbortController().signal;
/** No token and no CA. */
const FILES = { tokenFile: null, caFile: null };
let world: KubeWorld;
let server: TestApiServer;
beforeEach(async () => {
  if (kubeconfig !== '') throw new Error('these tests run against the test API server: unset KUBECONFIG');
  world = await KubeWorld.open();
  server = world.server as TestApiServer;
});
afterEach(() => world.close());

async function standing(short = 'a') {
  const datastore = world.datastore(short);
  const log = readEvents(datastore, (await datastore.list(SIGNAL)).revision, world.signal.signal);
  await until(() => log.standing, 'the watch stands');
  return { datastore, log };
}

describe('the watch', () => {
  it('lists again and tells the difference when the server has forgotten where it was', async () => {
    await world.createPeer('b', ['10.251.2.0/24'], 2);
    const { datastore, log } = await standing();
    await server.stop();
    await until(() => log.ended !== null, 'the outage is told');
    server.nodes.delete(world.name('b'));
    server.nodes.create(sampleNode({ name: 'noise' }));
    server.nodes.compact();
    await server.start();
    await world.createPeer('c', ['10.251.3.0/24'], 3);
    const { records } = await datastore.list(SIGNAL);
    expect(records.map(({ key }) => key)).toEqual(['10.251.3.0-24']);
    const resumed = readEvents(datastore, datastore.view.forgotten, world.signal.signal);
    await until(() => resumed.events.some(({ type }) => type === 'delete'), 'the deletion is told');
    expect(world.clusters[0]?.activity).toMatchObject({ server: server.url, lists: 2, expired: 1 });
  });

  it('goes on without a word when the server ends it in good order', async () => {
    const { log } = await standing();
    server.endWatches();
    await world.createPeer('b', ['10.251.2.0/24'], 2);
    await until(() => log.events.length > 0, 'a change after the end');
    expect(log.ended).toBeNull();
  });

  it('asks for bookmarks, and resumes from one', async () => {
    const { datastore, log } = await standing();
    server.nodes.version += 500;
    server.bookmark();
    await until(() => datastore.reflector.resourceVersion === String(server.nodes.version), 'the bookmark arrives');
    server.nodes.compact();
    server.endWatches();
    await world.createPeer('b', ['10.251.2.0/24'], 2);
    await until(() => log.events.length > 0, 'a change after the bookmark');
    expect(server.calls.filter((call) => call.startsWith('list') && !call.includes('fieldSelector'))).toHaveLength(1);
  });

  it('that breaks off is an outage, and one that falls silent as well', async () => {
    const first = await standing();
    server.breakWatches();
    await until(() => first.log.ended !== null, 'the break is told');
    expect(first.log.ended).toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    const client = new ApiClient({
      credentials: new FileCredentials({ ...FILES, servers: [server.url], clock: systemClock }),
      clock: systemClock,
    });
    const names = annotationNames(world.prefix);
    const quiet = new KubeDatastore({
      client,
      names,
      identity: null,
      configPath: '/nowhere',
      clock: systemClock,
      logger: silentLogger,
      silenceMs: 100,
    });
    const log = readEvents(quiet, (await quiet.list(SIGNAL)).revision, world.signal.signal);
    await until(() => log.ended !== null, 'the silence is told');
    await quiet.close();
  });
});

it('counts what the watch brings and what is written', async () => {
  await world.create('a', ['10.251.1.0/24']);
  await world.createPeer('b', ['10.251.2.0/24'], 2);
  const { datastore } = await standing();
  const { activity } = world.clusters[0] as KubeCluster;
  expect(activity).toMatchObject({ lists: 1, lastEventAt: null });
  await world.heartbeat('b');
  await world.annotate('b', { 'public-ip': '192.168.50.22' });
  server.bookmark();
  await until(() => activity.events.bookmark > 0, 'the bookmark');
  expect(activity.events).toEqual({ changed: 1, ignored: 1, bookmark: 1 });
  expect(Math.abs(Date.now() - Number(activity.lastEventAt))).toBeLessThan(60_000);
  const own = (await datastore.list(SIGNAL)).records.find(({ key }) => key === '10.251.1.0-24');
  server.faults.denied.add('patch nodes/status');
  await expect(datastore.update(own!, own!.attrs, 0, SIGNAL)).rejects.toMatchObject({ code: 'DATASTORE_DENIED' });
  server.faults.denied.clear();
  await datastore.update(own!, own!.attrs, 0, SIGNAL);
  expect(activity.patches).toEqual({ ok: 1, conflict: 0, failed: 1 });
});

describe('lists', () => {
  it('arrive in pieces of any size and in pages', async () => {
    for (let n = 1; n <= 7; n++) await world.createPeer(`p${n}`, [`10.251.${n}.0/24`], n);
    server.faults.chunkBytes = 7;
    server.pagesFromMemory = true;
    const { records } = await world.datastore('a').list(SIGNAL);
    expect(records).toHaveLength(7);
  });

  it('that break off are no answer', async () => {
    for (let n = 1; n <= 5; n++) await world.createPeer(`p${n}`, [`10.251.${n}.0/24`], n);
    const datastore = world.datastore('a');
    server.faults.breakListAfter = 3_000;
    await expect(datastore.list(SIGNAL)).rejects.toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    server.faults.breakListAfter = null;
    expect((await datastore.list(SIGNAL)).records).toHaveLength(5);
  });

  it('the first is asked for at a random time, later ones at once', async () => {
    const clock = new FakeClock();
    const datastore = new KubeDatastore({
      client: new ApiClient({ credentials: new FileCredentials({ ...FILES, servers: [server.url], clock }), clock }),
      names: annotationNames(world.prefix),
      identity: null,
      configPath: '/nowhere',
      clock,
      random: () => 0.5,
      startSpreadMs: 10_000,
      logger: silentLogger,
    });
    const listed = datastore.list(SIGNAL);
    await until(() => clock.timers > 0, 'it waits');
    await clock.advance(4_999);
    expect(server.calls).toEqual([]);
    await clock.advance(1);
    await listed;
    expect(server.calls[0]).toMatch(/^list nodes/);
    server.breakWatches();
    await until(() => !datastore.reflector.live, 'the break is noticed');
    await datastore.list(SIGNAL);
    await datastore.close();
  });

  it('are asked for once; later ones cost one key', async () => {
    const { datastore } = await standing();
    for (let n = 0; n < 3; n++) await datastore.list(SIGNAL);
    const lists = server.calls.filter((call) => call.startsWith('list nodes'));
    expect(lists.filter((call) => !call.includes('fieldSelector'))).toHaveLength(1);
  });
});

describe('access', () => {
  it('names the permission that is missing', async () => {
    server.faults.denied.add('list nodes');
    await expect(world.datastore('a').list(SIGNAL)).rejects.toMatchObject({
      code: 'DATASTORE_DENIED',
      message: expect.stringMatching(/cannot list resource "nodes".*ClusterRole/) as string,
    });
  });

  it('takes the next server when one is away, and a new token when the old one is refused', async () => {
    const tokens = ['first'];
    const guarded = await new TestApiServer({ tokens }).start();
    const away = await new TestApiServer().start();
    await away.stop();
    writeFileSync(join(world.directory, 'token'), 'first\n');
    const cluster = new KubeCluster({
      apiUrls: [away.url, guarded.url],
      kubeconfigFile: '',
      annotationPrefix: world.prefix,
      env: {},
      clock: systemClock,
      logger: silentLogger,
      serviceAccountDirectory: world.directory,
    });
    const datastore = cluster.openDatastore({ identity: null, configPath: '/nowhere' });
    expect((await datastore.list(SIGNAL)).records).toEqual([]);
    tokens[0] = 'second';
    await expect(datastore.list(SIGNAL)).rejects.toMatchObject({ code: 'DATASTORE_DENIED' });
    writeFileSync(join(world.directory, 'token'), 'second');
    expect((await datastore.list(SIGNAL)).records).toEqual([]);
    await datastore.close();
    await guarded.stop();
  });
});

it('the condition is written without permission for Events, and as soon as it can be', async () => {
  await world.create('a', ['10.251.1.0/24']);
  server.faults.denied.add('create events');
  const patches = (): number => server.calls.filter((call) => call === 'patch nodes/status').length;
  const readiness = new ReadinessRegistry({ clock: systemClock, logger: silentLogger });
  const check = readiness.declare({ name: 'kernel', waitingFor: 'nothing programmed yet' });
  const node = world.name('a');
  const condition = world.cluster().condition({ node, readiness, condition: true, withdraw: true, graceMs: 1 });
  const running = condition.run(world.signal.signal);
  const shown = async (): Promise<string | undefined> =>
    (await world.get('a')).status?.conditions?.find(({ type }) => type === 'NetworkUnavailable')?.status;
  // At once, so that it comes during the first look at the readiness.
  check.pass();
  await until(async () => (await shown()) === 'False', 'the condition is written');
  server.faults.denied.add('patch nodes/status');
  const before = patches();
  check.fail('the device is gone');
  await until(() => patches() > before, 'a try that is refused');
  server.faults.denied.delete('patch nodes/status');
  await until(async () => (await shown()) === 'True', 'the condition is withdrawn');
  expect(server.calls).toContain('create events');
  expect(server.events).toEqual([]);
  world.signal.abort(new Error('done'));
  await running;
});

describe('annotated addresses', () => {
  it('are told when they change, and what is no address is left out', async () => {
    await world.create('a', ['10.251.1.0/24'], { 'node-public-ip': '198.51.100.1' });
    const cluster = world.cluster();
    const heard: string[] = [];
    const node = world.name('a');
    const datastore = cluster.openDatastore({ identity: { node }, configPath: '/nowhere' });
    cluster.onAddresses = () => heard.push('changed');
    expect(await cluster.annotatedAddresses(node, SIGNAL)).toEqual({ publicIP: '198.51.100.1', publicIPv6: null });
    await datastore.list(SIGNAL);
    await world.heartbeat('a');
    expect(heard).toEqual([]);
    await world.annotate('a', { 'node-public-ip': 'nowhere', 'node-public-ipv6': '2001:db8::1' });
    await until(() => heard.length > 0, 'the change is told');
    expect(await cluster.annotatedAddresses(node, SIGNAL)).toEqual({ publicIP: null, publicIPv6: '2001:db8::1' });
    await datastore.close();
  });
});

describe('a kubeconfig file', () => {
  const open = (kubeconfigFile: string): KubeDatastore =>
    new KubeCluster({
      apiUrls: [],
      kubeconfigFile,
      kubeconfigProgram: READ_KUBECONFIG,
      annotationPrefix: world.prefix,
      env: {},
      clock: systemClock,
      logger: silentLogger,
    }).openDatastore({ identity: null, configPath: '/nowhere' });

  it('names server and token, and is waited for while it cannot be read', async () => {
    const guarded = await new TestApiServer({ tokens: ['from-file'] }).start();
    const path = join(world.directory, 'kubeconfig');
    const datastore = open(path);
    await expect(datastore.list(SIGNAL)).rejects.toMatchObject({
      code: 'DATASTORE_UNAVAILABLE',
      message: expect.stringContaining(path) as string,
    });
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server: guarded.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token: 'from-file' } }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    };
    writeFileSync(path, JSON.stringify(config));
    expect((await datastore.list(SIGNAL)).records).toEqual([]);
    await datastore.close();
    await guarded.stop();
  });
});

describe('annotation prefixes', () => {
  it.each([
    ['flannel.alpha.coreos.com', 'flannel.alpha.coreos.com/backend-type'],
    ['org.com/9', 'org.com/9-backend-type'],
    ['org.com/9-', 'org.com/9-backend-type'],
    ['org.com/', 'org.com/backend-type'],
  ])('%s', (prefix, backendType) => {
    expect(annotationNames(prefix).backendType).toBe(backendType);
  });

  it.each(['org', 'org/prefix', 'org.COM', 'org.com/PREFIX', 'org.com/a/b', ''])('refuses %j', (prefix) => {
    expect(() => annotationNames(prefix)).toThrow(/--kube-annotation-prefix/);
  });
});
