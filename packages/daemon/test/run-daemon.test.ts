import { Ipv4Address, Ipv4Prefix, type Datastore } from '@tartan/core';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DaemonWorld, freePort } from './support/daemon-world';
import { attrsOf } from './support/leases';
import { until, withoutTime } from './support/settle';

const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}';

let world: DaemonWorld;
beforeEach(() => {
  world = new DaemonWorld();
});
afterEach(() => world.end());

function addPeer(subnet: string, publicIP: string): void {
  world.store.create(
    { subnet: Ipv4Prefix.parse(subnet), ipv6Subnet: null },
    attrsOf(publicIP, { node: `at-${publicIP}` }),
    86_400,
  );
}

function page(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject);
  });
}

const routes = (): string => world.kernel.snapshot().routes.join('\n');

test('from nothing to ready: lease, subnet file, routes; and to the end without a trace left running', async () => {
  world.store.setConfig(CONFIG);
  addPeer('10.5.2.0/24', '192.168.50.2');
  void world.start();
  await until(world.clock, () => world.ready);
  const own = world.store.keys().find((key) => key !== '10.5.2.0-24')!;
  const subnet = own.replace(/\.0-24$/, '.1/24');
  expect(readFileSync(world.subnetFile, 'utf8')).toContain(`FLANNEL_SUBNET=${subnet}\n`);
  expect(routes()).toContain('10.5.2.0/24 via 192.168.50.2 dev eth0');
  addPeer('10.5.3.0/24', '192.168.50.3');
  await until(world.clock, () => routes().includes('10.5.3.0/24'));
  world.request();
  await world.running;
  expect(world.clock.timers).toBe(0);
  expect(world.kernel.subscriptions).toBe(0);
  // Lease, routes and file stay: traffic goes on without us.
  expect(world.store.keys()).toContain(own);
  expect(routes()).toContain('10.5.2.0/24');
});

test('health is answered while the datastore is not even open, and the status page shows what there is', async () => {
  const port = await freePort();
  let open: (datastore: Datastore) => void = () => undefined;
  void world.start({
    args: [`--healthz-port=${port}`, '--healthz-ip=127.0.0.1'],
    openDatastore: () => new Promise((resolve) => (open = resolve)),
  });
  await until(world.clock, () => world.logger.matching('health server listens').length > 0);
  expect(await page(port, '/healthz')).toMatchObject({ status: 200 });
  expect(await page(port, '/readyz?verbose')).toMatchObject({
    status: 503,
    body: expect.stringContaining('[-]lease none yet') as string,
  });
  expect(JSON.parse((await page(port, '/v1/status')).body)).toMatchObject({
    ready: false,
    network: null,
    datastore: null,
  });
  world.store.setConfig(CONFIG);
  open(world.datastore);
  await until(world.clock, () => world.ready);
  expect((await page(port, '/readyz')).status).toBe(200);
  expect(JSON.parse((await page(port, '/v1/status')).body)).toMatchObject({
    ready: true,
    node: 'node1',
    network: { backend: 'host-gw' },
    datastore: { name: 'memory', reachable: true },
  });
  expect((await page(port, '/metrics')).body).toContain('tartan_ready 1');
});

test('an address for health checks that is taken ends the start with a clear error', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  try {
    await expect(world.start({ args: [`--healthz-port=${port}`, '--healthz-ip=127.0.0.1'] })).rejects.toMatchObject({
      code: 'HEALTH_BIND_FAILED',
    });
  } finally {
    await new Promise((resolve) => taken.close(resolve));
  }
});

test('options that do not do what they seem to are told once each', async () => {
  void world.start({ args: ['--healthz-ip=127.0.0.1', '--etcd-username=root'] }).catch(() => undefined);
  await until(world.clock, () => world.logger.matching('option is probably a mistake').length === 2);
  expect(world.logger.matching('option is probably a mistake').map(({ fields }) => fields)).toMatchObject([
    { option: '--etcd-username' },
    { option: '--healthz-ip' },
  ]);
});

test('a backend module that does not exist ends the start', async () => {
  await expect(world.start({ args: ['--backend-module=./no-such-backend.js'] })).rejects.toMatchObject({
    code: 'BACKEND_MODULE_NOT_FOUND',
  });
  expect(world.kernel.subscriptions).toBe(0);
});

describe('told to stop', () => {
  /** Without any time passing on the daemon's clock: nothing is waited for. */
  async function stopsAtOnce(): Promise<void> {
    let done = false;
    world.request();
    void world.running.finally(() => (done = true));
    await withoutTime(() => done, 'the end');
    await world.running;
    expect(world.clock.timers).toBe(0);
    expect(world.kernel.subscriptions).toBe(0);
  }

  test('before the datastore is open', async () => {
    let asked = false;
    void world.start({
      openDatastore: () => {
        asked = true;
        return new Promise(() => undefined);
      },
    });
    await until(world.clock, () => asked);
    await stopsAtOnce();
  });

  test('while the config is waited for', async () => {
    void world.start();
    await until(world.clock, () => world.logger.matching('waiting for the network config').length > 0);
    await stopsAtOnce();
  });

  test('while the datastore is away', async () => {
    world.datastore.partition();
    void world.start();
    await until(world.clock, () => (world.datastore.calls.get('getConfig') ?? 0) > 3);
    await stopsAtOnce();
  });

  test('while a lease is waited for', async () => {
    world.store.setConfig('{"Network":"10.5.0.0/28","SubnetLen":30,"Backend":{"Type":"host-gw"}}');
    for (const place of [4, 8, 12]) addPeer(`10.5.0.${place}/30`, `192.168.50.1${place}`);
    void world.start();
    await until(world.clock, () => world.logger.matching('cannot be brought up yet').length > 0);
    await stopsAtOnce();
  });

  test('when it is ready', async () => {
    world.store.setConfig(CONFIG);
    void world.start();
    await until(world.clock, () => world.ready);
    await stopsAtOnce();
  });

  test('while nothing answers any more, neither datastore nor kernel: within two seconds', async () => {
    world.store.setConfig(CONFIG);
    let asked = 0;
    const hang = (): Promise<never> => new Promise(() => void (asked += 1));
    const hanging = Object.assign(Object.create(world.datastore) as Datastore, { list: hang, close: hang });
    void world.start({ openDatastore: () => Promise.resolve(hanging) });
    await until(world.clock, () => asked > 0);
    world.kernel.holdCalls();
    let done = false;
    world.request();
    void world.running.finally(() => (done = true));
    expect(await until(world.clock, () => done, { limitMs: 10_000, stepMs: 50 })).toBeLessThanOrEqual(2_000);
    expect(world.logger.matching('did not end in time')).toHaveLength(1);
    expect(world.logger.matching('not released in time').map(({ fields }) => fields['part'])).toContain('datastore');
    world.kernel.releaseCalls();
  });

  test('by a failure that nobody caught, it releases everything and tells it', async () => {
    world.store.setConfig(CONFIG);
    const running = world.start();
    await until(world.clock, () => world.ready);
    world.stop.abort(new Error('a stray rejection'));
    await expect(running).rejects.toThrow('a stray rejection');
    expect(world.clock.timers).toBe(0);
  });
});

test('a lease in strange hands ends the daemon under --on-lease-loss=exit', async () => {
  world.store.setConfig(CONFIG);
  const running = world.start({ args: ['--on-lease-loss=exit'] });
  await until(world.clock, () => world.ready);
  const [key] = world.store.keys();
  const own = world.store.get(key!)!;
  world.store.put(own, { ...own.attrs, publicIP: Ipv4Address.parse('192.168.50.9'), owner: { node: 'stranger' } });
  await until(world.clock, () => world.logger.matching('own lease is lost').length > 0);
  await expect(running).rejects.toMatchObject({ code: 'LEASE_TAKEN' });
});

test('a lease in strange hands is given up for another under --on-lease-loss=reacquire, file and all', async () => {
  world.store.setConfig(CONFIG);
  void world.start({ args: ['--on-lease-loss=reacquire'] });
  await until(world.clock, () => world.ready);
  const before = readFileSync(world.subnetFile, 'utf8');
  const [key] = world.store.keys();
  const own = world.store.get(key!)!;
  world.store.put(own, { ...own.attrs, publicIP: Ipv4Address.parse('192.168.50.9'), owner: { node: 'stranger' } });
  await until(world.clock, () => world.logger.matching('node is not ready any more').length > 0);
  await until(world.clock, () => world.ready);
  expect(readFileSync(world.subnetFile, 'utf8')).not.toBe(before);
  expect(world.store.keys()).toHaveLength(2);
  // The stranger is a peer like any other now.
  await until(world.clock, () => routes().includes('via 192.168.50.9'));
});

test('an outage of the datastore takes neither routes nor readiness', async () => {
  world.store.setConfig(CONFIG);
  addPeer('10.5.2.0/24', '192.168.50.2');
  void world.start();
  await until(world.clock, () => world.ready);
  world.datastore.partition();
  await world.clock.advance(600_000);
  expect(world.ready).toBe(true);
  expect(routes()).toContain('10.5.2.0/24');
});

test('a host that boots while the datastore is away starts from what it knew, and learns what has changed later', async () => {
  const { clock, kernel, store } = world;
  store.setConfig(CONFIG);
  addPeer('10.5.2.0/24', '192.168.50.2');
  addPeer('10.5.3.0/24', '192.168.50.3');
  void world.start();
  await until(clock, () => world.ready && routes().includes('10.5.3.0/24'));
  const state = join(world.directory, 'state');
  const remembers = (): boolean => existsSync(state) && readdirSync(state).join().includes('cluster-');
  await until(clock, remembers, { what: 'a memory of the cluster' });
  world.request();
  await world.running;

  kernel.recreateLink('eth0');
  expect(routes()).not.toContain('10.5.2.0/24');
  kernel.addRoute('10.5.9.0/24 via 192.168.50.9 dev eth0 proto 158');
  const datastore = store.connect();
  datastore.partition();
  void world.start({ openDatastore: () => Promise.resolve(datastore) });
  await until(clock, () => routes().includes('10.5.2.0/24') && routes().includes('10.5.3.0/24'));
  // It may be wrong in both directions: what is there stays, and ready is something else.
  await clock.advance(60_000);
  expect(routes()).toContain('10.5.9.0/24');
  expect(world.logger.matching('node is ready')).toHaveLength(1);

  store.remove('10.5.3.0-24');
  datastore.heal();
  await until(clock, () => !/10\.5\.[39]\.0/.test(routes()), { limitMs: 120_000 });
  expect(routes()).toContain('10.5.2.0/24');
  await until(clock, () => world.logger.matching('node is ready').length === 2, { limitMs: 120_000 });
});
