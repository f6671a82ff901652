import { createTrafficManager, noTrafficMetrics, type TrafficManager, type TrafficManagerOptions } from '../../src';
import { FakeClock, MemoryLogger } from '../../src/testing';
import { FakeIptables } from './fake-iptables';
import { NETWORK, NETWORK6, SUBNET, SUBNET6, desiredTraffic, family, prefixes, trafficPolicy } from './support';

interface World {
  readonly clock: FakeClock;
  readonly logger: MemoryLogger;
  readonly iptables: FakeIptables;
  readonly manager: TrafficManager;
  /** Chains written for which reason. */
  readonly written: string[];
  settle(): Promise<void>;
}

const sysctls = {
  readSysctl: (path: string): Promise<string> => Promise.resolve(path.endsWith('rp_filter') ? '0' : '1'),
  writeSysctl: (): Promise<void> => Promise.resolve(),
};

/** A manager that runs over a fake iptables and a fake clock; it is stopped, and its timers are counted, afterwards. */
async function withManager(
  options: Partial<TrafficManagerOptions>,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const iptables = new FakeIptables();
  const written: string[] = [];
  const manager = createTrafficManager({
    choice: 'auto',
    policy: trafficPolicy(),
    runner: iptables,
    sysctls,
    readText: () => Promise.resolve('nat\nfilter\n'),
    clock,
    logger,
    random: () => 0.5,
    metrics: {
      ...noTrafficMetrics,
      written: (ipFamily, role, reason) => written.push(`${reason} ipv${ipFamily} ${role}`),
    },
    ...options,
  });
  const abort = new AbortController();
  const running = manager.run(abort.signal);
  try {
    await body({ clock, logger, iptables, manager, written, settle: () => clock.advance(0) });
  } finally {
    abort.abort(new Error('the test is over'));
    await running;
  }
  expect(clock.timers).toBe(0);
}

const JUMP = '-m comment --comment "flanneld masq" -j FLANNEL-POSTRTG';

test('touches nothing before rules are stated', () =>
  withManager({}, async ({ clock, iptables, manager }) => {
    await clock.advance(60_000);
    expect(iptables.calls).toEqual([]);
    expect(manager.status()).toMatchObject({ mode: null, synced: false, firstPassDone: false, families: [] });
  }));

test('writes rules once, and then only looks', () =>
  withManager({}, async ({ clock, iptables, manager, settle, written }) => {
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({
      mode: 'iptables',
      synced: true,
      problem: null,
      families: [{ family: 4, network: NETWORK, masquerade: 6, forward: 2, problem: null }],
    });
    expect(iptables.writes).toHaveLength(1);
    expect(written).toEqual(['change ipv4 masquerade', 'change ipv4 forward']);
    const before = iptables.calls.length;
    await clock.advance(5_100);
    expect(iptables.writes).toHaveLength(1);
    expect(iptables.calls.length - before).toBe(1);
    manager.setRules(desiredTraffic());
    await settle();
    expect(iptables.writes).toHaveLength(1);
  }));

test('runs ip6tables only where IPv6 is on', () =>
  withManager({}, async ({ iptables, manager, settle }) => {
    const six = (): string[] => iptables.calls.map(({ program }) => program).filter((name) => name.startsWith('ip6'));
    manager.setRules(desiredTraffic());
    await settle();
    expect(six()).toEqual([]);
    manager.setRules(desiredTraffic({ ipv6: family(NETWORK6, SUBNET6) }));
    await settle();
    expect(iptables.rules(6, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    // Switched off again, its rules go.
    manager.setRules(desiredTraffic());
    await settle();
    expect(iptables.rules(6, 'nat', 'FLANNEL-POSTRTG')).toBeUndefined();
    expect(iptables.rules(6, 'nat', 'POSTROUTING')).toEqual([]);
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
  }));

test('repairs what somebody deleted at the next look, and tells it from a change', () =>
  withManager({}, async ({ clock, iptables, manager, settle, written }) => {
    manager.setRules(desiredTraffic());
    await settle();
    written.splice(0);
    iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')!.splice(2, 1);
    await clock.advance(5_600);
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    expect(written).toEqual(['drift ipv4 masquerade']);
  }));

test('a resync period beyond what timers can do makes no busy loop', () =>
  withManager({ resyncMs: Number.MAX_SAFE_INTEGER }, async ({ clock, iptables, manager, settle }) => {
    manager.setRules(desiredTraffic());
    await settle();
    const calls = iptables.calls.length;
    await clock.advance(3_600_000);
    expect(iptables.calls).toHaveLength(calls);
  }));

test('removes the rules of the network before, also of the last run', () =>
  withManager({ previousNetworks: prefixes('10.40.0.0/16') }, async ({ iptables, manager, settle }) => {
    const stale = '-s 10.40.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE';
    const other = '-s 10.99.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE';
    await iptables.run({
      program: 'iptables-restore',
      args: [],
      input: `*nat\n:FLANNEL-POSTRTG - [0:0]\n-A FLANNEL-POSTRTG ${stale}\n-A FLANNEL-POSTRTG ${other}\n-A POSTROUTING ${JUMP}\nCOMMIT\n`,
    });
    manager.setRules(desiredTraffic());
    await settle();
    const chain = (): string => iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')!.join('\n');
    expect(chain()).not.toContain('10.40.');
    expect(chain()).toContain('10.99.');
    manager.setRules(desiredTraffic({ ipv4: family('10.41.0.0/16', '10.41.3.0/24') }));
    await settle();
    expect(chain()).not.toContain('10.42.');
    expect(chain()).toContain('10.41.3.0/24');
    expect(chain()).toContain('10.99.');
    expect(iptables.rules(4, 'nat', 'POSTROUTING')).toEqual([JUMP]);
  }));

test('a lock that is held delays the rules and never fails them', () =>
  withManager({}, async ({ clock, iptables, manager, settle, logger }) => {
    iptables.next.push('ok', 'busy', 'busy', 'ok', 'busy');
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({
      synced: false,
      problem: expect.stringContaining('could not get the lock') as string,
      findings: [expect.objectContaining({ code: 'TRAFFIC_RULES_FAILED' })],
    });
    await clock.advance(5_000);
    expect(manager.status()).toMatchObject({ synced: true, problem: null, findings: [] });
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(iptables.calls.flatMap(({ args }) => args)).toContain('--wait=5');
  }));

test('plans anew when somebody changed the chain between look and write', () =>
  withManager({}, async ({ iptables, manager, settle }) => {
    iptables.next.push('ok', 'ok', 'fail');
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status().synced).toBe(true);
  }));

test('one family that fails does not hold up the other', () =>
  withManager({}, async ({ iptables, manager, settle }) => {
    const run = iptables.run.bind(iptables);
    jest
      .spyOn(iptables, 'run')
      .mockImplementation((request, signal) =>
        request.program === 'ip6tables-restore'
          ? Promise.resolve({ exitCode: 3, stdout: '', stderr: 'cannot initialize ip6tables table `nat`' })
          : run(request, signal),
      );
    manager.setRules(desiredTraffic({ ipv6: family(NETWORK6, SUBNET6) }));
    await settle();
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    expect(manager.status().families.map(({ problem }) => problem !== null)).toEqual([false, true]);
    expect(manager.status().synced).toBe(false);
  }));

test('a tool that is installed later is found without a restart', () =>
  withManager({}, async ({ clock, iptables, manager, settle }) => {
    iptables.installed = false;
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({
      mode: null,
      synced: false,
      findings: [expect.objectContaining({ code: 'TRAFFIC_MODE_UNUSABLE', severity: 'error' })],
    });
    iptables.installed = true;
    await clock.advance(31_000);
    expect(manager.status()).toMatchObject({ mode: 'iptables', synced: true, findings: [] });
  }));

test('without any tool nothing is missed but masquerading', () =>
  withManager({ policy: trafficPolicy({ masquerade: false }) }, async ({ iptables, manager, settle }) => {
    iptables.installed = false;
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({ synced: true, problem: null });
    expect(manager.status().findings).toEqual([expect.objectContaining({ severity: 'warning' })]);
  }));

test('a choice that cannot be had is not replaced by another', () =>
  withManager({ choice: 'nftables' }, async ({ iptables, manager, settle }) => {
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({ mode: null, synced: false });
    expect(manager.status().problem).toContain('the program nft is not installed');
    expect(iptables.writes).toEqual([]);
  }));

test('EnableNFTables that cannot be had is told', () =>
  withManager({}, async ({ manager, settle }) => {
    manager.setRules(desiredTraffic({ enableNFTables: true }));
    await settle();
    expect(manager.status()).toMatchObject({
      mode: 'iptables',
      synced: true,
      findings: [expect.objectContaining({ code: 'NFTABLES_UNUSABLE' })],
    });
  }));

test('mode none takes rules of ours away', () =>
  withManager({ choice: 'none' }, async ({ iptables, manager, settle }) => {
    await iptables.run({
      program: 'iptables-restore',
      args: [],
      input: `*nat\n:FLANNEL-POSTRTG - [0:0]\n-A FLANNEL-POSTRTG -s ${SUBNET} -d ${NETWORK} -j RETURN\n-A POSTROUTING ${JUMP}\nCOMMIT\n`,
    });
    manager.setRules(desiredTraffic());
    await settle();
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toBeUndefined();
    expect(manager.status()).toMatchObject({ mode: 'none', synced: true });
  }));

test('somebody who undoes it again and again is named, and left some rest', () =>
  withManager({}, async ({ clock, iptables, manager, settle, written }) => {
    manager.setRules(desiredTraffic());
    await settle();
    const vandalise = (): void => void iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')!.splice(0);
    for (let round = 0; round < 8; round++) {
      vandalise();
      await clock.advance(5_600);
    }
    expect(manager.status().findings).toEqual([expect.objectContaining({ code: 'TRAFFIC_RULES_CONTESTED' })]);
    // The rest is over one day, and everything is right again.
    await clock.advance(300_000);
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    expect(manager.status()).toMatchObject({ synced: true, findings: [] });
    expect(written.length).toBeLessThan(15);
  }));

test('a program that hangs ends with the manager', () =>
  withManager({}, async ({ iptables, manager, settle }) => {
    iptables.next.push('hang');
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status().firstPassDone).toBe(false);
  }));

/** The flavour whose rules live in nftables. */
function nftFlavour(): FakeIptables {
  const iptables = new FakeIptables();
  const run = iptables.run.bind(iptables);
  jest.spyOn(iptables, 'run').mockImplementation(async (request, signal) => {
    const outcome = await run(request, signal);
    return request.args[0] === '--version' ? { ...outcome, stdout: 'iptables v1.8.9 (nf_tables)\n' } : outcome;
  });
  return iptables;
}

describe('the generation of nftables', () => {
  test('starts a look within a second of a change by others', async () => {
    let number = 1;
    const generation = { read: () => Promise.resolve(number), close: () => undefined };
    const runner = nftFlavour();
    await withManager({ runner, generation, resyncMs: 3_600_000 }, async ({ clock, manager, settle }) => {
      manager.setRules(desiredTraffic());
      await settle();
      const calls = runner.calls.length;
      await clock.advance(60_000);
      expect(runner.calls).toHaveLength(calls);
      runner.rules(4, 'nat', 'FLANNEL-POSTRTG')!.splice(0);
      number += 1;
      await clock.advance(1_000);
      expect(runner.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    });
  });

  test('spares looks while nothing changes, but for one each half minute', async () => {
    const generation = { read: () => Promise.resolve(1), close: () => undefined };
    const runner = nftFlavour();
    await withManager({ runner, generation }, async ({ clock, manager, settle }) => {
      manager.setRules(desiredTraffic());
      await settle();
      await clock.advance(5_000);
      const [calls, { passes }] = [runner.calls.length, manager.status()];
      await clock.advance(60_000);
      expect(manager.status().passes - passes).toBeGreaterThanOrEqual(10);
      expect(runner.calls.length - calls).toBe(2);
      expect(manager.status()).toMatchObject({ synced: true, problem: null });
    });
  });

  test('that cannot be read does no harm', () =>
    withManager(
      { generation: { read: () => Promise.reject(new Error('no nf_tables')), close: () => undefined } },
      async ({ manager, settle, clock }) => {
        manager.setRules(desiredTraffic());
        await settle();
        await clock.advance(60_000);
        expect(manager.status().synced).toBe(true);
      },
    ));
});

test('a version that cannot list through iptables-restore is read through iptables-save, and asked no other way again', () =>
  withManager({}, async ({ clock, iptables, manager, settle, written }) => {
    iptables.listsByRestore = false;
    await iptables.run({
      program: 'iptables-restore',
      args: [],
      input: '*filter\n-A FORWARD -s 172.17.0.0/16 -j ACCEPT\nCOMMIT\n',
    });
    manager.setRules(desiredTraffic());
    await settle();
    expect(manager.status()).toMatchObject({ mode: 'iptables', synced: true, problem: null });
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    expect(iptables.rules(4, 'filter', 'FORWARD')).toContain('-s 172.17.0.0/16 -j ACCEPT');
    // From now on a look is one process, and finds drift as ever.
    const before = iptables.calls.length;
    await clock.advance(5_600);
    expect(iptables.calls.slice(before).map(({ program }) => program)).toEqual(['iptables-save']);
    expect(iptables.writes).toHaveLength(2);
    written.splice(0);
    iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')!.splice(2, 1);
    await clock.advance(5_600);
    expect(iptables.rules(4, 'nat', 'FLANNEL-POSTRTG')).toHaveLength(6);
    expect(written).toEqual(['drift ipv4 masquerade']);
  }));
