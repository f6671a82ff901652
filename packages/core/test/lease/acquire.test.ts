import { Ipv4Prefix, TartanError } from '@tartan/core';
import { attrs, config, owner, place, subnets } from './lease-fixtures';
import { LeaseWorld } from './lease-world';

describe('acquire', () => {
  let world: LeaseWorld;
  beforeEach(() => (world = new LeaseWorld()));
  afterEach(() => world.end());

  it('creates a signed lease with 24 hours to live', async () => {
    const node = world.node('a');
    const lease = await node.acquire();
    expect(lease.expiresAt).toBe(world.clock.now() + 86_400_000);
    expect(lease.reservation).toBe(false);
    const [record] = world.store.list().records;
    expect(record?.attrs).toEqual({ ...node.request.attrs, owner: owner('a') });
    expect(place(record!)).toBe(node.place);
  });

  it('is idempotent: the same lease again, renewed and not rewritten', async () => {
    const node = world.node('a');
    const first = await node.acquire();
    await world.clock.advance(60_000);
    const second = await node.acquire();
    expect(second).toEqual({ ...first, expiresAt: first.expiresAt! + 60_000 });
    expect(world.store.keys()).toHaveLength(1);
  });

  it('comes back to its lease after a restart without an event for the peers', async () => {
    const first = await world.node('a').acquire();
    const revision = world.store.revision;
    const again = world.node('a', { address: '192.0.2.1' });
    expect(place(await again.acquire())).toBe(place(first));
    expect(world.store.revision).toBe(revision);
  });

  it('updates attributes of its old lease in place and keeps what others added', async () => {
    world.store.put(subnets('10.5.7.0/24'), attrs('192.0.2.1', { owner: owner('a'), extra: { note: 'kept' } }));
    const node = world.node('a', { request: { attrs: attrs('192.0.2.1', { backendType: 'vxlan' }) } });
    await node.acquire();
    expect(node.place).toBe('10.5.7.0/24');
    expect(world.store.get('10.5.7.0-24')?.attrs).toMatchObject({ backendType: 'vxlan', extra: { note: 'kept' } });
  });

  it('signs a lease that flanneld wrote for our address', async () => {
    world.store.put(subnets('10.5.7.0/24'), attrs('192.0.2.1'));
    const node = world.node('a');
    await node.acquire();
    expect(node.place).toBe('10.5.7.0/24');
    expect(world.store.get('10.5.7.0-24')?.attrs.owner).toEqual(owner('a'));
  });

  it('keeps its subnet when its address has changed', async () => {
    world.store.put(subnets('10.5.7.0/24'), attrs('198.51.100.9', { owner: owner('a') }));
    const node = world.node('a');
    await node.acquire();
    expect(node.place).toBe('10.5.7.0/24');
    expect(world.store.get('10.5.7.0-24')?.attrs.publicIP.toString()).toBe('192.0.2.1');
  });

  it('takes the previous subnet when it is free', async () => {
    const node = world.node('a');
    await node.acquire({ previousSubnet: Ipv4Prefix.parse('10.5.99.0/24') });
    expect(node.place).toBe('10.5.99.0/24');
  });

  it('keeps the previous one of several leases and deletes the others', async () => {
    for (const text of ['10.5.7.0/24', '10.5.8.0/24', '10.5.9.0/24'])
      world.store.put(subnets(text), attrs('192.0.2.1'));
    const node = world.node('a');
    await node.acquire({ previousSubnet: Ipv4Prefix.parse('10.5.8.0/24') });
    expect(world.store.keys()).toEqual(['10.5.8.0-24']);
  });

  it.each([
    ['another length', '10.5.7.0/25'],
    ['a place outside the network', '10.6.7.0/24'],
    ['a place below SubnetMin', '10.5.0.0/24'],
  ])('gives up an own lease of %s for a fitting one', async (_, old) => {
    world.store.put(subnets(old), attrs('192.0.2.1'));
    const node = world.node('a');
    await node.acquire();
    expect(node.place).toMatch(/^10\.5\.\d+\.0\/24$/);
    expect(node.place).not.toBe(old);
    expect(world.store.keys()).toHaveLength(1);
  });

  it('moves to a place that its own old lease blocks', async () => {
    world.store.put(subnets('10.5.0.0/22'), attrs('192.0.2.1'));
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    await node.acquire();
    expect(['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24']).toContain(node.place);
  });

  it.each([
    ['gains an IPv6 subnet', '10.5.7.0/24', config('10.5.0.0/16', 'fc00::/48'), /^10\.5\.7\.0\/24 fc00:.*\/64$/],
    ['loses its IPv6 subnet', '10.5.7.0/24 fc00:0:0:7::/64', config('10.5.0.0/16'), /^10\.5\.7\.0\/24$/],
    ['loses its IPv4 subnet', '10.5.7.0/24 fc00:0:0:7::/64', config(null, 'fc00::/48'), /^fc00:0:0:7::\/64$/],
    [
      'gets IPv6 of another network',
      '10.5.7.0/24 fc00:9:0:7::/64',
      config('10.5.0.0/16', 'fc00::/48'),
      /^10\.5\.7\.0\/24 fc00:0:0:/,
    ],
  ])('%s in one step that nobody can come between', async (_, old, wanted, expected) => {
    world.store.put(subnets(old), attrs('192.0.2.1 2001:db8::1'));
    const node = world.node('a', { address: '192.0.2.1 2001:db8::1', request: { config: wanted } });
    await node.acquire();
    expect(node.place).toMatch(expected);
    expect(world.store.keys()).toHaveLength(1);
    expect(node.client.calls.get('move')).toBe(1);
    expect(node.client.calls.get('create')).toBeUndefined();
  });

  it('fills dual-stack places beside leases of one family only', async () => {
    world.store.put(subnets('10.5.1.0/24'), attrs('192.0.2.9'));
    world.store.put(subnets('fc00:0:0:1::/64'), attrs('2001:db8::9'));
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24', 'fc00::/62 64') } });
    await node.acquire();
    expect(node.place).toMatch(/^10\.5\.[23]\.0\/24 fc00:0:0:[23]::\/64$/);
  });

  it('says how full the network is when it is, after a second look', async () => {
    for (const text of ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24'])
      world.store.put(subnets(text), attrs('192.0.2.9'));
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    await expect(node.acquire()).rejects.toMatchObject({
      code: 'LEASE_OUT_OF_SUBNETS',
      data: { family: 4, network: '10.5.0.0/22', used: 3, free: 0 },
    });
    expect(node.client.calls.get('list')).toBe(2);
  });

  it('takes the place that another node gives back between two looks', async () => {
    for (const text of ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24'])
      world.store.put(subnets(text), attrs('192.0.2.9'));
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    const acquired = node.manager.acquire(node.request, node.signal);
    await world.until(() => node.client.calls.get('list') === 1, 1000, 1);
    world.store.remove('10.5.2.0-24');
    expect(place(await world.drive(acquired))).toBe('10.5.2.0/24');
  });

  it('does not choose a place whose key is taken by something unreadable', async () => {
    world.store.putRaw('10.5.1.0-24', 'bad value');
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24 10.5.1.0 10.5.2.0') } });
    await node.acquire();
    expect(node.place).toBe('10.5.2.0/24');
    expect(node.client.calls.get('create')).toBe(1);
  });

  it('is not kept from a lease by one unreadable entry as wide as the network', async () => {
    world.store.putRaw('10.5.0.0-16', 'bad value');
    await expect(world.node('a').acquire()).resolves.toBeDefined();
  });

  it('tries on past keys that block a place without being a lease', async () => {
    for (const key of ['10.5.1.0-99', '10.5.2.0-99']) world.store.putRaw(key, 'no such length');
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    await node.acquire();
    expect(node.place).toBe('10.5.3.0/24');
  });

  it('finds the lease whose acknowledgement was lost', async () => {
    const node = world.node('a');
    node.client.fail('create', { afterwards: true });
    await node.acquire();
    expect(world.store.keys()).toHaveLength(1);
    expect(node.client.calls.get('create')).toBe(1);
  });

  it('waits out an unreachable datastore with one line in the log, and starts by itself when it comes', async () => {
    const node = world.node('a');
    node.client.partition();
    const acquired = node.manager.acquire(node.request, node.signal);
    await world.clock.advance(600_000);
    expect(node.client.calls.get('list')).toBeGreaterThan(15);
    expect(node.logger.lines.map(({ message }) => message)).toEqual([
      'datastore does not answer, waiting to acquire a lease',
    ]);
    node.client.heal();
    await world.drive(acquired);
    expect(node.logger.lines.map(({ message }) => message).slice(1)).toEqual([
      'datastore answers again',
      'lease acquired',
    ]);
  });

  it('stops waiting as soon as the signal aborts', async () => {
    const node = world.node('a');
    node.client.partition();
    const stop = new AbortController();
    const acquired = node.manager.acquire(node.request, stop.signal);
    acquired.catch(() => undefined);
    await world.clock.advance(5_000);
    stop.abort(new Error('enough'));
    await expect(acquired).rejects.toThrow('enough');
    expect(world.clock.timers).toBe(0);
  });

  it('does not wait when the datastore refuses the credentials', async () => {
    const node = world.node('a');
    const denied = new TartanError('DATASTORE_DENIED', { datastore: 'memory', operation: 'list', reason: 'no' });
    node.client.fail('list', { error: denied });
    await expect(node.acquire()).rejects.toBe(denied);
  });

  it('waits for the assignment where an administrator assigns subnets', async () => {
    const node = world.node('a', { client: { capabilities: { allocation: false, expiry: false } } });
    const acquired = node.manager.acquire(node.request, node.signal);
    await world.clock.advance(60_000);
    expect(node.logger.matching('no lease is assigned')).toHaveLength(1);
    world.store.put(subnets('10.5.7.0/24'), attrs('192.0.2.1'), null);
    expect(place(await world.drive(acquired))).toBe('10.5.7.0/24');
    expect(node.client.calls.get('create')).toBeUndefined();
  });
});

describe('acquire against others', () => {
  let world: LeaseWorld;
  beforeEach(() => (world = new LeaseWorld()));
  afterEach(() => world.end());

  it('gives up its place to an overlapping lease that was there first', async () => {
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    const late = world.store.connect();
    // Between our listing and our write another node creates a longer prefix inside the place that we chose.
    const create = node.client.create.bind(node.client);
    let intruder: string | null = null;
    node.client.create = async (to, leaseAttrs, ttl, signal) => {
      if (intruder === null) {
        intruder = `${to.subnet!.address.add(128).toString()}/25`;
        await late.create(subnets(intruder), attrs('192.0.2.77', { owner: owner('z') }), 60, signal);
      }
      return create(to, leaseAttrs, ttl, signal);
    };
    await node.acquire();
    const theirs = subnets(intruder!);
    expect(node.lease!.subnet!.overlaps(theirs.subnet!)).toBe(false);
    expect(world.store.keys()).toHaveLength(2);
  });

  it('settles a race for one IPv6 part under two keys by age', async () => {
    const [a, b] = ['a', 'b'].map((name) =>
      world.node(name, { request: { config: config('10.5.0.0/16', 'fc00::/62 64') }, random: () => 0.5 }),
    );
    // Both have listed before either writes: different IPv4 subnets are forced on them, the IPv6 choice is the same.
    await Promise.all([
      a!.acquire({ previousSubnet: Ipv4Prefix.parse('10.5.1.0/24') }),
      b!.acquire({ previousSubnet: Ipv4Prefix.parse('10.5.2.0/24') }),
    ]);
    expect([a!.lease!.subnet!.toString(), b!.lease!.subnet!.toString()]).toEqual(['10.5.1.0/24', '10.5.2.0/24']);
    expect(a!.lease!.ipv6Subnet!.equals(b!.lease!.ipv6Subnet!)).toBe(false);
    expect(world.store.keys()).toHaveLength(2);
  });

  describe('under one public address', () => {
    it('refuses, naming both nodes', async () => {
      await world.node('a', { address: '10.0.2.15' }).acquire();
      const b = world.node('b', { address: '10.0.2.15' });
      await expect(b.acquire()).rejects.toMatchObject({
        code: 'LEASE_DUPLICATE_PUBLIC_IP',
        data: { publicIP: '10.0.2.15', ourNode: 'b', otherNode: 'a' },
      });
      expect(world.store.keys()).toHaveLength(1);
    });

    it('lets exactly one of two that start together in, and leaves no lease of the other', async () => {
      const nodes = ['a', 'b'].map((name) => world.node(name, { address: '10.0.2.15' }));
      const results = await Promise.allSettled(nodes.map((node) => node.acquire()));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'LEASE_DUPLICATE_PUBLIC_IP' },
      });
      expect(world.store.keys()).toHaveLength(1);
    });

    it('lets the node that was there first restart', async () => {
      await world.node('a', { address: '10.0.2.15' }).acquire();
      world.store.put(subnets('10.5.200.0/24'), attrs('10.0.2.15', { owner: owner('b') }));
      await expect(world.node('a', { address: '10.0.2.15' }).acquire()).resolves.toBeDefined();
    });

    it('keeps the lease under the right address when it is started with a wrong one', async () => {
      await world.node('a').acquire();
      await world.node('b', { address: '10.0.2.15' }).acquire();
      const wrong = world.node('a', { address: '10.0.2.15' });
      await expect(wrong.acquire()).rejects.toMatchObject({ code: 'LEASE_DUPLICATE_PUBLIC_IP' });
      expect(world.store.keys()).toHaveLength(2);
    });

    it('takes over from the same node with another machine id, with a warning', async () => {
      const before = await world.node('a', { address: '10.0.2.15' }).acquire();
      const reinstalled = world.node('a', { address: '10.0.2.15', identity: owner('a', 'new') });
      expect(place(await reinstalled.acquire())).toBe(place(before));
      expect(reinstalled.logger.matching('taking over the lease')).toMatchObject([{ level: 'warn' }]);
    });

    it('refuses where the common name is one that images ship with', async () => {
      await world.node('localhost', { address: '10.0.2.15', identity: owner('localhost', 'm1') }).acquire();
      const other = world.node('localhost', { address: '10.0.2.15', identity: owner('localhost', 'm2') });
      await expect(other.acquire()).rejects.toMatchObject({
        data: { ourNode: 'localhost (machine m2)', otherNode: 'localhost (machine m1)' },
      });
    });
  });

  it('gives hosts of one name and different addresses leases of their own', async () => {
    const a = await world.node('web', { identity: owner('web', 'm1') }).acquire();
    const b = await world.node('web', { identity: owner('web', 'm2') }).acquire();
    expect(place(a)).not.toBe(place(b));
  });

  it('gives cloned disks (same default name, same machine id) leases of their own', async () => {
    const identity = owner('localhost', 'cloned');
    const a = await world.node('localhost', { identity }).acquire();
    const b = await world.node('localhost', { identity }).acquire();
    expect(place(a)).not.toBe(place(b));
  });

  it('gives IPv6-only nodes leases of their own, and each its own again', async () => {
    const six = { request: { config: config(null, 'fc00::/48') } };
    const a = await world.node('a', { address: '2001:db8::1', ...six }).acquire();
    const b = await world.node('b', { address: '2001:db8::2', ...six }).acquire();
    expect(place(a)).not.toBe(place(b));
    expect(world.store.list().records.map(({ attrs: { publicIP } }) => publicIP.toString())).toEqual([
      '0.0.0.0',
      '0.0.0.0',
    ]);
    const again = await world.node('a', { address: '2001:db8::1', ...six }).acquire();
    expect(place(again)).toBe(place(a));
  });
});

describe('reservations', () => {
  let world: LeaseWorld;
  beforeEach(() => (world = new LeaseWorld()));
  afterEach(() => world.end());

  it('are used first, written without a time to live, and never renewed', async () => {
    world.store.put(subnets('10.5.8.0/24'), attrs('192.0.2.1'), null);
    const node = world.node('a');
    await node.start({ previousSubnet: Ipv4Prefix.parse('10.5.9.0/24') });
    expect(node.lease).toMatchObject({ reservation: true, expiresAt: null });
    expect(node.place).toBe('10.5.8.0/24');
    await world.clock.advance(3 * 86_400_000);
    expect(node.client.calls.get('renew')).toBeUndefined();
    expect(world.store.get('10.5.8.0-24')?.reservation).toBe(true);
    expect(world.store.get('10.5.8.0-24')?.attrs.owner).toEqual(owner('a'));
  });

  it('come before a lease that the node also has, which is given back', async () => {
    world.store.put(subnets('10.5.7.0/24'), attrs('192.0.2.1', { owner: owner('a') }));
    world.store.put(subnets('10.5.8.0/24'), attrs('192.0.2.1'), null);
    const node = world.node('a');
    await node.acquire();
    expect(world.store.keys()).toEqual(['10.5.8.0-24']);
  });

  it('of others are never given away', async () => {
    for (const text of ['10.5.1.0/24', '10.5.2.0/24']) world.store.put(subnets(text), attrs('192.0.2.50'), null);
    const node = world.node('a', { request: { config: config('10.5.0.0/22 24') } });
    await node.acquire();
    expect(node.place).toBe('10.5.3.0/24');
  });

  it('that do not fit are left alone, with a warning', async () => {
    world.store.put(subnets('10.9.8.0/24'), attrs('192.0.2.1'), null);
    const node = world.node('a');
    await node.acquire();
    expect(node.place).toMatch(/^10\.5\./);
    expect(world.store.get('10.9.8.0-24')?.reservation).toBe(true);
    expect(node.logger.matching('reservation for this node cannot be used')).toHaveLength(1);
  });

  it('stay reservations when they gain an IPv6 subnet', async () => {
    world.store.put(subnets('10.5.8.0/24'), attrs('192.0.2.1'), null);
    const node = world.node('a', { request: { config: config('10.5.0.0/16', 'fc00::/48') } });
    await node.acquire();
    expect(node.lease).toMatchObject({ reservation: true });
    expect(node.place).toMatch(/^10\.5\.8\.0\/24 fc00:/);
  });
});
