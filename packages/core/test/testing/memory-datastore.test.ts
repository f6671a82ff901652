import { FakeClock, MemoryStore } from '@tartan/core/testing';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Prefix,
  type LeaseAttrs,
  type LeaseSubnets,
  type WatchResponse,
} from '@tartan/core';

const attrs: LeaseAttrs = { publicIP: Ipv4Address.parse('192.0.2.1'), publicIPv6: null, backendType: 'host-gw' };
const at = (subnet: string, ipv6Subnet?: string): LeaseSubnets => ({
  subnet: Ipv4Prefix.parse(subnet),
  ipv6Subnet: ipv6Subnet === undefined ? null : Ipv6Prefix.parse(ipv6Subnet),
});

function setUp() {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const stop = new AbortController();
  return { clock, store, client: store.connect(), stop, signal: stop.signal };
}

async function take(watch: AsyncIterator<WatchResponse>): Promise<WatchResponse> {
  const result = await watch.next();
  if (result.done) throw new Error('the watch ended');
  return result.value;
}

describe('MemoryStore', () => {
  it('shows one state to all clients', async () => {
    const { store, client, signal } = setUp();
    const made = await client.create(at('10.5.1.0/24'), attrs, 60, signal);
    const { records } = await store.connect().list(signal);
    expect(records).toEqual([{ ...made, expiresAt: null }]);
  });

  it('refuses a second key with the same IPv4 network address, unparsable ones included', async () => {
    const { store, client, signal } = setUp();
    await client.create(at('10.5.1.0/24'), attrs, 60, signal);
    await expect(client.create(at('10.5.1.0/25'), attrs, 60, signal)).rejects.toMatchObject({
      code: 'DATASTORE_CONFLICT',
    });
    store.putRaw('10.5.2.0-24');
    await expect(client.create(at('10.5.2.0/24', 'fc00::/64'), attrs, 60, signal)).rejects.toMatchObject({
      code: 'DATASTORE_CONFLICT',
    });
  });

  it('moves in one revision and one response', async () => {
    const { client, signal, stop } = setUp();
    const old = await client.create(at('10.5.1.0/24'), attrs, 60, signal);
    const watch = client.watch(old.modRevision, signal);
    await take(watch);
    const moved = await client.move(old, at('10.5.1.0/24', 'fc00:0:0:1::/64'), attrs, 60, signal);
    const { revision, events } = await take(watch);
    expect(revision).toBe(moved.modRevision);
    expect(events.map(({ type }) => type)).toEqual(['delete', 'put']);
    stop.abort();
    await expect(watch.next()).rejects.toThrow();
  });

  it('expires keys, tells watchers, and leaves no timer behind', async () => {
    const { clock, client, signal, stop } = setUp();
    const made = await client.create(at('10.5.1.0/24'), attrs, 60, signal);
    const watch = client.watch(made.modRevision, signal);
    await take(watch);
    await clock.advance(60_000);
    expect((await take(watch)).events).toEqual([{ type: 'delete', key: made.key, modRevision: made.modRevision + 1n }]);
    await expect(client.renew(made, 60, signal)).rejects.toMatchObject({ code: 'DATASTORE_LEASE_GONE' });
    stop.abort();
    await expect(watch.next()).rejects.toThrow();
    expect(clock.timers).toBe(0);
  });

  it('renews without a visible change', async () => {
    const { clock, client, signal } = setUp();
    const made = await client.create(at('10.5.1.0/24'), attrs, 60, signal);
    await clock.advance(50_000);
    const renewed = await client.renew(made, 60, signal);
    expect(renewed.modRevision).toBe(made.modRevision);
    await clock.advance(50_000);
    expect((await client.list(signal)).records).toHaveLength(1);
  });

  it('keeps a reservation one through update and move', async () => {
    const { store, client, signal } = setUp();
    const made = await client.create(at('10.5.1.0/24'), attrs, null, signal);
    const moved = await client.move(
      await client.update(made, attrs, 60, signal),
      at('10.5.1.0/24', 'fc00:0:0:1::/64'),
      attrs,
      60,
      signal,
    );
    expect(moved.reservation).toBe(true);
    expect(store.keys()).toEqual(['10.5.1.0-24&fc00:0:0:1::-64']);
  });

  it('refuses to resume below the compaction and resumes above it', async () => {
    const { store, client, signal, stop } = setUp();
    store.put(at('10.5.1.0/24'), attrs);
    store.put(at('10.5.2.0/24'), attrs);
    store.compact();
    await expect(client.watch(1n, signal).next()).rejects.toMatchObject({ code: 'DATASTORE_COMPACTED' });
    const watch = client.watch(store.revision, signal);
    expect(await take(watch)).toMatchObject({ revision: store.revision, events: [] });
    stop.abort();
    await expect(watch.next()).rejects.toThrow();
  });

  it('says at once that it was rebuilt', async () => {
    const { store, client, signal, stop } = setUp();
    for (let i = 0; i < 9; i++) store.put(at(`10.5.${i}.0/24`), attrs);
    const seen = store.revision;
    const before = store.clusterId;
    store.rebuild();
    const watch = client.watch(seen, signal);
    const first = await take(watch);
    expect(first.revision).toBe(1n);
    expect(first.clusterId).not.toBe(before);
    stop.abort();
    await expect(watch.next()).rejects.toThrow();
  });

  it('loses the acknowledgement but not the write', async () => {
    const { store, client, signal } = setUp();
    client.fail('create', { afterwards: true });
    await expect(client.create(at('10.5.1.0/24'), attrs, 60, signal)).rejects.toMatchObject({
      code: 'DATASTORE_UNAVAILABLE',
    });
    expect(store.keys()).toEqual(['10.5.1.0-24']);
  });

  it('cuts off one client only', async () => {
    const { store, client, signal } = setUp();
    const watch = client.watch(1n, signal);
    await take(watch);
    client.partition();
    await expect(watch.next()).rejects.toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    await expect(client.list(signal)).rejects.toMatchObject({ code: 'DATASTORE_UNAVAILABLE' });
    expect(client.status()).toMatchObject({ reachable: false });
    await expect(store.connect().list(signal)).resolves.toBeDefined();
    client.heal();
    await expect(client.list(signal)).resolves.toBeDefined();
    expect(client.status()).toMatchObject({ reachable: true });
  });

  it('reports what does not parse beside what does', async () => {
    const { store, client, signal } = setUp();
    store.put(at('10.5.1.0/24'), attrs);
    store.putRaw('foo', 'no such form');
    const { records, skipped } = await client.list(signal);
    expect(records).toHaveLength(1);
    expect(skipped).toEqual([{ key: 'foo', reason: 'no such form', modRevision: store.revision }]);
  });
});
