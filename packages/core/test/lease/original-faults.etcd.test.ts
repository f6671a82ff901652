/** The weaknesses of the original that show on a real etcd (flannel-compat section 13); the others are in original-faults.test.ts. */
import {
  createLeaseManager,
  type Datastore,
  type Lease,
  type LeaseManager,
  type LeaseRequest,
  type LeaseSnapshot,
} from '@tartan/core';
import { createEtcdDatastore } from '@tartan/core/datastore/etcd';
import { MemoryLogger } from '@tartan/core/testing';
import { EtcdCluster, eventually } from '@tartan/lab';
import { attrs, config, owner, place } from './lease-fixtures';

jest.setTimeout(120_000);

describe('faults of the original, on etcd', () => {
  let etcd: EtcdCluster;
  let prefix = '';
  let nodes: Node[] = [];
  let count = 0;

  beforeAll(async () => (etcd = await EtcdCluster.start()));
  afterAll(() => etcd.destroy());
  beforeEach(() => (prefix = `/test-${++count}`));
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    nodes = [];
  });

  class Node {
    readonly logger = new MemoryLogger();
    readonly datastore: Datastore = createEtcdDatastore({ endpoints: etcd.endpoints, prefix, timeoutMs: 2_000 });
    readonly manager: LeaseManager;
    readonly request: LeaseRequest;
    readonly heard: string[] = [];
    readonly snapshots: LeaseSnapshot[] = [];
    lease: Lease | null = null;
    private readonly stopping = new AbortController();
    private readonly running: Promise<void>[] = [];

    constructor(
      readonly name: string,
      address: string,
      ttlSeconds = 60,
    ) {
      this.request = { config: config('10.5.0.0/16'), attrs: attrs(address) };
      const { datastore, logger } = this;
      this.manager = createLeaseManager({ datastore, identity: owner(name), logger, ttlSeconds, confirmMs: 500 });
      nodes.push(this);
    }

    get signal(): AbortSignal {
      return this.stopping.signal;
    }

    get peers(): string[] {
      return this.snapshots.at(-1)?.leases.map(place) ?? [];
    }

    get key(): string {
      return `${prefix}/subnets/${place(this.lease!).replace('/', '-')}`;
    }

    async start(): Promise<this> {
      this.running.push(this.manager.watchPeers((snapshot) => this.snapshots.push(snapshot), this.signal));
      this.lease = await this.manager.acquire(this.request, this.signal);
      const listener = {
        onRenewed: () => this.heard.push('renewed'),
        onRenewalFailed: () => this.heard.push('failed'),
        onLost: ({ reason }: { reason: string }) => this.heard.push(`lost ${reason}`),
        onReacquired: () => this.heard.push('reacquired'),
      };
      this.running.push(this.manager.maintain(listener, this.signal));
      return this;
    }

    async stop(): Promise<void> {
      this.stopping.abort();
      await Promise.allSettled(this.running);
      await this.datastore.close();
    }
  }

  const grpcCalls = async (method: string): Promise<number> => {
    const text = await (await fetch(`${etcd.member.endpoint}/metrics`)).text();
    const pattern = new RegExp(`^grpc_server_started_total\\{grpc_method="${method}".*\\} (\\d+)$`, 'm');
    return Number(pattern.exec(text)?.[1] ?? 0);
  };

  it('E1: one bad event empties the node', async () => {
    const [a, b] = await Promise.all([new Node('a', '192.0.2.1').start(), new Node('b', '192.0.2.2').start()]);
    await eventually(() => expect(a.peers).toEqual([place(b.lease!)]));
    const before = a.snapshots.length;
    await etcd.put(`${prefix}/subnets/foo`, 'bar');
    await etcd.put(`${prefix}/subnets-foo`, 'bar');
    await etcd.put(`${prefix}/subnets/10.5.250.0-24`, '{"PublicIP":null}');
    await eventually(() => expect(a.manager.watchStatus().skipped).toHaveLength(3));
    expect(a.snapshots).toHaveLength(before);
    expect(a.peers).toEqual([place(b.lease!)]);
  });

  it('E2: after a compaction the own lease is removed and changed attributes are hidden', async () => {
    const [a, b] = await Promise.all([new Node('a', '192.0.2.1').start(), new Node('b', '192.0.2.2').start()]);
    await eventually(() => expect(a.peers).toHaveLength(1));
    await etcd.member.stop();
    await eventually(() => expect(a.manager.watchStatus().synced).toBe(false));
    await etcd.member.start();
    await b.manager.updateAttrs(attrs('192.0.2.2', { backendData: 'new' }), b.signal);
    await etcd.compact();
    await eventually(() => expect(a.snapshots.at(-1)?.leases[0]?.attrs.backendData).toBe('new'), { timeoutMs: 30_000 });
    expect(a.snapshots.every(({ leases }) => leases.every((lease) => place(lease) !== place(a.lease!)))).toBe(true);
    expect([...a.heard, ...b.heard].filter((what) => what.startsWith('lost'))).toEqual([]);
  });

  it('E4: a node that was away overwrites the new owner of its subnet', async () => {
    const a = await new Node('a', '192.0.2.1').start();
    const theirs = '{"PublicIP":"192.0.2.99","PublicIPv6":null,"BackendType":"host-gw"}';
    await etcd.put(a.key, theirs);
    await eventually(() => expect(a.heard).toContain('lost taken'));
    expect(await etcd.etcdctl(['get', '--print-value-only', a.key])).toBe(`${theirs}\n`);
  });

  it('E5: a reservation becomes a lease of 24 hours', async () => {
    const key = `${prefix}/subnets/10.5.8.0-24`;
    await etcd.put(key, '{"PublicIP":"192.0.2.1","PublicIPv6":null}');
    const a = await new Node('a', '192.0.2.1', 3).start();
    expect(a.lease).toMatchObject({ reservation: true, expiresAt: null });
    const { kvs } = JSON.parse(await etcd.etcdctl(['get', '-w', 'json', key])) as { kvs: { lease?: number }[] };
    expect(kvs).toHaveLength(1);
    expect(kvs[0]?.lease ?? 0).toBe(0);
  });

  it('E6: renewal goes on through an outage of etcd, on a short time to live', async () => {
    const a = await new Node('a', '192.0.2.1', 6).start();
    await etcd.member.stop();
    await eventually(() => expect(a.heard).toContain('failed'), { timeoutMs: 20_000 });
    await etcd.member.start();
    await eventually(() => expect(a.heard.slice(a.heard.indexOf('failed'))).toContain('renewed'), {
      timeoutMs: 20_000,
    });
    expect(await etcd.etcdctl(['get', '--keys-only', a.key])).toContain(a.key);
  });

  it('E8: one more round trip for every lease of a listing', async () => {
    for (let i = 1; i <= 30; i++) {
      await etcd.put(`${prefix}/subnets/10.5.${i}.0-24`, `{"PublicIP":"198.51.100.${i}","PublicIPv6":null}`);
    }
    const before = await grpcCalls('LeaseTimeToLive');
    const a = await new Node('a', '192.0.2.1').start();
    await eventually(() => expect(a.peers).toHaveLength(30));
    expect(await grpcCalls('LeaseTimeToLive')).toBe(before);
  });

  it('E12: an unreachable etcd is met with silence, without any time limit', async () => {
    await etcd.member.stop();
    try {
      const a = new Node('a', '192.0.2.1');
      const stop = new AbortController();
      const acquired = a.manager.acquire(a.request, stop.signal);
      acquired.catch(() => undefined);
      await eventually(() => expect(a.logger.matching('waiting to acquire a lease')).toHaveLength(1));
      stop.abort(new Error('SIGTERM'));
      await expect(acquired).rejects.toThrow('SIGTERM');
    } finally {
      await etcd.member.start();
    }
  });

  it('E13: restarts leave etcd leases behind for 24 hours', async () => {
    const leasesHere = async (): Promise<number> => {
      const leases = await etcd.leases();
      return leases.filter(({ keys }) => keys.length === 0 || keys.some((key) => key.startsWith(prefix))).length;
    };
    const before = await leasesHere();
    for (let restart = 0; restart < 5; restart++) {
      const a = await new Node('a', '192.0.2.1').start();
      await a.manager.updateAttrs(attrs('192.0.2.1', { backendData: restart }), a.signal);
      await a.stop();
    }
    expect(await leasesHere()).toBe(before + 1);
  });

  it('E14: two nodes that start together do not see each other (6 of 8 did not)', async () => {
    for (let round = 0; round < 8; round++) {
      const [a, b] = [new Node(`a${round}`, `192.0.2.${10 + round}`), new Node(`b${round}`, `192.0.2.${30 + round}`)];
      await Promise.all([a.start(), b.start()]);
      await eventually(() => {
        expect(a.peers).toContain(place(b.lease!));
        expect(b.peers).toContain(place(a.lease!));
      });
    }
  });
});
