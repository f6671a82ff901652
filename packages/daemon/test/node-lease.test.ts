import { TartanError, type Lease } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { NodeLease } from '../src/node-lease';
import { watchedChecks } from './support/checks';
import { attrsOf, configOf, leaseOf } from './support/leases';
import { ScriptedLeaseManager } from './support/scripted-lease-manager';
import { settled, until } from './support/settle';

const never = new AbortController().signal;
const LEASE = leaseOf('10.5.1.0/24');
const OTHER = leaseOf('10.5.2.0/24');

function setUp({ remembered = null }: { readonly remembered?: Lease | null } = {}) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const { checks, show } = watchedChecks(clock);
  const leaseManager = new ScriptedLeaseManager();
  const previous = { subnet: LEASE.subnet, ipv6Subnet: null };
  const heard: string[] = [];
  const onRemembered = (): void => void heard.push('remembered');
  const check = checks.lease;
  const lease = new NodeLease({ leaseManager, previous, remembered, onRemembered, check, clock, logger });
  const listener = {
    onRenewed: ({ subnet }: Lease) => void heard.push(`renewed ${String(subnet)}`),
    onMoved: ({ subnet }: Lease) => void heard.push(`moved ${String(subnet)}`),
  };
  const stop = new AbortController();
  const running = lease.run(listener, stop.signal);
  const outcome = running.then(
    () => 'resolved',
    (error: unknown) => String(error),
  );
  return {
    clock,
    logger,
    leaseManager,
    lease,
    heard,
    running,
    check: () => show('lease'),
    end: async () => {
      stop.abort();
      await outcome;
      expect(clock.timers).toBe(0);
    },
  };
}

type SetUp = ReturnType<typeof setUp>;
const CONFIG = configOf();

async function acquired(context: SetUp): Promise<void> {
  const obtaining = context.lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
  context.leaseManager.acquisitions.at(-1)!.resolve(LEASE);
  context.lease.use(await obtaining);
  await settled(1);
}

test('acquires once with the subnets of the last run, and hands out what is held from then on', async () => {
  const context = setUp();
  const { lease, leaseManager, check } = context;
  const obtaining = lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
  expect(check()).toBe('-waiting for a lease');
  expect(leaseManager.acquisitions[0]!.input).toMatchObject({ config: CONFIG, previousSubnet: LEASE.subnet });
  leaseManager.acquisitions[0]!.resolve(LEASE);
  expect(await obtaining).toBe(LEASE);
  lease.use(LEASE);
  expect(check()).toBe('+10.5.1.0/24');
  expect(await lease.obtain(CONFIG, attrsOf('192.168.50.1'), never)).toBe(LEASE);
  expect(leaseManager.acquisitions).toHaveLength(1);
  expect(leaseManager.updates).toHaveLength(0);
  await context.end();
});

test('changed attributes do not hold up the network: it gets the lease at once, publishing follows', async () => {
  const context = setUp();
  const { clock, lease, leaseManager, logger, check } = context;
  await acquired(context);
  expect(await lease.obtain(CONFIG, attrsOf('192.168.50.77'), never)).toBe(LEASE);
  expect(check()).toBe('-10.5.1.0/24: changed attributes are not published yet');
  await until(clock, () => leaseManager.updates.length === 1);
  // Changed again before the datastore answers: the older try is given up, and only the newest counts.
  await lease.obtain(CONFIG, attrsOf('192.168.50.78'), never);
  await until(clock, () => leaseManager.updates.length === 2);
  expect(leaseManager.updates[0]!.signal.aborted).toBe(true);
  expect(leaseManager.updates[1]!.input.publicIP.toString()).toBe('192.168.50.78');
  leaseManager.updates[1]!.resolve(LEASE);
  await until(clock, () => check() === '+10.5.1.0/24');
  expect(logger.lines).toHaveLength(0);
  await context.end();
});

test('an address that another node publishes is refused, said once, and tried again', async () => {
  const context = setUp();
  const { clock, lease, leaseManager, logger, check } = context;
  await acquired(context);
  await lease.obtain(CONFIG, attrsOf('192.168.50.2'), never);
  const taken = new TartanError('LEASE_DUPLICATE_PUBLIC_IP', {
    publicIP: '192.168.50.2',
    subnet: '10.5.2.0/24',
    ourNode: 'node1',
    otherNode: 'node2',
  });
  for (const round of [1, 2, 3]) {
    await until(clock, () => leaseManager.updates.length === round, { limitMs: 60_000, stepMs: 200 });
    leaseManager.updates.at(-1)!.reject(taken);
    await settled(1);
  }
  expect(check()).toMatch(/^-10\.5\.1\.0\/24: changed attributes cannot be published: .*node2/);
  expect(logger.matching('cannot be published')).toHaveLength(1);
  await until(clock, () => leaseManager.updates.length === 4, { limitMs: 60_000, stepMs: 200 });
  leaseManager.updates.at(-1)!.resolve(LEASE);
  await until(clock, () => check() === '+10.5.1.0/24');
  await context.end();
});

test('a lost lease keeps changed attributes for later, and is unready until it is back', async () => {
  const context = setUp();
  const { clock, lease, leaseManager, check, heard } = context;
  await acquired(context);
  leaseManager.listener!.onLost({ reason: 'taken', by: leaseOf('10.5.1.0/24', '192.168.50.9') }, LEASE);
  expect(check()).toBe('-10.5.1.0/24: the subnet 10.5.1.0/24 is held by at-192.168.50.9 (192.168.50.9)');
  await lease.obtain(CONFIG, attrsOf('192.168.50.77'), never);
  await until(clock, () => leaseManager.updates.length === 1);
  leaseManager.updates[0]!.reject(new TartanError('LEASE_NOT_HELD', {}));
  await settled(1);
  expect(check()).toMatch(/^-10\.5\.1\.0\/24: the subnet/);
  leaseManager.listener!.onReacquired(LEASE);
  expect(check()).toBe('+10.5.1.0/24');
  expect(heard).toEqual(['renewed 10.5.1.0/24']);
  await context.end();
});

test('another subnet is told, and not ready before the network stands on it', async () => {
  const context = setUp();
  const { lease, leaseManager, check, heard } = context;
  await acquired(context);
  leaseManager.listener!.onLost({ reason: 'taken', by: leaseOf('10.5.1.0/24', '192.168.50.9') }, LEASE);
  leaseManager.listener!.onReacquired(OTHER);
  expect(heard).toEqual(['moved 10.5.2.0/24']);
  expect(check()).toBe('-10.5.2.0/24: the network is being moved there');
  expect(await lease.obtain(CONFIG, attrsOf('192.168.50.1'), never)).toBe(OTHER);
  lease.use(OTHER);
  expect(check()).toBe('+10.5.2.0/24');
  await context.end();
});

test('failing renewals are told and do not make the node unready', async () => {
  const context = setUp();
  const { leaseManager, check, heard } = context;
  await acquired(context);
  leaseManager.listener!.onRenewalFailed(new Error('etcd is away'), LEASE);
  expect(check()).toBe('+10.5.1.0/24, renewal is failing: etcd is away');
  leaseManager.listener!.onRenewed(LEASE);
  expect(check()).toBe('+10.5.1.0/24');
  expect(heard).toEqual(['renewed 10.5.1.0/24']);
  await context.end();
});

test('a config that the lease does not fit asks for another lease, one that leaves it alone does not', async () => {
  const context = setUp();
  const { lease, leaseManager } = context;
  await acquired(context);
  expect(await lease.obtain(configOf({ SubnetMax: '10.5.200.0' }), attrsOf('192.168.50.1'), never)).toBe(LEASE);
  const obtaining = lease.obtain(configOf({ Network: '10.6.0.0/16' }), attrsOf('192.168.50.1'), never);
  expect(leaseManager.acquisitions).toHaveLength(2);
  leaseManager.acquisitions[1]!.resolve(leaseOf('10.6.1.0/24'));
  expect((await obtaining).subnet?.toString()).toBe('10.6.1.0/24');
  await context.end();
});

test('what ends the keeping of the lease ends the part, and nothing is left running', async () => {
  const context = setUp();
  await acquired(context);
  const error = new TartanError('LEASE_TAKEN', { subnet: '10.5.1.0/24', otherNode: 'b', publicIP: '192.168.50.9' });
  context.leaseManager.endMaintain(error);
  await expect(context.running).rejects.toBe(error);
  await context.end();
});

test('an end before anything was acquired is an end', async () => {
  const context = setUp();
  await context.end();
  await expect(context.running).resolves.toBeUndefined();
});

describe('while the datastore does not answer', () => {
  /** The network stands on the remembered lease; the acquisition that will confirm it waits. */
  async function recalled(context: SetUp): Promise<void> {
    const obtaining = context.lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
    context.leaseManager.acquisitions[0]!.input.onUnavailable!();
    context.lease.use(await obtaining);
    await until(context.clock, () => context.leaseManager.acquisitions.length === 2);
  }

  test('the remembered lease is used at once, not as if it were confirmed, and confirmed later', async () => {
    const context = setUp({ remembered: LEASE });
    const { clock, lease, leaseManager, logger, heard, check } = context;
    await recalled(context);
    expect(leaseManager.acquisitions[0]!.signal.aborted).toBe(true);
    expect(heard).toEqual(['remembered']);
    expect(lease.confirmed).toBe(false);
    expect(leaseManager.listener).toBeUndefined();
    leaseManager.acquisitions[1]!.input.onWaiting!('etcd is away');
    expect(check()).toBe('-10.5.1.0/24: of the last run, not confirmed yet: etcd is away');
    expect((await lease.obtain(CONFIG, attrsOf('192.168.50.1'), never)).subnet).toBe(LEASE.subnet);
    expect(leaseManager.acquisitions).toHaveLength(2);
    leaseManager.acquisitions[1]!.resolve(LEASE);
    await until(clock, () => check() === '+10.5.1.0/24');
    expect(heard).toEqual(['remembered', 'renewed 10.5.1.0/24']);
    expect(lease.confirmed).toBe(true);
    expect(leaseManager.listener).toBeDefined();
    expect(logger.matching('starting with the lease of the last run')).toHaveLength(1);
    await context.end();
  });

  test('when another lease comes of it, the network moves there', async () => {
    const context = setUp({ remembered: LEASE });
    const { clock, lease, leaseManager, heard, check } = context;
    await recalled(context);
    leaseManager.acquisitions[1]!.resolve(OTHER);
    await until(clock, () => heard.includes('moved 10.5.2.0/24'));
    expect(check()).toBe('-10.5.2.0/24: the network is being moved there');
    lease.use(await lease.obtain(CONFIG, attrsOf('192.168.50.1'), never));
    expect(check()).toBe('+10.5.2.0/24');
    await context.end();
  });

  test('what is in the way of a confirmation is said once and tried again; attributes changed meanwhile are published', async () => {
    const context = setUp({ remembered: LEASE });
    const { clock, lease, leaseManager, logger, check } = context;
    await recalled(context);
    leaseManager.acquisitions[1]!.reject(new TartanError('LEASE_OUT_OF_SUBNETS', { network: '10.5.0.0/16' } as never));
    await until(clock, () => leaseManager.acquisitions.length === 3);
    leaseManager.acquisitions[2]!.reject(new TartanError('LEASE_OUT_OF_SUBNETS', { network: '10.5.0.0/16' } as never));
    await until(clock, () => leaseManager.acquisitions.length === 4);
    expect(logger.matching('is not confirmed')).toHaveLength(1);
    await lease.obtain(CONFIG, attrsOf('192.168.50.77'), never);
    leaseManager.acquisitions[3]!.resolve(LEASE);
    await until(clock, () => leaseManager.updates.length === 1);
    expect(leaseManager.updates[0]!.input.publicIP.toString()).toBe('192.168.50.77');
    leaseManager.updates[0]!.resolve(LEASE);
    await until(clock, () => check() === '+10.5.1.0/24');
    await context.end();
  });

  test('nor does it have to be away: where it refuses access, the reason stays to be seen until it is cured', async () => {
    const context = setUp({ remembered: LEASE });
    const { clock, lease, leaseManager, heard, check } = context;
    const obtaining = lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
    const refusal = { datastore: 'kubernetes', operation: 'list nodes', reason: 'the ClusterRole needs list on nodes' };
    leaseManager.acquisitions[0]!.reject(new TartanError('DATASTORE_DENIED', refusal));
    lease.use(await obtaining);
    expect(heard).toEqual(['remembered']);
    await until(clock, () => leaseManager.acquisitions.length === 2);
    leaseManager.acquisitions[1]!.reject(new TartanError('DATASTORE_DENIED', refusal));
    await until(clock, () => leaseManager.acquisitions.length === 3);
    expect(check()).toMatch(/^-10\.5\.1\.0\/24: of the last run, not confirmed yet: .*ClusterRole needs list on nodes/);
    leaseManager.acquisitions[2]!.resolve(LEASE);
    await until(clock, () => check() === '+10.5.1.0/24');
    await context.end();
  });

  test('without one, a refusal ends the try', async () => {
    const context = setUp();
    const obtaining = context.lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
    const refusal = new TartanError('DATASTORE_DENIED', { datastore: 'etcd', operation: 'list', reason: 'no' });
    context.leaseManager.acquisitions[0]!.reject(refusal);
    await expect(obtaining).rejects.toBe(refusal);
    await context.end();
  });

  test.each([
    ['there is none', null],
    ['it does not fit the config', leaseOf('10.6.1.0/24')],
  ])('where %s, the lease is waited for', async (_, remembered) => {
    const context = setUp({ remembered });
    const { lease, leaseManager, heard } = context;
    const obtaining = lease.obtain(CONFIG, attrsOf('192.168.50.1'), never);
    leaseManager.acquisitions[0]!.input.onUnavailable!();
    await settled();
    expect(leaseManager.acquisitions[0]!.signal.aborted).toBe(false);
    leaseManager.acquisitions[0]!.resolve(LEASE);
    expect(await obtaining).toBe(LEASE);
    expect(heard).toEqual([]);
    await context.end();
  });
});
