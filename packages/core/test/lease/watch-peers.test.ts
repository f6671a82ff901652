import { leaseKey, type LeaseAttrs } from '@tartan/core';
import { attrs, owner, place, subnets } from './lease-fixtures';
import { LeaseWorld, type TestNode } from './lease-world';

const MINUTE = 60_000;

describe('watchPeers', () => {
  let world: LeaseWorld;
  let node: TestNode;
  beforeEach(async () => {
    world = new LeaseWorld();
    node = world.node('me', { address: '192.0.2.250' });
  });
  afterEach(() => world.end());

  const nodeAttrs = (number: number, more: Partial<LeaseAttrs> = {}): LeaseAttrs =>
    attrs(`198.51.100.${number}`, { owner: owner(`n${number}`), ...more });
  const put = (number: number, more: Partial<LeaseAttrs> = {}): string => {
    const at = subnets(`10.5.${number}.0/24`);
    world.store.put(at, nodeAttrs(number, more));
    return leaseKey(at);
  };
  const places = (...numbers: number[]): string[] => numbers.map((number) => `10.5.${number}.0/24`).sort();
  const settle = (): Promise<void> => world.clock.advance(50);

  it('starts with one complete snapshot, then one per change', async () => {
    put(1);
    put(2);
    await node.start();
    expect(node.snapshots).toHaveLength(1);
    expect(node.peers).toEqual(places(1, 2));
    put(3);
    await settle();
    expect(node.peers).toEqual(places(1, 2, 3));
    world.store.remove('10.5.1.0-24');
    await settle();
    expect(node.peers).toEqual(places(2, 3));
    expect(node.snapshots).toHaveLength(3);
  });

  it('shows changed attributes', async () => {
    put(1, { backendData: { VtepMAC: 'aa:aa:aa:aa:aa:aa' } });
    await node.start();
    put(1, { backendData: { VtepMAC: 'bb:bb:bb:bb:bb:bb' } });
    await settle();
    expect(node.snapshots.at(-1)?.leases[0]?.attrs.backendData).toEqual({ VtepMAC: 'bb:bb:bb:bb:bb:bb' });
  });

  it('forgets a peer whose lease expires', async () => {
    world.store.put(subnets('10.5.1.0/24'), nodeAttrs(1), 30);
    await node.start();
    await world.clock.advance(31_000);
    expect(node.peers).toEqual([]);
  });

  it('delivers nothing twice: a re-list without difference is no snapshot', async () => {
    put(1);
    await node.start();
    await world.clock.advance(30 * MINUTE);
    expect(node.client.calls.get('list')).toBeGreaterThan(5);
    expect(node.snapshots).toHaveLength(1);
  });

  it('makes one snapshot of a burst, and is not starved by a steady stream', async () => {
    await node.start();
    for (let number = 1; number <= 100; number++) put(number);
    await settle();
    expect(node.snapshots).toHaveLength(2);
    for (let i = 0; i < 100; i++) {
      put(1, { backendData: i });
      await world.clock.advance(2);
    }
    expect(node.snapshots.length).toBeGreaterThan(10);
    expect(node.snapshots.length).toBeLessThan(30);
  });

  it('goes on when the receiver throws', async () => {
    const seen: number[] = [];
    await node.acquire();
    const running = node.manager.watchPeers(({ leases }) => {
      seen.push(leases.length);
      throw new Error('receiver is broken');
    }, node.signal);
    await settle();
    put(1);
    await settle();
    expect(seen).toEqual([0, 1]);
    await node.stop();
    await running;
  });

  describe('the own lease', () => {
    it('is never part of it, also after an event, a re-list and a move to another subnet', async () => {
      put(1);
      await node.start();
      await node.manager.updateAttrs(attrs('192.0.2.250', { backendType: 'vxlan' }), node.signal);
      await world.clock.advance(20 * MINUTE);
      world.store.compact();
      node.client.breakWatches();
      await world.clock.advance(MINUTE);
      const before = node.place!;
      world.store.put(node.lease!, attrs('192.0.2.99', { owner: owner('z') }));
      await settle();
      expect(node.snapshots.every(({ leases }) => leases.every((lease) => place(lease) !== before))).toBe(true);
      expect(node.peers).toEqual(places(1));
    });

    it('is known by identity before anything was acquired', async () => {
      world.store.put(subnets('10.5.9.0/24'), attrs('192.0.2.250', { owner: owner('me') }));
      put(1);
      node.watch();
      await settle();
      expect(node.peers).toEqual(places(1));
    });

    it('is known by address when flanneld wrote it', async () => {
      await node.start();
      world.store.put(subnets('10.5.9.0/24'), attrs('192.0.2.250'));
      await settle();
      expect(node.peers).toEqual([]);
    });
  });

  describe('entries that do not parse', () => {
    it('leave the others alone, are listed in the status, and logged once each', async () => {
      put(1);
      world.store.putRaw('foo', 'no form');
      await node.start();
      world.store.putRaw('bar', 'no form');
      await world.clock.advance(20 * MINUTE);
      expect(node.peers).toEqual(places(1));
      expect(node.manager.watchStatus().skipped).toEqual([
        { key: 'bar', reason: 'no form' },
        { key: 'foo', reason: 'no form' },
      ]);
      expect(node.logger.matching('does not parse')).toHaveLength(2);
    });

    it('keep the last good state of their key until it is deleted, also across a re-list', async () => {
      const key = put(1);
      await node.start();
      world.store.putRaw(key, 'broken value');
      await world.clock.advance(20 * MINUTE);
      expect(node.peers).toEqual(places(1));
      world.store.remove(key);
      await settle();
      expect(node.peers).toEqual([]);
      expect(node.manager.watchStatus().skipped).toEqual([]);
    });

    it('are good again when they are', async () => {
      const key = put(1);
      await node.start();
      world.store.putRaw(key, 'broken value');
      await settle();
      put(1, { backendData: 'new' });
      await settle();
      expect(node.snapshots.at(-1)?.leases[0]?.attrs.backendData).toBe('new');
      expect(node.manager.watchStatus().skipped).toEqual([]);
    });
  });

  describe('outages', () => {
    it('resumes a broken stream where it was, without listing, and compares within seconds', async () => {
      put(1);
      await node.start();
      const lists = node.client.calls.get('list')!;
      node.client.partition();
      put(2);
      put(3);
      world.store.remove('10.5.2.0-24');
      await world.clock.advance(5_000);
      expect(node.manager.watchStatus().synced).toBe(false);
      expect(node.peers).toEqual(places(1));
      node.client.heal();
      await world.until(() => node.peers?.length === 2, 20_000);
      expect(node.peers).toEqual(places(1, 3));
      await world.clock.advance(20_000);
      expect(node.client.calls.get('list')).toBe(lists + 1);
      expect(node.manager.watchStatus()).toMatchObject({ synced: true, resyncs: 1 });
    });

    it('says so once, and once when it is over', async () => {
      await node.start();
      node.client.partition();
      await world.clock.advance(20 * MINUTE);
      node.client.heal();
      await world.clock.advance(MINUTE);
      expect(node.logger.matching('leases cannot be watched')).toHaveLength(1);
      expect(node.logger.matching('watching leases again')).toHaveLength(1);
    });

    it('lists again when the history it needs was compacted', async () => {
      put(1);
      put(4);
      put(5);
      await node.start();
      node.client.partition();
      put(2);
      world.store.remove('10.5.1.0-24');
      world.store.compact();
      node.client.heal();
      await world.until(() => node.peers?.includes('10.5.2.0/24') ?? false, 20_000);
      expect(node.peers).toEqual(places(2, 4, 5));
      expect(node.logger.matching('listed anew')).toMatchObject([{ fields: { reason: 'compacted' } }]);
    });

    it('does not spin when the stream breaks at once, every time', async () => {
      await node.start();
      const before = node.client.calls.get('watch')!;
      node.client.fail('watch', { times: 1_000_000 });
      node.client.breakWatches();
      await world.clock.advance(MINUTE);
      expect(node.client.calls.get('watch')! - before).toBeLessThan(30);
    });

    it('finds by itself what the stream has swallowed', async () => {
      put(1);
      await node.start();
      const subscribe = world.store.subscribe.bind(world.store);
      world.store.subscribe = (watcher) => subscribe({ ...watcher, onChange: () => undefined });
      node.client.breakWatches();
      await world.clock.advance(MINUTE);
      put(2); // nobody hears this
      world.store.subscribe = subscribe;
      await world.clock.advance(6 * MINUTE);
      expect(node.peers).toEqual(places(1, 2));
    });
  });

  describe('mass disappearance', () => {
    const many = [1, 2, 3, 4, 5, 6, 7, 8];

    it('in a listing is not believed before a second one, seconds later', async () => {
      many.forEach((number) => put(number));
      await node.start();
      node.client.partition();
      for (const number of many) world.store.remove(`10.5.${number}.0-24`);
      world.store.compact();
      node.client.heal();
      await world.until(() => node.manager.watchStatus().resyncs === 1, 20_000);
      await world.clock.advance(4_000);
      expect(node.peers).toEqual(places(...many));
      expect(node.manager.watchStatus().unconfirmed).toHaveLength(8);
      expect(node.logger.matching('many leases vanished at once')).toHaveLength(1);
      await world.clock.advance(3_000);
      expect(node.peers).toEqual([]);
      expect(node.logger.matching('stay away')).toHaveLength(1);
    });

    it('that was a lie of one answer leaves no trace', async () => {
      many.forEach((number) => put(number));
      await node.start();
      const list = node.client.list.bind(node.client);
      node.client.list = async (signal) => {
        node.client.list = list;
        return { ...(await list(signal)), records: [] };
      };
      await world.clock.advance(10 * MINUTE);
      expect(node.peers).toEqual(places(...many));
      expect(node.snapshots).toHaveLength(1);
    });

    it('by delete events (del --prefix) is hitless when the nodes are alive', async () => {
      const others = await Promise.all(many.map((number) => world.node(`n${number}`).start()));
      await node.start();
      const before = node.peers;
      for (const key of world.store.keys()) world.store.remove(key);
      await world.clock.advance(20_000);
      expect(node.peers).toEqual(before);
      expect(node.snapshots.every(({ leases }) => leases.length >= others.length)).toBe(true);
    });

    it('is not suspected when a few peers leave by themselves', async () => {
      put(1);
      put(2);
      await node.start();
      world.store.remove('10.5.1.0-24');
      world.store.remove('10.5.2.0-24');
      await settle();
      expect(node.peers).toEqual([]);
    });

    it('after a rebuild keeps the peers until they had time to register anew', async () => {
      many.forEach((number) => put(number));
      await node.start();
      world.store.rebuild();
      await world.clock.advance(10_000);
      expect(node.peers).toEqual(places(...many));
      put(1);
      put(2);
      await world.clock.advance(60_000);
      expect(node.peers).toEqual(places(...many));
      await world.clock.advance(70_000);
      expect(node.peers).toEqual(places(1, 2));
    });

    it('after a rebuild lets a node that comes back elsewhere give up its old place at once', async () => {
      many.forEach((number) => put(number));
      await node.start();
      world.store.rebuild();
      await world.clock.advance(10_000);
      world.store.put(subnets('10.5.77.0/24'), nodeAttrs(1));
      await settle();
      expect(node.peers).toEqual(places(2, 3, 4, 5, 6, 7, 8, 77));
    });

    it('after a rebuild lets another node have the place of an absent one', async () => {
      many.forEach((number) => put(number));
      await node.start();
      world.store.rebuild();
      await world.clock.advance(10_000);
      world.store.put(subnets('10.5.1.0/24'), nodeAttrs(99));
      await settle();
      const lease = node.snapshots.at(-1)?.leases.filter((found) => place(found) === '10.5.1.0/24');
      expect(lease?.map(({ attrs: { publicIP } }) => publicIP.toString())).toEqual(['198.51.100.99']);
    });

    it('is noticed when the revision goes back in the same cluster', async () => {
      const backup = world.store.backup();
      many.forEach((number) => put(number));
      await node.start();
      world.store.restore(backup);
      await world.until(() => node.logger.matching('rebuilt or restored').length > 0, 20_000);
      put(9);
      await settle();
      expect(node.peers).toEqual(places(...many, 9));
    });
  });

  describe('overlapping leases', () => {
    it('the older one is programmed, the younger one is left out and reported until it is gone', async () => {
      put(1);
      await node.start();
      const wide = subnets('10.5.0.0/22');
      world.store.put(wide, nodeAttrs(66));
      await settle();
      expect(node.peers).toEqual(places(1));
      expect(node.logger.matching('two leases overlap')).toMatchObject([
        { level: 'error', fields: { lease: '10.5.0.0/22', peer: 'n66', holderLease: '10.5.1.0/24', holder: 'n1' } },
      ]);
      const [found] = node.manager.watchStatus().overlaps;
      expect([found && place(found.lease), found && place(found.holder)]).toEqual(['10.5.0.0/22', '10.5.1.0/24']);
      world.store.remove('10.5.1.0-24');
      await settle();
      expect(node.peers).toEqual(['10.5.0.0/22']);
      expect(node.manager.watchStatus().overlaps).toEqual([]);
    });

    it('with our own subnet are never programmed, however old', async () => {
      await node.start();
      const { subnet } = node.lease!;
      world.store.put(subnets(`${subnet!.address.toString()}/28`), nodeAttrs(66));
      await settle();
      expect(node.peers).toEqual([]);
      expect(node.manager.watchStatus().overlaps).toHaveLength(1);
    });
  });

  it('tells when it last heard from the datastore', async () => {
    expect(node.manager.watchStatus()).toEqual({
      synced: false,
      lastContactAt: null,
      skipped: [],
      resyncs: 0,
      overlaps: [],
      unconfirmed: [],
    });
    await node.start();
    await world.clock.advance(MINUTE);
    world.store.reportProgress();
    await settle();
    expect(node.manager.watchStatus().lastContactAt).toBeGreaterThanOrEqual(world.clock.now() - 100);
  });

  it('shares one watch with maintain, and ends it when both have ended', async () => {
    await node.start();
    expect(node.client.calls.get('watch')).toBe(1);
    await node.stop();
    expect(world.clock.timers).toBe(0);
  });
});
