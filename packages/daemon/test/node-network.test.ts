import { Ipv4Address, TartanError, type BackendModule, type Lease, type LeaseAttrs } from '@tartan/core';
import { backend as hostgw } from '@tartan/backend-hostgw';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { NodeLease } from '../src/node-lease';
import { NodeNetwork, type NodeNetworkOptions, type StandingNetwork } from '../src/node-network';
import type { SubnetFileContent } from '../src/subnet-file';
import { watchedChecks } from './support/checks';
import { NODE, configOf, leaseOf } from './support/leases';
import { ScriptedLeaseManager } from './support/scripted-lease-manager';
import { settled, until } from './support/settle';

const LEASE = leaseOf('10.5.1.0/24');

interface Start {
  readonly withInterface?: boolean;
  readonly options?: Partial<NodeNetworkOptions['options']>;
  readonly module?: BackendModule;
  readonly remembered?: Lease;
  readonly annotatedAddresses?: NonNullable<NodeNetworkOptions['annotatedAddresses']>;
}

function setUp({ withInterface = true, options = {}, module = hostgw, remembered, annotatedAddresses }: Start = {}) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const kernel = new FakeKernel();
  const addInterface = (): void => {
    kernel.addLink({ name: 'eth0', mtuBytes: 1500, addresses: ['192.168.50.1/24'] });
    kernel.addRoute('default via 192.168.50.254 dev eth0');
  };
  if (withInterface) addInterface();
  const { checks, show } = watchedChecks(clock);
  const leaseManager = new ScriptedLeaseManager();
  const previous = { subnet: null, ipv6Subnet: null };
  const lease = new NodeLease({
    leaseManager,
    previous,
    remembered: remembered ?? null,
    check: checks.lease,
    clock,
    logger,
  });
  const files: SubnetFileContent[] = [];
  const used: StandingNetwork[] = [];
  const deps: NodeNetworkOptions = {
    options: { iface: [], ifaceRegex: [], ifaceCanReach: [], publicIp: null, publicIpv6: null, ...options },
    identity: NODE,
    netlink: kernel,
    lease,
    findBackend: (type) => {
      if (type === module.type) return module;
      throw new TartanError('BACKEND_UNKNOWN', { type, known: [module.type] });
    },
    subnetFile: { set: (content) => void files.push(content) },
    sink: { use: (standing) => void used.push(standing) },
    checks,
    clock,
    logger,
    ...(remembered && { remembered }),
    ...(annotatedAddresses && { annotatedAddresses }),
  };
  const network = new NodeNetwork(deps);
  const stop = new AbortController();
  const running = network.run(stop.signal);
  const leaseRunning = lease.run(
    { onMoved: () => network.leaseMoved(), onRenewed: (renewed) => network.leaseRenewed(renewed) },
    stop.signal,
  );
  running.catch(() => undefined);
  return {
    clock,
    logger,
    kernel,
    addInterface,
    leaseManager,
    network,
    files,
    used,
    running,
    show,
    end: async () => {
      stop.abort();
      await Promise.allSettled([running, leaseRunning]);
      kernel.close();
      expect(clock.timers).toBe(0);
      expect(kernel.subscriptions).toBe(0);
    },
  };
}

type SetUp = ReturnType<typeof setUp>;

/** Answers the acquisition under way, and waits until the network stands. */
async function standing({ clock, leaseManager, network, used }: SetUp, config = configOf()): Promise<void> {
  network.setConfig(config);
  await until(clock, () => leaseManager.acquisitions.length > 0);
  leaseManager.acquisitions.at(-1)!.resolve(LEASE);
  await until(clock, () => used.length > 0);
}

const address = (attrs: LeaseAttrs): string => attrs.publicIP.toString();

test('from a config to a network: interface, lease, subnet file, sink', async () => {
  const context = setUp();
  const { clock, network, used, files, leaseManager, show } = context;
  await clock.advance(60_000);
  expect(leaseManager.acquisitions).toHaveLength(0);
  expect(network.describe()).toBeNull();
  await standing(context);
  expect(show('interface')).toBe('+eth0 (default route)');
  expect(show('backend')).toBe('+host-gw');
  expect(show('lease')).toBe('+10.5.1.0/24');
  expect(files).toMatchObject([{ mtuBytes: 1500, lease: LEASE }]);
  expect(used).toHaveLength(1);
  expect(network.describe()).toMatchObject({ backend: 'host-gw', mtuBytes: 1500 });
  await context.end();
});

test('an interface that comes late is noticed at once, not at the next retry', async () => {
  const context = setUp({ withInterface: false });
  const { clock, kernel, network, logger, leaseManager, addInterface, show } = context;
  network.setConfig(configOf());
  await until(clock, () => clock.now() > 1_700_000_120_000, { limitMs: 200_000, stepMs: 1_000 });
  expect(show('interface')).toMatch(/^-/);
  expect(logger.matching('cannot be brought up yet')).toHaveLength(1);
  addInterface();
  await kernel.settled();
  expect(await until(clock, () => leaseManager.acquisitions.length === 1, { stepMs: 50 })).toBeLessThan(1_000);
  await context.end();
});

test('an unknown backend waits for a config that names a known one', async () => {
  const context = setUp();
  const { clock, network, leaseManager, show } = context;
  network.setConfig(configOf({ Backend: { Type: 'carrier-pigeon' } }));
  await until(clock, () => show('backend').startsWith('-unknown backend type'));
  network.setConfig(configOf());
  await until(clock, () => leaseManager.acquisitions.length === 1, { stepMs: 1 });
  await context.end();
});

test('a config that arrives while a lease is waited for counts: the wait for the old one ends', async () => {
  const context = setUp();
  const { clock, network, leaseManager, used } = context;
  network.setConfig(configOf());
  await until(clock, () => leaseManager.acquisitions.length === 1);
  network.setConfig(configOf({ Network: '10.6.0.0/16' }));
  await until(clock, () => leaseManager.acquisitions.length === 2, { stepMs: 1 });
  expect(leaseManager.acquisitions[0]!.signal.aborted).toBe(true);
  expect(leaseManager.acquisitions[1]!.input.config.ipv4?.network.toString()).toBe('10.6.0.0/16');
  leaseManager.acquisitions[1]!.resolve(leaseOf('10.6.1.0/24'));
  await until(clock, () => used.length === 1);
  expect(used[0]?.config.ipv4?.network.toString()).toBe('10.6.0.0/16');
  await context.end();
});

test('an address that changes while a lease is waited for is the one that is published', async () => {
  const context = setUp();
  const { clock, kernel, network, leaseManager, logger } = context;
  network.setConfig(configOf());
  await until(clock, () => leaseManager.acquisitions.length === 1);
  kernel.removeAddress('eth0', '192.168.50.1/24');
  kernel.addAddress('eth0', '192.168.50.77/24');
  kernel.addRoute('default via 192.168.50.254 dev eth0');
  await until(clock, () => leaseManager.acquisitions.length === 2);
  expect(leaseManager.acquisitions[0]!.signal.aborted).toBe(true);
  expect(address(leaseManager.acquisitions[1]!.input.attrs)).toBe('192.168.50.77');
  expect(logger.matching('cannot be')).toHaveLength(0);
  await context.end();
});

test('an interface made anew gets its plan while the datastore is away, and attributes follow', async () => {
  const context = setUp();
  const { clock, kernel, leaseManager, used, show } = context;
  await standing(context);
  kernel.recreateLink('eth0');
  kernel.addRoute('default via 192.168.50.254 dev eth0');
  await until(clock, () => used.length === 2);
  expect(used[1]?.externalInterface.ifindex).toBe(kernel.link('eth0').index);
  expect(show('lease')).toBe('+10.5.1.0/24');

  kernel.removeAddress('eth0', '192.168.50.1/24');
  kernel.addAddress('eth0', '192.168.50.77/24');
  kernel.addRoute('default via 192.168.50.254 dev eth0');
  await until(clock, () => used.length === 3);
  // Nobody answers updateAttrs: the network stands all the same, and the node says why it is not ready.
  expect(used[2]?.externalInterface.address?.toString()).toBe('192.168.50.77');
  expect(show('lease')).toMatch(/^-.*not published yet/);
  leaseManager.updates.at(-1)!.resolve(LEASE);
  await until(clock, () => show('lease') === '+10.5.1.0/24');
  expect(leaseManager.acquisitions).toHaveLength(1);
  await context.end();
});

test('gone and down are told and change no plan; back is told too', async () => {
  const context = setUp();
  const { clock, kernel, used, show } = context;
  await standing(context);
  kernel.setLinkDown('eth0');
  await until(clock, () => show('interface') === '-eth0 is down');
  kernel.setLinkUp('eth0');
  await until(clock, () => show('interface').startsWith('+'));
  kernel.removeLink('eth0');
  await until(clock, () => show('interface') === '-eth0 is gone');
  await clock.advance(60_000);
  expect(used).toHaveLength(1);
  kernel.addLink({ name: 'eth0', mtuBytes: 1500, addresses: ['192.168.50.1/24'] });
  kernel.addRoute('default via 192.168.50.254 dev eth0');
  await until(clock, () => used.length === 2);
  expect(show('interface')).toBe('+eth0 (default route)');
  await context.end();
});

test('an unchanged choice of interface is not logged again', async () => {
  const context = setUp();
  const { clock, logger, network, used } = context;
  await standing(context);
  network.leaseMoved();
  await until(clock, () => used.length === 2);
  expect(logger.matching('external interface chosen')).toHaveLength(1);
  await context.end();
});

describe('a changed config', () => {
  test('is applied when all of it can be while pods run', async () => {
    const context = setUp();
    const { clock, logger, network, used, files, leaseManager } = context;
    await standing(context);
    expect(network.setConfig(configOf({ SubnetMax: '10.5.200.0', Network: '10.4.0.0/15' }))).toBeNull();
    await until(clock, () => used.length === 2);
    expect(used[1]?.config.ipv4?.network.toString()).toBe('10.4.0.0/15');
    expect(files.at(-1)?.network?.toString()).toBe('10.4.0.0/15');
    expect(logger.matching('changed, applied').map(({ fields }) => fields['key'])).toContain('Network');
    expect(leaseManager.acquisitions).toHaveLength(1);
    await context.end();
  });

  test('is left alone as a whole when a part of it cannot, with what to do', async () => {
    const context = setUp();
    const { clock, logger, network, used } = context;
    await standing(context);
    const problem = network.setConfig(configOf({ Network: '10.6.0.0/16' }));
    expect(problem).toMatch(/^Network changed to 10\.6\.0\.0\/16, not applied: .*restart tartand/);
    await clock.advance(60_000);
    expect(used).toHaveLength(1);
    const line = logger.matching('changed, not applied').find(({ fields }) => fields['key'] === 'Network');
    expect(line?.fields['remedy']).toMatch(/restart/);
    // Taken back: nothing is left to tell.
    expect(network.setConfig(configOf())).toBeNull();
    await context.end();
  });
});

test('another subnet of the lease brings the network up with it', async () => {
  const context = setUp();
  const { clock, leaseManager, used, files, show } = context;
  await standing(context);
  leaseManager.listener!.onLost({ reason: 'deleted' }, LEASE);
  leaseManager.listener!.onReacquired(leaseOf('10.5.9.0/24'));
  await until(clock, () => used.length === 2);
  expect(files.at(-1)?.lease.subnet?.toString()).toBe('10.5.9.0/24');
  expect(show('lease')).toBe('+10.5.9.0/24');
  await context.end();
});

test('a renewal updates what is remembered and brings nothing up again', async () => {
  const context = setUp();
  const { clock, leaseManager, used, files } = context;
  await standing(context);
  leaseManager.listener!.onRenewed({ ...LEASE, expiresAt: 42 });
  await clock.advance(1_000);
  expect(files.at(-1)?.lease.expiresAt).toBe(42);
  expect(used).toHaveLength(1);
  await context.end();
});

test('out of subnets is tried on; a duplicate address ends the daemon at the start', async () => {
  const context = setUp();
  const { clock, leaseManager, network, show, running } = context;
  network.setConfig(configOf());
  for (const round of [1, 2]) {
    await until(clock, () => leaseManager.acquisitions.length === round);
    const data = { family: 4 as const, network: '10.5.0.0/28', used: 3, free: 0 };
    leaseManager.acquisitions.at(-1)!.reject(new TartanError('LEASE_OUT_OF_SUBNETS', data));
    await settled(1);
    expect(show('lease')).toMatch(/^-.*10\.5\.0\.0\/28/);
  }
  await until(clock, () => leaseManager.acquisitions.length === 3);
  const nodes = { subnet: '10.5.2.0/24', ourNode: 'node1', otherNode: 'node2' };
  leaseManager.acquisitions
    .at(-1)!
    .reject(new TartanError('LEASE_DUPLICATE_PUBLIC_IP', { publicIP: '192.168.50.1', ...nodes }));
  await expect(running).rejects.toMatchObject({ code: 'LEASE_DUPLICATE_PUBLIC_IP' });
  await context.end();
});

test('the network before is closed after the next one stands, and one that cannot be closed harms nobody', async () => {
  const order: string[] = [];
  let made = 0;
  const module: BackendModule = {
    ...hostgw,
    create: () => ({
      prepare: () => Promise.resolve({ backendType: 'host-gw' }),
      start: () => {
        const name = `network ${++made}`;
        order.push(`start ${name}`);
        return Promise.resolve({
          mtuBytes: 1500,
          plan: () => ({ desired: undefined, ownership: undefined, findings: [] }) as never,
          close: () => {
            order.push(`close ${name}`);
            return made === 2 ? Promise.reject(new Error('stuck')) : Promise.resolve();
          },
        });
      },
    }),
  };
  const context = setUp({ module });
  const { clock, network, logger, used } = context;
  await standing(context);
  network.leaseMoved();
  await until(clock, () => used.length === 2);
  network.leaseMoved();
  await until(clock, () => used.length === 3);
  expect(order).toEqual([
    'start network 1',
    'start network 2',
    'close network 1',
    'start network 3',
    'close network 2',
  ]);
  expect(logger.matching('could not release')).toHaveLength(1);
  await context.end();
  // While the daemon winds down packets flow on.
  expect(order.at(-1)).toBe('close network 2');
  await network.close();
  expect(order.at(-1)).toBe('close network 3');
});

test('an end in the middle of a try ends it', async () => {
  const context = setUp();
  const { clock, network, leaseManager } = context;
  network.setConfig(configOf());
  await until(clock, () => leaseManager.acquisitions.length === 1);
  await context.end();
  await expect(context.running).resolves.toBeUndefined();
});

test('publishes --public-ip, and 0.0.0.0 where IPv4 is off', async () => {
  const context = setUp({ options: { iface: ['eth0'], publicIp: Ipv4Address.parse('192.168.50.1') } });
  const { clock, kernel, network, leaseManager } = context;
  kernel.addAddress('eth0', 'fd50::1/64');
  network.setConfig(configOf({ EnableIPv4: false, EnableIPv6: true, Network: undefined, IPv6Network: 'fc00:5::/48' }));
  await until(clock, () => leaseManager.acquisitions.length === 1);
  const { attrs } = leaseManager.acquisitions[0]!.input;
  expect([address(attrs), attrs.publicIPv6?.toString()]).toEqual(['0.0.0.0', 'fd50::1']);
  await context.end();
});

test('a family that the backend does not carry is refused before anything is asked of it', async () => {
  const create = jest.fn(hostgw.create);
  const module: BackendModule = { ...hostgw, create, capabilities: { ...hostgw.capabilities, ipv4: false } };
  const world = setUp({ module });
  world.network.setConfig(configOf());
  await until(world.clock, () => world.show('backend').startsWith('-host-gw'));
  expect(world.show('backend')).toBe('-host-gw: this backend carries no IPv4, but the network config wants it');
  expect(create).not.toHaveBeenCalled();
  await world.end();
});

describe('where addresses are annotated, and what annotates them is away', () => {
  const away = async (): Promise<never> => {
    // As every answer of a network does: what repeats it without a pause must not keep the test from its end.
    await new Promise(setImmediate);
    throw new TartanError('DATASTORE_UNAVAILABLE', {
      datastore: 'kubernetes',
      operation: 'get node',
      reason: 'refused',
    });
  };

  test('the last ones are used, and the annotated ones looked for with patience', async () => {
    const answers = { read: away as NonNullable<NodeNetworkOptions['annotatedAddresses']> };
    const context = setUp({ remembered: LEASE, annotatedAddresses: (signal) => answers.read(signal) });
    const { clock, logger, leaseManager, network, used, end } = context;
    network.setConfig(configOf());
    await until(clock, () => leaseManager.acquisitions.length === 1);
    leaseManager.acquisitions[0]!.input.onUnavailable?.();
    await until(clock, () => used.length === 1);
    await until(clock, () => leaseManager.acquisitions.length === 2);
    leaseManager.acquisitions[1]!.resolve(LEASE);
    const before = clock.now();
    await until(clock, () => clock.now() - before >= 60_000, { limitMs: 120_000, stepMs: 500 });
    expect(used.length).toBeGreaterThan(3);
    expect(used.length).toBeLessThan(30);
    answers.read = () => Promise.resolve({ publicIP: '192.168.50.1', publicIPv6: null });
    const tries = logger.matching('network is up').length;
    await until(clock, () => logger.matching('network is up').length > tries, { stepMs: 500 });
    const settledAt = used.length;
    await until(clock, () => clock.now() - before >= 200_000, { limitMs: 300_000, stepMs: 1_000 });
    expect(used).toHaveLength(settledAt);
    await end();
  });
});
