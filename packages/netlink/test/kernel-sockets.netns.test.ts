import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { Ipv4Address, Ipv4Prefix, parseIpAddress, type KernelEvent, type KernelOp, type RtNetlink } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace, type TestNamespace } from './support/namespaces';
import { eventually, openSockets } from './support/sockets';

const opened: { close(): unknown }[] = [];
const addon = join(__dirname, '..', 'native', 'build', 'Release', 'tartan_netlink.node');

beforeAll(() => {
  if (!existsSync(addon)) throw new Error('the native addon is not built: npm run build:native -w @tartan/netlink');
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function namespace(): Promise<TestNamespace> {
  const created = await createNamespace();
  opened.push(created);
  return created;
}

function netlinkIn(netns: TestNamespace, receiveBufferBytes?: number): RtNetlink {
  const netlink = createRtNetlink({
    netns: netns.pid,
    transport: 'native',
    ...(receiveBufferBytes === undefined ? {} : { receiveBufferBytes }),
  });
  opened.push(netlink);
  return netlink;
}

/** A veth pair that is up, with an address. */
function addNetwork(netns: TestNamespace): void {
  netns.run('ip', 'link', 'add', 'net0', 'type', 'veth', 'peer', 'name', 'net1');
  netns.run('ip', 'link', 'set', 'net1', 'up');
  netns.run('ip', 'link', 'set', 'net0', 'up');
  netns.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'net0');
}

function routes(op: 'route-replace' | 'route-delete', count: number, gateway = '192.0.2.2'): KernelOp[] {
  const first = Ipv4Address.parse('10.64.0.0');
  const via = parseIpAddress(gateway);
  return Array.from({ length: count }, (_, number) => ({
    op,
    route: { dst: Ipv4Prefix.of(first.add(number * 256), 24), protocol: 99, gateway: via },
  }));
}

describe('namespaces', () => {
  test('several at once, each with its own state, and the process stays where it is', async () => {
    const before = await createRtNetlinkHere((netlink) => netlink.listLinks());
    const names = ['one', 'two', 'three'];
    const handles = await Promise.all(names.map(async () => netlinkIn(await namespace())));
    await Promise.all(
      handles.map((netlink, number) =>
        netlink.apply([{ op: 'link-create', link: { name: names[number] ?? '', kind: 'bridge' } }]),
      ),
    );
    const lists = await Promise.all(handles.map((netlink) => netlink.listLinks()));
    expect(lists.map((links) => links.map((link) => link.name))).toEqual(names.map((name) => ['lo', name]));
    expect(await createRtNetlinkHere((netlink) => netlink.listLinks())).toEqual(before);
  });

  test('sysctls are those of the namespace', async () => {
    const path = 'net/ipv4/ip_default_ttl';
    const here = await createRtNetlinkHere((netlink) => netlink.readSysctl(path));
    const netlink = netlinkIn(await namespace());
    await netlink.writeSysctl(path, '99');
    expect(await netlink.readSysctl(path)).toBe('99');
    expect(await createRtNetlinkHere((other) => other.readSysctl(path))).toBe(here);
  });

  test('one that does not exist is a clean error, call by call', async () => {
    const netlink = createRtNetlink({ netns: '/run/netns/there-is-none', transport: 'native' });
    opened.push(netlink);
    const failure = { code: 'KERNEL_SOCKET', data: { errnoName: 'ENOENT' } };
    await expect(netlink.listLinks()).rejects.toMatchObject(failure);
    expect(await netlink.apply(routes('route-replace', 1))).toMatchObject([{ ok: false, error: failure }]);
  });
});

describe('overruns', () => {
  test('a storm of changes ends in resync, and whoever reads again after it misses nothing', async () => {
    const netns = await namespace();
    addNetwork(netns);
    const writer = netlinkIn(netns);
    // The smallest buffer that the kernel allows holds two or three notifications.
    const watcher = netlinkIn(netns, 1);
    const reader = netlinkIn(netns);
    const seen = { resync: 0, route: 0 };
    const state = { dirty: false, storm: true, known: [] as string[] };
    const subscription = watcher.subscribe(['route'], (event) => {
      if (event.type === 'resync' || event.type === 'route') seen[event.type]++;
      state.dirty = true;
    });
    await subscription.ready;
    const list = async (): Promise<string[]> =>
      (await reader.listRoutes({ protocol: 99 })).map((route) => `${String(route.dst)} via ${String(route.gateway)}`);
    const follow = (async () => {
      while (state.storm || state.dirty) {
        if (state.dirty) {
          state.dirty = false;
          state.known = await list();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (const gateway of ['192.0.2.2', '192.0.2.3', '192.0.2.4']) {
      await writer.apply(routes('route-replace', 3_000, gateway));
      await writer.apply(routes('route-delete', 1_000, gateway));
    }
    await writer.apply(routes('route-delete', 1_500, '192.0.2.4'));
    // One more, alone: it must come through as an event, or as a resync if the storm has not been read yet.
    const before = seen.route + seen.resync;
    await writer.apply(routes('route-replace', 1, '192.0.2.9'));
    await eventually('the last change is noticed', () => seen.route + seen.resync > before);
    state.storm = false;
    await follow;
    expect(seen.resync).toBeGreaterThan(0);
    expect(state.known).toEqual(await list());
    expect(state.known).toHaveLength(1_501);
  });

  test('with the smallest receive buffer lists, lookups and errors are still complete', async () => {
    const netns = await namespace();
    addNetwork(netns);
    const netlink = netlinkIn(netns, 1);
    expect((await netlink.apply(routes('route-replace', 2_000))).every((result) => result.ok)).toBe(true);
    expect(await netlink.listRoutes({ protocol: 99 })).toHaveLength(2_000);
    const lookups = await netlink.lookupRoutes(routes('route-replace', 300).map(addressOf));
    expect(lookups.every((route) => route?.gateway?.toString() === '192.0.2.2')).toBe(true);
    const refused = await netlink.apply(routes('route-replace', 300, '198.51.100.1'));
    expect(refused.filter((result) => !result.ok)).toHaveLength(300);
  });
});

describe('sockets', () => {
  test('a thousand handles opened and closed leave nothing behind', async () => {
    const netns = await namespace();
    const before = openSockets();
    for (let number = 0; number < 1_000; number++) {
      const netlink = createRtNetlink({ netns: netns.pid, transport: 'native' });
      netlink.subscribe(['route'], () => {});
      if (number % 10 === 0) await Promise.all([netlink.listLinks(), netlink.apply(routes('route-delete', 1))]);
      netlink.close();
    }
    expect(openSockets()).toBe(before);
  });

  test('handles that nobody closes are closed by the garbage collector, subscriptions live on', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const netns = await namespace();
    const before = openSockets();
    const events: KernelEvent[] = [];
    const held: RtNetlink[] = [];
    for (let number = 0; number < 50; number++) {
      const netlink = createRtNetlink({ netns: netns.pid, transport: 'native' });
      await netlink.listLinks();
      held.push(netlink);
    }
    netlinkIn(netns).subscribe(['link'], (event) => events.push(event));
    expect(openSockets()).toBe(before + 51);
    held.length = 0;
    await eventually('garbage is collected', () => {
      collect();
      return openSockets() <= before + 2;
    });
    netns.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await eventually('the subscription lives', () => events.length > 0);
  });

  test('worker threads may end at any moment, sockets open and busy', async () => {
    const netns = await namespace();
    const before = openSockets();
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { Socket } = require(workerData.addon);
      const buffer = new Uint8Array(65536);
      const dump = Buffer.from('20000000120001030100000000000000' + '00'.repeat(16), 'hex');
      let told = false;
      for (let number = 0; number < 20; number++) {
        const socket = new Socket(workerData.netns, 0, buffer, (length) => {
          if (!told && length > 0) parentPort.postMessage(length);
          told = true;
          socket.send(dump, dump.length);
        });
        socket.addMembership(1);
        socket.ref();
        socket.send(dump, dump.length);
      }`;
    for (let round = 0; round < 10; round++) {
      const worker = new Worker(source, { eval: true, workerData: { addon, netns: `/proc/${netns.pid}/ns/net` } });
      const length = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(length).toBeGreaterThan(0);
      await worker.terminate();
    }
    await eventually('sockets of the workers are closed', () => openSockets() === before);
  });
});

function addressOf(op: KernelOp): Ipv4Address {
  if (op.op !== 'route-replace' || op.route.dst.family !== 4) throw new Error('not an IPv4 route');
  return op.route.dst.address;
}

async function createRtNetlinkHere<Result>(work: (netlink: RtNetlink) => Promise<Result>): Promise<Result> {
  const netlink = createRtNetlink({ transport: 'native' });
  try {
    return await work(netlink);
  } finally {
    netlink.close();
  }
}
