/**
 * Random histories of a small cluster, against an oracle that knows the store. Nodes with two configs (subnets of different
 * length), in both families, share a network so small that they meet; strangers write and delete, the network parts, watches
 * break, history is compacted, the datastore is made anew, acknowledgements get lost, junk appears.
 *
 * At every change: no two live nodes hold overlapping subnets. Once the faults stop: every node's snapshot is the oracle's set
 * without itself, every node holds a lease unless a stranger or a full network keeps it from that, and nothing is left behind.
 */
import * as fc from 'fast-check';
import { Ipv4Prefix, Ipv6Prefix, type LeaseRecord, type LeaseSubnets, type OnLeaseLoss } from '@tartan/core';
import type { MemoryOperation } from '@tartan/core/testing';
import { attrs, config, owner, place, seeded } from './lease-fixtures';
import { LeaseWorld, type TestNode } from './lease-world';

const TTL_SECONDS = 60;
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const RUNS = Number(process.env['TARTAN_MODEL_RUNS'] ?? 60);

/** What the model must know to choose sensible commands. */
interface Model {
  readonly up: Set<string>;
}

class Cluster {
  readonly world: LeaseWorld;
  readonly nodes = new Map<string, TestNode>();
  /** Nodes whose acquire() was refused, with why. */
  readonly refused = new Map<string, string>();
  violation: string | null = null;
  private readonly random: () => number;
  private readonly unsubscribe: () => void;

  constructor(seed: number) {
    this.world = new LeaseWorld(seed);
    this.random = seeded(seed);
    this.unsubscribe = this.world.store.subscribe({
      onChange: () => this.check(),
      onProgress: () => undefined,
      onBroken: () => undefined,
    });
  }

  start(name: string): void {
    const index = NAMES.indexOf(name);
    const policy: OnLeaseLoss = index % 2 === 0 ? 'reacquire' : 'keep';
    const node = this.world.node(name, {
      address: `192.0.2.${index + 1} 2001:db8::${index + 1}`,
      onLeaseLoss: policy,
      ttlSeconds: TTL_SECONDS,
      relistIntervalMs: 30_000,
      rebuildGraceMs: 20_000,
      client: { latencyMs: () => Math.floor(this.random() * 20) },
      request: { config: configOf(index) },
    });
    this.nodes.set(name, node);
    this.refused.delete(name);
    void node.begin().catch((error: unknown) => {
      if (!node.signal.aborted) this.refused.set(name, (error as { code: string }).code);
    });
  }

  async stop(name: string): Promise<void> {
    await this.nodes.get(name)?.stop();
    this.nodes.delete(name);
  }

  /** Records in the store that live nodes hold and believe to hold. */
  private held(): { readonly name: string; readonly record: LeaseRecord }[] {
    const { records } = this.world.store.list();
    return [...this.nodes].flatMap(([name, node]) => {
      if (!node.holds || !node.lease) return [];
      const wanted = place(node.lease);
      const record = records.find((found) => place(found) === wanted && found.attrs.owner?.node === name);
      return record ? [{ name, record }] : [];
    });
  }

  check(): void {
    const held = this.held();
    for (const [index, one] of held.entries()) {
      for (const other of held.slice(index + 1)) {
        if (overlaps(one.record, other.record)) {
          this.violation ??= `${one.name} holds ${one.record.key} and ${other.name} holds ${other.record.key}`;
        }
      }
    }
  }

  /** Faults stop; everything gets the time that it needs. */
  async calm(): Promise<void> {
    const { store, clock } = this.world;
    for (const node of this.nodes.values()) node.client.calm();
    await clock.advance(15_000);
    for (const { key } of store.list().skipped) store.remove(key);
    await clock.advance(240_000);
  }

  async end(): Promise<void> {
    this.unsubscribe();
    await this.world.end();
  }
}

function configOf(index: number) {
  return index < 3 ? config('10.5.0.0/24 28', 'fc00::/60 64') : config('10.5.0.0/24 27', 'fc00::/59 62');
}

function overlaps(a: LeaseSubnets, b: LeaseSubnets): boolean {
  const four = a.subnet !== null && b.subnet !== null && a.subnet.overlaps(b.subnet);
  return four || (a.ipv6Subnet !== null && b.ipv6Subnet !== null && a.ipv6Subnet.overlaps(b.ipv6Subnet));
}

/** What a node should program: older leases win over younger ones, and its own subnets over all. */
function oracle(records: readonly LeaseRecord[], name: string, own: LeaseSubnets | null): string[] {
  const accepted: LeaseRecord[] = [];
  const others = records.filter(({ attrs: { owner: by } }) => by?.node !== name);
  for (const record of others.sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1))) {
    const clashes = [...accepted, ...(own ? [own] : [])].some((other) => overlaps(other, record));
    if (!clashes) accepted.push(record);
  }
  return accepted.map(place).sort();
}

class Command implements fc.AsyncCommand<Model, Cluster> {
  constructor(
    private readonly text: string,
    private readonly guard: (model: Readonly<Model>) => boolean,
    private readonly act: (cluster: Cluster, model: Model) => void | Promise<void>,
  ) {}

  check(model: Readonly<Model>): boolean {
    return this.guard(model);
  }

  async run(model: Model, cluster: Cluster): Promise<void> {
    await this.act(cluster, model);
    await cluster.world.clock.advance(3);
    cluster.check();
    expect(cluster.violation).toBeNull();
  }

  toString(): string {
    return this.text;
  }
}

const name = fc.constantFrom(...NAMES);
const slot = fc.integer({ min: 1, max: 7 });
const operation = fc.constantFrom<MemoryOperation>('list', 'create', 'update', 'renew', 'delete', 'move', 'watch');

const onNode = (text: string, who: string, act: (node: TestNode) => void): Command =>
  new Command(
    `${text} ${who}`,
    ({ up }) => up.has(who),
    ({ nodes }) => act(nodes.get(who)!),
  );
const onStore = (text: string, act: (cluster: Cluster) => void): Command =>
  new Command(
    text,
    () => true,
    (cluster) => act(cluster),
  );

/** A key that is in the store now, by number. */
const nth = ({ world }: Cluster, index: number): string | undefined => {
  const keys = world.store.keys();
  return keys[index % Math.max(1, keys.length)];
};
const strangersPlace = (number: number, wide: boolean): LeaseSubnets => ({
  subnet: Ipv4Prefix.parse(`10.5.0.${number * 16}/${wide ? 27 : 28}`),
  ipv6Subnet: wide ? null : Ipv6Prefix.parse(`fc00:0:0:${number}::/64`),
});
const stranger = (number: number) => attrs(`198.51.100.${number}`, { owner: owner(`stranger${number}`) });

const start = name.map(
  (who) =>
    new Command(
      `start ${who}`,
      ({ up }) => !up.has(who),
      (cluster, { up }) => {
        up.add(who);
        cluster.start(who);
      },
    ),
);
const advance = fc.constantFrom(10, 100, 1_000, 10_000, 45_000, 130_000).map(
  (ms) =>
    new Command(
      `advance ${ms}`,
      () => true,
      ({ world }) => world.clock.advance(ms),
    ),
);

const commands = fc.commands(
  [
    // Named more than once: more likely.
    start,
    start,
    start,
    advance,
    advance,
    advance,
    name.map(
      (who) =>
        new Command(
          `stop ${who}`,
          ({ up }) => up.has(who),
          async (cluster, { up }) => {
            up.delete(who);
            await cluster.stop(who);
          },
        ),
    ),
    fc.constantFrom(10, 100, 1_000, 10_000, 45_000, 130_000).map(
      (ms) =>
        new Command(
          `advance ${ms}`,
          () => true,
          ({ world }) => world.clock.advance(ms),
        ),
    ),
    name.map((who) => onNode('partition', who, ({ client }) => client.partition())),
    name.map((who) => onNode('heal', who, ({ client }) => client.heal())),
    name.map((who) => onNode('break watch of', who, ({ client }) => client.breakWatches())),
    fc
      .tuple(name, operation, fc.integer({ min: 1, max: 4 }), fc.boolean())
      .map(([who, kind, times, afterwards]) =>
        onNode(`fail ${times} ${kind} ${afterwards ? 'afterwards ' : ''}of`, who, ({ client }) =>
          client.fail(kind, { times, afterwards }),
        ),
      ),
    name.map((who) =>
      onNode('change attributes of', who, (node) => {
        const changed = { ...node.request.attrs, backendData: Math.floor(node.world.clock.now()) };
        node.manager.updateAttrs(changed, node.signal).catch(() => undefined);
      }),
    ),
    fc.tuple(slot, fc.boolean()).map(([number, wide]) =>
      onStore(`stranger creates ${number}${wide ? ' wide' : ''}`, ({ world }) => {
        try {
          world.store.create(strangersPlace(number, wide), stranger(number), 1_000_000);
        } catch {
          // taken: a well-behaved stranger goes away
        }
      }),
    ),
    fc.nat(9).map((index) =>
      onStore(`stranger writes over key ${index}`, (cluster) => {
        const record = cluster.world.store.get(nth(cluster, index) ?? '');
        if (record) cluster.world.store.put(record, stranger(index + 20), 1_000_000);
      }),
    ),
    fc.nat(9).map((index) =>
      onStore(`somebody deletes key ${index}`, (cluster) => {
        const key = nth(cluster, index);
        if (key !== undefined) cluster.world.store.remove(key);
      }),
    ),
    fc.nat(9).map((index) =>
      onStore(`junk over key ${index}`, (cluster) => {
        const key = nth(cluster, index);
        if (key !== undefined) cluster.world.store.putRaw(key);
      }),
    ),
    slot.map((number) => onStore(`junk at ${number}`, ({ world }) => world.store.putRaw(`10.5.0.${number * 16}-99`))),
    fc.constant(onStore('compact', ({ world }) => world.store.compact())),
    fc.constant(onStore('rebuild', ({ world }) => world.store.rebuild())),
  ],
  { maxCommands: 60, size: 'max' },
);

describe('a cluster under random faults', () => {
  it(
    'never has two holders of one address, and converges when the faults stop',
    async () => {
      const property = fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), commands, async (seed, history) => {
        const cluster = new Cluster(seed);
        try {
          const up = new Set(NAMES.slice(1));
          for (const who of up) cluster.start(who);
          await fc.asyncModelRun(() => ({ model: { up }, real: cluster }), history);
          await cluster.calm();
          expectConverged(cluster);
        } finally {
          await cluster.end();
        }
      });
      await fc.assert(property, { numRuns: RUNS });
    },
    60_000 + RUNS * 200,
  );
});

function expectConverged({ world, nodes, refused }: Cluster): void {
  const { records } = world.store.list();
  const strangers = records.filter(({ attrs: { owner: by } }) => by?.node.startsWith('stranger') ?? true);
  const ours = new Set<LeaseRecord>();
  for (const [who, node] of nodes) {
    const own = records.filter(({ attrs: { owner: by } }) => by?.node === who);
    for (const record of own) ours.add(record);
    const why = refused.get(who);
    if (why !== undefined) {
      expect([who, why]).toEqual([who, 'LEASE_OUT_OF_SUBNETS']);
      continue;
    }
    const lease = node.lease!;
    if (own.length === 0) {
      const taken = strangers.concat(records).some((record) => overlaps(record, lease));
      expect([who, 'lost to another', taken && !node.holds]).toEqual([who, 'lost to another', true]);
    } else {
      expect([who, own.map(place), node.holds]).toEqual([who, [place(lease)], true]);
    }
    expect([who, node.peers]).toEqual([who, oracle(records, who, lease)]);
    expect([who, node.manager.watchStatus()]).toMatchObject([who, { synced: true, skipped: [], unconfirmed: [] }]);
  }
  // Nothing of a stopped node is left once its time is up.
  expect(records.filter((record) => !ours.has(record) && !strangers.includes(record)).map(({ key }) => key)).toEqual(
    [],
  );
}
