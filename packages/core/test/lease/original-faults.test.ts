/**
 * The weaknesses of the original in its dealings with etcd (flannel-compat section 13, E1 to E14), one test each, named by the
 * fault. Each asserts what the original does not do. Those that only a real etcd can show are in original-faults.etcd.test.ts.
 */
import { Ipv4Prefix, leaseKey } from '@tartan/core';
import { attrs, config, owner, place, subnets } from './lease-fixtures';
import { LeaseWorld, type TestNode } from './lease-world';

describe('faults of the original', () => {
  let world: LeaseWorld;
  beforeEach(() => (world = new LeaseWorld()));
  afterEach(() => world.end());

  const startAll = async (...names: string[]): Promise<TestNode[]> => {
    const nodes = await Promise.all(names.map((name) => world.node(name).start()));
    await world.until(() => nodes.every((node) => node.peers?.length === names.length - 1));
    return nodes;
  };
  const settle = (): Promise<void> => world.clock.advance(100);

  it('E1: one bad event empties the node', async () => {
    const nodes = await startAll('a', 'b', 'c');
    const before = nodes.map((node) => node.peers);
    world.store.putRaw('foo', 'unparsable key');
    world.store.putRaw('10.5.300.0-24', 'unparsable key');
    const [, second] = nodes;
    world.store.putRaw('10.5.250.0-24', 'unparsable value');
    await settle();
    expect(nodes.map((node) => node.peers)).toEqual(before);
    expect(second?.manager.watchStatus().skipped).toHaveLength(3);
    // And the watch goes on after it.
    world.store.put(subnets('10.5.251.0/24'), attrs('198.51.100.1'));
    await settle();
    expect(nodes.every((node) => node.peers?.includes('10.5.251.0/24'))).toBe(true);
  });

  it('E2: the second snapshot removes the own lease and hides changed attributes', async () => {
    const [a, b] = (await startAll('a', 'b')) as [TestNode, TestNode];
    a.client.partition();
    await b.manager.updateAttrs(attrs('192.0.2.2', { backendData: { VtepMAC: 'new' } }), b.signal);
    world.store.compact();
    a.client.heal();
    await world.until(() => a.manager.watchStatus().resyncs > 0);
    await settle();
    expect(a.logger.matching('listed anew')).toMatchObject([{ fields: { reason: 'compacted' } }]);
    expect(a.snapshots.at(-1)?.leases.map((lease) => lease.attrs.backendData)).toEqual([{ VtepMAC: 'new' }]);
    expect(a.snapshots.every(({ leases }) => leases.every((lease) => place(lease) !== a.place))).toBe(true);
    expect(a.heard).toEqual([]);
  });

  it('E3: a lost allocation race is fatal', async () => {
    const network = { request: { config: config('10.5.0.0/22 24') } };
    const [a, b] = [world.node('a', { ...network, random: () => 0 }), world.node('b', { ...network, random: () => 0 })];
    await Promise.all([a.acquire(), b.acquire()]); // both list first, and both choose the first free subnet
    expect(b.client.calls.get('create')).toBe(2);
    expect([a.place, b.place]).toEqual(['10.5.1.0/24', '10.5.2.0/24']);
  });

  it('E4: a node that was away overwrites the new owner of its subnet', async () => {
    const a = await world.node('a', { ttlSeconds: 600 }).start();
    a.client.partition();
    await world.clock.advance(700_000);
    const taken = world.store.put(a.lease!, attrs('192.0.2.99', { owner: owner('z') }));
    a.client.heal();
    await world.until(() => a.heard.includes('lost taken'));
    await world.clock.advance(600_000);
    expect(world.store.get(taken.key)?.modRevision).toBe(taken.modRevision);
    // A restarted node does not either.
    await world.node('a', { address: '192.0.2.1' }).acquire();
    expect(world.store.get(taken.key)?.modRevision).toBe(taken.modRevision);
  });

  it('E5: a reservation becomes a lease of 24 hours', async () => {
    world.store.put(subnets('10.5.8.0/24'), attrs('192.0.2.1'), null);
    const a = await world.node('a').start();
    await a.manager.updateAttrs(attrs('192.0.2.1', { backendType: 'vxlan' }), a.signal);
    await world.clock.advance(48 * 3_600_000);
    expect(a.place).toBe('10.5.8.0/24');
    expect(world.store.get('10.5.8.0-24')).toMatchObject({ reservation: true, attrs: { backendType: 'vxlan' } });
  });

  it('E6: renewal stops silently after a failed first read', async () => {
    const a = world.node('a');
    await a.acquire();
    a.client.fail('list', { times: 5 });
    a.client.fail('watch', { times: 5 });
    a.maintain();
    await world.clock.advance(24 * 3_600_000);
    expect(a.heard.length).toBeGreaterThanOrEqual(2);
    expect(new Set(a.heard)).toEqual(new Set(['renewed']));
    expect(world.store.keys()).toHaveLength(1);
  });

  it('E7: a failed first snapshot leaves the backend deaf, and the process deaf to signals', async () => {
    world.store.put(subnets('10.5.9.0/24'), attrs('198.51.100.9'));
    const a = world.node('a');
    await a.acquire();
    a.client.fail('list', { times: 3 });
    a.watch();
    await world.until(() => a.peers !== null);
    expect(a.peers).toEqual(['10.5.9.0/24']);

    const b = world.node('b');
    b.client.partition();
    b.watch();
    await settle();
    await b.stop(); // settles although no snapshot was ever had
    expect(b.peers).toBeNull();
  });

  it('E8: one more round trip for every lease of a listing', async () => {
    for (let i = 1; i <= 200; i++) world.store.put(subnets(`10.5.${i}.0/24`), attrs(`198.51.100.${i}`));
    const a = await world.node('a').start({ previousSubnet: Ipv4Prefix.parse('10.5.250.0/24') });
    expect(a.peers).toHaveLength(200);
    const calls = [...a.client.calls.values()].reduce((sum, count) => sum + count, 0);
    expect(calls).toBeLessThanOrEqual(6); // list, create, list to verify, list and watch of the mirror
  });

  it('E9: a stream that breaks within a catch-up skips events', async () => {
    const a = await world.node('a').start({ previousSubnet: Ipv4Prefix.parse('10.5.200.0/24') });
    a.client.partition();
    for (let i = 1; i <= 40; i++) world.store.put(subnets(`10.5.${i}.0/24`), attrs(`198.51.100.${i}`));
    for (let i = 1; i <= 40; i += 2) world.store.remove(`10.5.${i}.0-24`);
    a.client.heal();
    const watch = a.client.watch.bind(a.client);
    const resumedAt: bigint[] = [];
    a.client.watch = async function* (after, signal) {
      resumedAt.push(after);
      let left = 4; // responses until the stream breaks
      for await (const response of watch(after, signal)) {
        yield response;
        if (--left === 0) throw new Error('the stream broke');
      }
    };
    await world.until(() => a.peers?.length === 20, 300_000);
    expect(a.peers?.every((text) => Number(text.split('.')[2]) % 2 === 0)).toBe(true);
    expect(resumedAt.length).toBeGreaterThan(2);
    expect(resumedAt).toEqual([...resumedAt].sort((x, y) => Number(x - y)));
  });

  it('E10: deleting 10.5.1.0-24&... revokes the node that owns 10.5.1.0-24', async () => {
    const a = await world.node('a').start();
    const theirs = `${leaseKey(a.lease!)}&fc00:0:0:1::-64`;
    world.store.putRaw(theirs, 'another lease');
    world.store.remove(theirs);
    await world.clock.advance(60_000);
    expect(a.heard).toEqual([]);
    expect(world.store.get(leaseKey(a.lease!))).toBeDefined();
  });

  it('E11: dual stack crashes on a v4-only lease, IPv6-only nodes share one lease', async () => {
    world.store.put(subnets('10.5.1.0/24'), attrs('198.51.100.9'));
    const dual = world.node('dual', {
      address: '192.0.2.1 2001:db8::1',
      request: { config: config('10.5.0.0/16', 'fc00::/48') },
    });
    await dual.start();
    expect(dual.place).toMatch(/^10\.5\.\d+\.0\/24 fc00:/);
    expect(dual.peers).toEqual(['10.5.1.0/24']);

    const six = { request: { config: config(null, 'fc00:1::/48') } };
    const [x, y] = [
      await world.node('x', { address: '2001:db8::11', ...six }).start(),
      await world.node('y', { address: '2001:db8::12', ...six }).start(),
    ];
    expect(x.place).not.toBe(y.place);
    await settle();
    expect(x.peers).toContain(y.place);
    expect(y.peers).toContain(x.place);
  });

  it('E12: an unreachable datastore is met with silence, and waits ignore cancellation', async () => {
    const a = world.node('a');
    a.client.partition();
    const stop = new AbortController();
    const acquired = a.manager.acquire(a.request, stop.signal);
    acquired.catch(() => undefined);
    await settle();
    expect(a.logger.lines).toMatchObject([{ level: 'warn', fields: { code: 'DATASTORE_UNAVAILABLE' } }]);
    stop.abort(new Error('SIGTERM'));
    await expect(acquired).rejects.toThrow('SIGTERM'); // without any time passing
    expect(world.clock.timers).toBe(0);
  });

  it('E13: two hosts with one address share a lease and fight over it', async () => {
    const a = await world.node('a', { address: '10.0.2.15' }).start();
    const b = world.node('b', { address: '10.0.2.15' });
    const error: unknown = await b.acquire().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LEASE_DUPLICATE_PUBLIC_IP' });
    expect((error as Error).message).toMatch(/"a".*"b"/);
    await settle();
    expect(a.heard).toEqual([]);
    expect(world.store.get(leaseKey(a.lease!))?.attrs.owner).toEqual(owner('a'));
  });

  it('E14: events between streams are lost, and shutdown and revocation panic', async () => {
    for (let round = 0; round < 8; round++) {
      const [a, b] = [world.node(`a${round}`), world.node(`b${round}`)];
      a.client.breakWatches();
      const begun = Promise.all([a.begin(), b.begin()]);
      b.client.breakWatches();
      await world.drive(begun);
      await world.until(() => (a.peers?.includes(b.place!) ?? false) && (b.peers?.includes(a.place!) ?? false));
    }
    const [first] = world.nodes as [TestNode];
    world.store.remove(leaseKey(first.lease!)); // revoked
    await world.until(() => first.heard.some((what) => what.startsWith('reacquired')));
    await Promise.all(world.nodes.map((node) => node.stop()));
    expect(world.nodes.map(({ ended }) => ended)).toEqual(world.nodes.map(() => 'resolved'));
  });
});
