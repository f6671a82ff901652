import { backend as hostgw } from '@tartan/backend-hostgw';
import { noTrafficMetrics, parseDaemonOptions, type LeaseSnapshot } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import type { StandingNetwork } from '../src/node-network';
import { TrafficRules, desiredTraffic } from '../src/traffic-rules';
import { watchedChecks } from './support/checks';
import { FakeNft } from './support/fake-nft';
import { configOf, leaseOf } from './support/leases';

const OWN = leaseOf('10.5.1.0/24');
const PEER = leaseOf('10.5.2.0/24', '192.168.50.2');
const snapshotOf = (...leases: LeaseSnapshot['leases']): LeaseSnapshot => ({ revision: '1', leases });

const standing: StandingNetwork = {
  config: configOf(),
  externalInterface: {
    ifname: 'eth0',
    ifindex: 2,
    mtuBytes: 1500,
    address: OWN.attrs.publicIP,
    ipv6Address: null,
    publicIP: OWN.attrs.publicIP,
    publicIPv6: null,
    pickedBy: 'test',
  },
  module: hostgw,
  lease: OWN,
  network: {
    mtuBytes: 1500,
    plan: () => {
      throw new Error('nobody plans here');
    },
    close: () => Promise.resolve(),
  },
};

/** Running rules over a fake nft; everything is stopped, and timers are counted, afterwards. */
async function withRules(
  args: readonly string[],
  body: (world: {
    readonly rules: TrafficRules;
    readonly nft: FakeNft;
    readonly clock: FakeClock;
    readonly kernel: FakeKernel;
    readonly logger: MemoryLogger;
    readonly show: () => string;
  }) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const kernel = new FakeKernel();
  const nft = new FakeNft();
  const { checks, show } = watchedChecks(clock);
  const generation = { read: () => Promise.resolve(1), close: () => undefined };
  const rules = new TrafficRules({
    options: parseDaemonOptions({ argv: ['--ip-masq', ...args], env: {}, readFile: () => '' }),
    world: { runner: nft, openGeneration: () => generation },
    generation,
    netlink: kernel,
    previousNetworks: [],
    check: checks.traffic,
    metrics: noTrafficMetrics,
    clock,
    logger,
  });
  const stop = new AbortController();
  const running = rules.run(stop.signal);
  try {
    await body({ rules, nft, clock, kernel, logger, show: () => show('traffic-rules') });
  } finally {
    stop.abort();
    await running;
    kernel.close();
  }
  expect(clock.timers).toBe(0);
}

test('the node is ready while the rules stand, whatever else of the pass failed', () =>
  withRules([], async ({ rules, nft, clock, show }) => {
    // A table of the other family that cannot be looked at: something that must be taken away is not, and that is no reason.
    nft.tables = ['flannel-ipv6'];
    rules.use(standing);
    expect(show()).toBe('-not written yet');
    await clock.advance(0);
    expect(rules.status()).toMatchObject({ synced: false, problem: null });
    expect(show()).toBe('+nftables');
  }));

test('the node is not ready while rules are refused, and says why', () =>
  withRules([], async ({ rules, nft, clock, show }) => {
    nft.refusal = 'Operation not permitted';
    rules.use(standing);
    await clock.advance(1_000);
    expect(show()).toMatch(/^-nft IPv4: .*Operation not permitted/);
    nft.refusal = null;
    await clock.advance(31_000);
    expect(show()).toBe('+nftables');
  }));

describe('with --masq-node-traffic=false', () => {
  const KEEP = ['--masq-node-traffic=false'];

  test('nothing is written before the peers are known, so that the rules of the last run stand', () =>
    withRules(KEEP, async ({ rules, nft, clock, show }) => {
      rules.use(standing);
      rules.setDevices(['flannel.1']);
      await clock.advance(9_000);
      expect(nft.scripts).toEqual([]);
      expect(show()).toBe('-not written yet');
      rules.setSnapshot(snapshotOf(PEER));
      await clock.advance(0);
      expect(nft.scripts[0]).toContain('192.168.50.2');
      // Nothing that waited is left to come.
      await clock.advance(5_000);
      expect(nft.scripts.every((script) => script.includes('192.168.50.2'))).toBe(true);
    }));

  test('a snapshot that is there already is not waited for', () =>
    withRules(KEEP, async ({ rules, nft, clock }) => {
      rules.setSnapshot(snapshotOf(PEER));
      rules.use(standing);
      await clock.advance(0);
      expect(nft.scripts[0]).toContain('192.168.50.2');
    }));

  test('pods are not without masquerade for long when the datastore goes away just then', () =>
    withRules(KEEP, async ({ rules, nft, clock, logger, show }) => {
      rules.use(standing);
      await clock.advance(10_100);
      expect(nft.scripts[0]).toContain('masquerade');
      expect(show()).toBe('+nftables');
      expect(logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
        'peers are not known yet, traffic of pods to them is masqueraded until they are',
      ]);
      rules.setSnapshot(snapshotOf(PEER));
      await clock.advance(0);
      expect(nft.scripts.at(-1)).toContain('192.168.50.2');
    }));

  test('a daemon that is stopped while it waits writes nothing more', async () => {
    let seen: FakeNft | undefined;
    await withRules(KEEP, ({ rules, nft }) => {
      seen = nft;
      rules.use(standing);
      return Promise.resolve();
    });
    expect(seen?.scripts).toEqual([]);
  });
});

test('by default rules do not wait for peers', () =>
  withRules([], async ({ rules, nft, clock }) => {
    rules.use(standing);
    await clock.advance(0);
    expect(nft.scripts).toHaveLength(1);
  }));

test.each([
  [[], ['masquerade fully-random', 'accept'], []],
  [['--ip-masq=false'], ['accept'], ['masquerade']],
  [['--ip-masq-fully-random-disable'], ['masquerade comment'], ['fully-random']],
  [['--iptables-forward-rules=false'], ['masquerade fully-random'], ['accept comment']],
  [['--non-masquerade-cidrs=172.16.0.0/12'], ['ip saddr 10.5.0.0/16 ip daddr 172.16.0.0/12 counter return'], []],
])('options reach the rules: %s', (args, present, absent) =>
  withRules(args, async ({ rules, nft, clock }) => {
    rules.use(standing);
    await clock.advance(0);
    for (const text of present) expect(nft.scripts[0]).toContain(text);
    for (const text of absent) expect(nft.scripts[0]).not.toContain(text);
  }),
);

test('the backend’s own devices are looked at too, as soon as they are known', () =>
  withRules([], async ({ rules, kernel, clock }) => {
    kernel.addLink({ name: 'flannel.1' });
    await kernel.writeSysctl('net/ipv4/conf/flannel.1/rp_filter', '1');
    const strict = () => rules.status().findings.filter(({ code }) => code === 'RP_FILTER_STRICT');
    rules.use(standing);
    await clock.advance(0);
    expect(strict()).toEqual([]);
    rules.setDevices(['flannel.1']);
    await clock.advance(0);
    expect(strict()).toEqual([
      expect.objectContaining({
        subject: 'sysctl net.ipv4.conf.flannel/1.rp_filter',
        cure: expect.stringContaining('sysctl -w net.ipv4.conf.flannel/1.rp_filter=2') as string,
      }),
    ]);
  }));

test('rules follow from the node, its peers and its devices', () => {
  expect(desiredTraffic(standing, snapshotOf(PEER), ['flannel.1'])).toMatchObject({
    interfaces: ['eth0'],
    devices: ['flannel.1'],
    nodeAddresses: [OWN.attrs.publicIP, PEER.attrs.publicIP],
  });
});
