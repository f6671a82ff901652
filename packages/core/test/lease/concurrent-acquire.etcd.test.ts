/** Many nodes that start at the same moment on a real etcd: each gets a lease of its own, or is told that there is none. */
import { setMaxListeners } from 'node:events';
import {
  createLeaseManager,
  isTartanError,
  type Datastore,
  type Lease,
  type LeaseSubnets,
  type NetworkConfig,
} from '@tartan/core';
import { createEtcdDatastore } from '@tartan/core/datastore/etcd';
import { EtcdCluster } from '@tartan/lab';
import { attrs, config, owner, place } from './lease-fixtures';

jest.setTimeout(120_000);

describe('concurrent acquirers on etcd', () => {
  let etcd: EtcdCluster;
  const datastores: Datastore[] = [];
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);

  beforeAll(async () => (etcd = await EtcdCluster.start()));
  afterAll(async () => {
    stop.abort();
    await Promise.all(datastores.map((datastore) => datastore.close()));
    await etcd.destroy();
  });

  const connect = (prefix: string): Datastore => {
    const datastore = createEtcdDatastore({ endpoints: etcd.endpoints, prefix });
    datastores.push(datastore);
    return datastore;
  };

  /** Starts `count` nodes, each with a connection of its own, at once. */
  const acquireAll = (
    prefix: string,
    count: number,
    network: NetworkConfig,
  ): Promise<PromiseSettledResult<Lease>[]> => {
    const managers = Array.from({ length: count }, (_, index) =>
      createLeaseManager({ datastore: connect(prefix), identity: owner(`node-${index}`) }),
    );
    return Promise.allSettled(
      managers.map((manager, index) =>
        manager.acquire(
          { config: network, attrs: attrs(`198.51.100.${index + 1} 2001:db8::${(index + 1).toString(16)}`) },
          stop.signal,
        ),
      ),
    );
  };

  const leasesOf = (results: readonly PromiseSettledResult<Lease>[]): Lease[] =>
    results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const errorsOf = (results: readonly PromiseSettledResult<Lease>[]): unknown[] =>
    results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));

  const overlapping = (all: readonly LeaseSubnets[]): string[] =>
    all.flatMap((a, index) =>
      all
        .slice(index + 1)
        .filter((b) => a.subnet?.overlaps(b.subnet!) ?? a.ipv6Subnet?.overlaps(b.ipv6Subnet!))
        .map((b) => `${place(a)} and ${place(b)}`),
    );

  const stored = async (prefix: string): Promise<string[]> => {
    const { records } = await connect(prefix).list(stop.signal);
    return records.map(place).sort();
  };

  it('100 nodes in a /23 of /30s: 100 leases, none twice', async () => {
    const results = await acquireAll('/roomy', 100, config('10.5.0.0/23 30'));
    expect(errorsOf(results)).toEqual([]);
    const leases = leasesOf(results);
    expect(new Set(leases.map(place)).size).toBe(100);
    expect(overlapping(leases)).toEqual([]);
    expect(await stored('/roomy')).toEqual(leases.map(place).sort());
  });

  it('100 nodes in a /24 of /30s: all 63 subnets are leased, and 37 nodes are told exactly that', async () => {
    const results = await acquireAll('/tight', 100, config('10.6.0.0/24 30'));
    const leases = leasesOf(results);
    const errors = errorsOf(results);
    expect([leases.length, errors.length]).toEqual([63, 37]);
    expect(overlapping(leases)).toEqual([]);
    expect(await stored('/tight')).toEqual(leases.map(place).sort());
    for (const error of errors) {
      expect(isTartanError(error, 'LEASE_OUT_OF_SUBNETS') && error.data).toEqual({
        family: 4,
        network: '10.6.0.0/24',
        used: 63,
        free: 0,
      });
    }
  });

  it('63 nodes in a /24 of /30s: exactly as many as fit, and all fit', async () => {
    const results = await acquireAll('/exact', 63, config('10.7.0.0/24 30'));
    expect(errorsOf(results)).toEqual([]);
    expect(new Set(leasesOf(results).map(place)).size).toBe(63);
  });

  it('50 dual-stack nodes with hardly more IPv6 subnets: no part is leased twice', async () => {
    const results = await acquireAll('/dual', 50, config('10.8.0.0/16 24', 'fc00::/58 64'));
    expect(errorsOf(results)).toEqual([]);
    const leases = leasesOf(results);
    expect(new Set(leases.map(({ subnet }) => subnet!.toString())).size).toBe(50);
    expect(new Set(leases.map(({ ipv6Subnet }) => ipv6Subnet!.toString())).size).toBe(50);
    expect(await stored('/dual')).toEqual(leases.map(place).sort());
  });

  it('leaves no etcd lease behind that no key hangs on', async () => {
    const [, ...ids] = (await etcd.etcdctl(['lease', 'list'])).trim().split('\n');
    expect(ids).toHaveLength(100 + 63 + 63 + 50);
  });
});
