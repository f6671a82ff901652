import { createLeaseMetrics } from '@tartan/core';
import { Registry } from 'prom-client';
import { attrs, owner, subnets } from './lease-fixtures';
import { LeaseWorld, type TestNode } from './lease-world';

describe('lease metrics', () => {
  let world: LeaseWorld;
  let registry: Registry;
  let node: TestNode;
  beforeEach(() => {
    world = new LeaseWorld();
    registry = new Registry();
    node = world.node('a', { metrics: createLeaseMetrics(registry), ttlSeconds: 600 });
  });
  afterEach(() => world.end());

  /** `tartan_peers`, or `tartan_lease_renewals_total{result="success"}`. */
  const value = async (sample: string): Promise<number> => {
    const line = (await registry.metrics()).split('\n').find((text) => text.startsWith(`${sample} `));
    return line === undefined ? NaN : Number(line.slice(sample.length));
  };

  it('follow Prometheus naming', async () => {
    for (const { name, help, type } of await registry.getMetricsAsJSON()) {
      expect(name).toMatch(/^tartan_[a-z_]+$/);
      expect(help).toMatch(/\.$/);
      expect(name.endsWith('_total')).toBe(String(type) === 'counter');
    }
  });

  it('tell the state of the own lease', async () => {
    await node.start();
    expect(await value('tartan_lease_held')).toBe(1);
    expect(await value('tartan_lease_expiry_timestamp_seconds')).toBe(node.lease!.expiresAt! / 1000);
    await world.clock.advance(230_000);
    expect(await value('tartan_lease_renewals_total{result="success"}')).toBe(1);
    expect(await value('tartan_lease_expiry_timestamp_seconds')).toBe(node.lease!.expiresAt! / 1000);
    world.store.put(node.lease!, attrs('192.0.2.99', { owner: owner('z') }));
    await world.until(() => node.heard.includes('lost taken'));
    expect(await value('tartan_lease_held')).toBe(0);
    expect(await value('tartan_lease_losses_total{reason="taken"}')).toBe(1);
  });

  it('tell the state of the watch', async () => {
    for (let i = 1; i <= 5; i++) world.store.put(subnets(`10.5.${i}.0/24`), attrs(`198.51.100.${i}`));
    world.store.putRaw('foo');
    await node.start();
    expect(await value('tartan_peers')).toBe(5);
    expect(await value('tartan_watch_synced')).toBe(1);
    expect(await value('tartan_watch_skipped_entries')).toBe(1);
    expect(await value('tartan_watch_last_contact_timestamp_seconds')).toBe(world.clock.now() / 1000);
    node.client.partition();
    await world.clock.advance(1000);
    expect(await value('tartan_watch_synced')).toBe(0);
    world.store.put(subnets('10.5.0.0/21'), attrs('198.51.100.77'));
    for (let i = 1; i <= 4; i++) world.store.remove(`10.5.${i}.0-24`);
    world.store.compact();
    node.client.heal();
    await world.clock.advance(3_000);
    expect(await value('tartan_watch_resyncs_total{reason="compacted"}')).toBe(1);
    expect(await value('tartan_peers_unconfirmed')).toBe(4);
    expect(await value('tartan_lease_overlaps')).toBe(1);
    expect(await value('tartan_watch_missed_changes_total')).toBe(0);
  });
});
