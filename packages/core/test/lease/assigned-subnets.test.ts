/** Where an administrator assigns subnets (a static nodes file) nothing is created, moved or deleted. */
import { Ipv4Prefix, TartanError } from '@tartan/core';
import { attrs, config, owner, place, subnets } from './lease-fixtures';
import { LeaseWorld, type NodeOptions, type TestNode } from './lease-world';

describe('assigned subnets', () => {
  let world: LeaseWorld;
  beforeEach(() => (world = new LeaseWorld()));
  afterEach(() => world.end());

  const node = (options: NodeOptions = {}): TestNode => {
    const made = world.node('a', { client: { capabilities: { allocation: false, expiry: false } }, ...options });
    for (const forbidden of ['create', 'move', 'delete'] as const) {
      made.client.fail(forbidden, { times: 1000, error: new Error(`${forbidden} is forbidden`) });
    }
    return made;
  };
  const assign = (text: string, by = 'a', address = '192.0.2.1'): string =>
    world.store.put(subnets(text), attrs(address, { owner: owner(by, null) }), null).key;

  it('are taken as they are, without a warning about the machine', async () => {
    assign('10.5.7.0/24');
    const a = await node().start({ previousSubnet: Ipv4Prefix.parse('10.5.9.0/24') });
    await world.clock.advance(3_600_000);
    expect(a.place).toBe('10.5.7.0/24');
    expect(a.heard).toEqual([]);
    expect(a.logger.lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('are found by name where the address differs, so that the datastore can say what to correct', async () => {
    assign('10.5.7.0/24', 'a', '192.0.2.200');
    const a = node();
    const refusal = new TartanError('DATASTORE_READ_ONLY', {
      path: 'nodes.json',
      node: 'a',
      problem: 'set "publicIP"',
    });
    a.client.fail('update', { error: refusal });
    await expect(a.acquire()).rejects.toBe(refusal);
  });

  it('of another name under our address are not a duplicate but somebody else', async () => {
    assign('10.5.8.0/24', 'b');
    assign('10.5.7.0/24');
    expect(place(await node().acquire())).toBe('10.5.7.0/24');
  });

  it('that do not fit the network config are waited on, with a word about it', async () => {
    assign('10.9.7.0/24');
    const a = node();
    const acquired = a.manager.acquire(a.request, a.signal);
    await world.clock.advance(10_000);
    expect(a.logger.matching('cannot be used')).toHaveLength(1);
    expect(a.logger.matching('no lease is assigned')).toHaveLength(1);
    assign('10.5.7.0/24');
    expect(place(await world.drive(acquired))).toBe('10.5.7.0/24');
  });

  it('taken away from a running node are lost, and held again when they are given back', async () => {
    const key = assign('10.5.7.0/24');
    const a = await node().start();
    world.store.remove(key);
    await world.until(() => a.heard.includes('lost deleted'));
    await world.clock.advance(120_000);
    expect(a.heard).toEqual(['lost deleted']);
    assign('10.5.7.0/24');
    await world.until(() => a.heard.includes('reacquired 10.5.7.0/24'), 200);
  });

  it.each(['keep', 'reacquire'] as const)(
    'changed under a running node are followed, with `%s`',
    async (onLeaseLoss) => {
      const key = assign('10.5.7.0/24');
      const a = await node({ onLeaseLoss }).start();
      world.store.remove(key);
      assign('10.5.8.0/24');
      await world.until(() => a.heard.includes('reacquired 10.5.8.0/24'), 5_000);
    },
  );

  it('given long after the old ones were taken away are followed at once, also when somebody else has those', async () => {
    const key = assign('10.5.7.0/24');
    const a = await node().start();
    world.store.remove(key);
    await world.until(() => a.heard.includes('lost deleted'));
    assign('10.5.7.0/24', 'b', '192.0.2.2');
    await world.clock.advance(120_000);
    expect(a.heard.filter((line) => line.startsWith('reacquired'))).toEqual([]);
    assign('10.5.8.0/24');
    await world.until(() => a.heard.includes('reacquired 10.5.8.0/24'), 200);
  });

  it('in both families are judged whole', async () => {
    assign('10.5.7.0/24 fc00:0:0:7::/64');
    const a = node({ request: { config: config('10.5.0.0/16', 'fc00::/48') } });
    expect(place(await a.acquire())).toBe('10.5.7.0/24 fc00:0:0:7::/64');
  });
});
