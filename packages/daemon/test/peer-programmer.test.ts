import {
  createProtocolNames,
  noReconcileMetrics,
  Ipv4Prefix,
  type BackendNetwork,
  type ExternalInterface,
  type LeaseSnapshot,
  type NetworkConfig,
} from '@tartan/core';
import { backend as hostgw } from '@tartan/backend-hostgw';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import type { StandingNetwork } from '../src/node-network';
import { PeerProgrammer } from '../src/peer-programmer';
import { watchedChecks } from './support/checks';
import { NODE, configOf, leaseOf } from './support/leases';
import { until } from './support/settle';

const OWN = leaseOf('10.5.1.0/24');
const NODE2 = leaseOf('10.5.2.0/24', '192.168.50.2');
const NODE3 = leaseOf('10.5.3.0/24', '192.168.50.3');
let revision = 0;
const snapshotOf = (...leases: LeaseSnapshot['leases']): LeaseSnapshot => ({ revision: String(++revision), leases });

function setUp({ previousNetworks = [] as string[], told = [] as (readonly string[])[] } = {}) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', mtuBytes: 1500, addresses: ['192.168.50.1/24'] });
  const { checks, show } = watchedChecks(clock);
  const programmer = new PeerProgrammer({
    netlink: kernel,
    checks,
    clock,
    logger,
    metrics: noReconcileMetrics,
    protocolName: createProtocolNames(),
    previousNetworks: previousNetworks.map((network) => Ipv4Prefix.parse(network)),
    onDevices: (devices) => told.push(devices),
  });
  const stop = new AbortController();
  const running = programmer.run(stop.signal);
  const externalInterface: ExternalInterface = {
    ifname: 'eth0',
    ifindex: kernel.link('eth0').index,
    mtuBytes: 1500,
    address: OWN.attrs.publicIP,
    ipv6Address: null,
    publicIP: OWN.attrs.publicIP,
    publicIPv6: null,
    pickedBy: 'test',
  };
  const standing = async (config: NetworkConfig = configOf(), lease = OWN): Promise<StandingNetwork> => {
    const context = { config, externalInterface, netlink: kernel, clock, identity: NODE, logger };
    const backend = hostgw.create(context);
    await backend.prepare(stop.signal);
    const network: BackendNetwork = await backend.start(lease, stop.signal);
    return { config, externalInterface, module: hostgw, lease, network };
  };
  const routes = (): string[] => kernel.snapshot().routes.filter((route) => route.includes('10.'));
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
    kernel.close();
    expect(clock.timers).toBe(0);
    expect(kernel.subscriptions).toBe(0);
  };
  return { clock, kernel, programmer, standing, routes, show, end };
}

test('peers are programmed once there are both, a network and a complete list, in whatever order they come', async () => {
  const { clock, programmer, standing, routes, show, end } = setUp();
  programmer.setSnapshot(snapshotOf(NODE2, NODE3));
  expect(show('peers')).toBe('+2 known');
  await clock.advance(60_000);
  expect(routes()).toEqual([]);
  expect(programmer.status()).toBeNull();
  programmer.use(await standing());
  await until(clock, () => show('kernel') === '+2 of 2 routes');
  expect(routes()).toHaveLength(2);
  programmer.setSnapshot(snapshotOf(NODE3));
  await until(clock, () => show('kernel') === '+1 of 1 routes');
  expect(routes()).toHaveLength(1);
  await end();
});

test('our own lease in a list from before it was known to be ours is no peer', async () => {
  const { clock, programmer, standing, routes, show, end } = setUp();
  programmer.setSnapshot(snapshotOf({ ...OWN, attrs: { ...OWN.attrs, publicIP: NODE3.attrs.publicIP } }, NODE2));
  programmer.use(await standing());
  await until(clock, () => show('kernel').startsWith('+'));
  expect(routes().join()).toContain('10.5.2.0/24');
  expect(routes().join()).not.toContain('10.5.1.0/24');
  await end();
});

test('a widened network is served, and what the narrower one left is still ours to remove', async () => {
  const { clock, programmer, standing, routes, show, end } = setUp();
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => show('kernel') === '+1 of 1 routes');
  const far = leaseOf('10.4.7.0/24', '192.168.50.4');
  programmer.use(await standing(configOf({ Network: '10.4.0.0/15' })));
  programmer.setSnapshot(snapshotOf(far));
  await until(clock, () => routes().join().includes('10.4.7.0/24') && !routes().join().includes('10.5.2.0/24'));
  expect(routes()).toHaveLength(1);
  // Back again: the wider network's route goes as well.
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => routes().join().includes('10.5.2.0/24') && !routes().join().includes('10.4.7.0/24'));
  await end();
});

test('networks that were in force only for a moment leave nothing behind either', async () => {
  const { clock, programmer, standing, routes, show, end } = setUp();
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => show('kernel') === '+1 of 1 routes');
  programmer.use(await standing(configOf({ Network: '10.6.0.0/16' }), leaseOf('10.6.1.0/24')));
  programmer.use(await standing(configOf({ Network: '10.7.0.0/16' }), leaseOf('10.7.1.0/24')));
  programmer.setSnapshot(snapshotOf(leaseOf('10.7.2.0/24', '192.168.50.2')));
  await until(clock, () => routes().join().includes('10.7.2.0/24'));
  await until(clock, () => !routes().join().includes('10.5.2.0/24'));
  await end();
});

test('routes of the last run are removed also where the network is another one now', async () => {
  const { clock, kernel, programmer, standing, routes, end } = setUp({ previousNetworks: ['10.9.0.0/16'] });
  kernel.addRoute('10.9.2.0/24 via 192.168.50.2 dev eth0 proto 158');
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => routes().join().includes('10.5.2.0/24') && !routes().join().includes('10.9.2.0/24'));
  await end();
});

test('a kernel that takes nothing takes readiness back, and gives it back', async () => {
  const { clock, kernel, programmer, standing, show, end } = setUp();
  const relent = kernel.failWhen(({ op }) => op === 'route-add', 'EPERM');
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => show('kernel').startsWith('-0 of 1 routes; '));
  relent();
  await until(clock, () => show('kernel') === '+1 of 1 routes');
  await end();
});

test('health is the reconciler finishing passes', async () => {
  const { clock, kernel, programmer, standing, show, end } = setUp();
  expect(programmer.healthy).toBe(true);
  await clock.advance(3_600_000);
  expect(programmer.healthy).toBe(true);
  programmer.use(await standing());
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => show('kernel').startsWith('+'));
  await clock.advance(600_000);
  expect(programmer.healthy).toBe(true);
  kernel.holdCalls();
  await clock.advance(600_000);
  expect(programmer.healthy).toBe(false);
  kernel.releaseCalls();
  await until(clock, () => programmer.healthy);
  await end();
});

test('tells which devices the backend calls its own', async () => {
  const told: (readonly string[])[] = [];
  const { clock, programmer, standing, end } = setUp({ told });
  const one = await standing();
  const plan: BackendNetwork['plan'] = (input) => {
    const made = one.network.plan(input);
    return { ...made, ownership: { ...made.ownership, devices: ['flannel.1'] } };
  };
  programmer.use({ ...one, network: { ...one.network, plan, close: () => one.network.close() } });
  programmer.setSnapshot(snapshotOf(NODE2));
  await until(clock, () => told.length > 0);
  expect(told[0]).toEqual(['flannel.1']);
  await end();
});

describe('evidence of a broken data path', () => {
  /** The network with every evidence that its plan() is given written down. */
  function recording(standing: StandingNetwork): { readonly standing: StandingNetwork; readonly seen: unknown[] } {
    const seen: unknown[] = [];
    const { network } = standing;
    const plan: BackendNetwork['plan'] = (input) => {
      seen.push(input.evidence?.brokenTxChecksums);
      return network.plan(input);
    };
    return { seen, standing: { ...standing, network: { ...network, plan } } };
  }

  test('that comes before the first network reaches its first plan', async () => {
    const { clock, programmer, standing, show, end } = setUp();
    programmer.reportEvidence({ brokenTxChecksums: 'early' });
    const { standing: first, seen } = recording(await standing());
    programmer.use(first);
    programmer.setSnapshot(snapshotOf(NODE2));
    await until(clock, () => show('kernel').startsWith('+'));
    expect(seen).toEqual(['early']);
    await end();
  });

  test('that comes while a network works makes it plan again, and the first report of a kind stays', async () => {
    const { clock, programmer, standing, show, end } = setUp();
    const { standing: first, seen } = recording(await standing());
    programmer.use(first);
    programmer.setSnapshot(snapshotOf(NODE2));
    await until(clock, () => show('kernel').startsWith('+'));
    expect(seen).toEqual([undefined]);
    programmer.reportEvidence({ brokenTxChecksums: 'later' });
    await until(clock, () => seen.length > 1);
    programmer.reportEvidence({ brokenTxChecksums: 'again' });
    await clock.advance(1_000);
    expect(seen).toEqual([undefined, 'later']);
    await end();
  });

  test('counts for the networks after it too, also where the reconciler is made anew', async () => {
    const { clock, programmer, standing, routes, end } = setUp();
    programmer.use(await standing());
    programmer.setSnapshot(snapshotOf(NODE2));
    await until(clock, () => routes().length === 1);
    programmer.reportEvidence({ brokenTxChecksums: 'seen' });
    const wide = recording(await standing(configOf({ Network: '10.4.0.0/15' })));
    programmer.use(wide.standing);
    await until(clock, () => wide.seen.length > 0);
    expect(wide.seen).toEqual(['seen']);
    await end();
  });
});

test('peers of the last run count until the first complete list, which they never replace', async () => {
  const { clock, kernel, programmer, standing, routes, show, end } = setUp();
  kernel.addRoute('10.5.9.0/24 via 192.168.50.9 dev eth0 proto 158');
  programmer.setSnapshot({ ...snapshotOf(NODE2), remembered: true });
  programmer.use(await standing());
  await until(clock, () => show('kernel') === '+1 of 1 routes');
  expect(show('peers')).toBe('-1 of the last run, waiting for the first complete list of peers');
  expect(routes()).toHaveLength(2);
  programmer.setSnapshot(snapshotOf(NODE3));
  await until(clock, () => routes().length === 1);
  programmer.setSnapshot({ ...snapshotOf(NODE2), remembered: true });
  await clock.advance(60_000);
  expect(show('peers')).toBe('+1 known');
  expect(routes().join()).toContain('10.5.3.0/24');
  await end();
});
