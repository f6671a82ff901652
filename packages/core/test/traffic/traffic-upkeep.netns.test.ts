import { readFileSync } from 'node:fs';
import { parseIpPrefix, type CommandRequest, type CommandRunner, type TrafficManagerOptions } from '@tartan/core';
import { desiredTraffic, trafficPolicy } from '@tartan/conformance';
import { eventually } from '@tartan/lab';
import { TrafficWorld, type WorldOptions } from './world/traffic-world';
import { without } from './world/flavour';
import { synced, withRunning } from './world/running';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
});
beforeEach(() => world.reset());
afterAll(() => world.destroy());

const both = desiredTraffic();
const onlyIpv4 = desiredTraffic({ ipv6: null });
const NFT: WorldOptions = { choice: 'nftables', flavour: 'nft' };
const IPTABLES_NFT: WorldOptions = { choice: 'iptables', flavour: 'nft' };
const LEGACY: WorldOptions = { choice: 'iptables', flavour: 'legacy' };

function manager(options: WorldOptions, more: Partial<TrafficManagerOptions> = {}) {
  return world.create({ ...options, policy: trafficPolicy(), ...more });
}

/** Milliseconds from the end of `damage` until `script` prints what it printed before. */
async function repairTime(damage: string, script: string): Promise<number> {
  const whole = await world.script(script);
  await world.script(damage);
  const start = performance.now();
  await eventually(async () => (await world.script(script)) === whole, {
    timeoutMs: 20_000,
    intervalMs: 5,
    what: 'the repair',
  });
  return performance.now() - start;
}

describe('drift', () => {
  const nftRules = '(nft --stateless list table ip flannel-ipv4; nft --stateless list table ip6 flannel-ipv6) | sort';
  const xtRules = 'iptables-nft -w -t nat -S 2>/dev/null; iptables-nft -w -S 2>/dev/null';

  it.each([
    ['nft flush ruleset', NFT, nftRules],
    ['nft flush chain ip flannel-ipv4 postrtg', NFT, nftRules],
    ['nft delete table ip6 flannel-ipv6', NFT, nftRules],
    ['nft chain ip flannel-ipv4 postrtg "{ policy drop; }"', NFT, nftRules],
    ['iptables-nft -w -t nat -F FLANNEL-POSTRTG 2>/dev/null', IPTABLES_NFT, xtRules],
    [
      'iptables-nft -w -D FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD 2>/dev/null',
      IPTABLES_NFT,
      xtRules,
    ],
  ])('by "%s" is noticed and repaired, not only at the next look', (damage, options, script) =>
    withRunning(manager(options, { resyncMs: 3_600_000 }), both, async () => {
      console.info(`"${damage}" repaired after ${(await repairTime(damage, script)).toFixed(0)} ms`);
    }),
  );

  it('without the generation is noticed too', () =>
    withRunning(
      manager(NFT, {
        generation: { read: () => Promise.reject(new Error('no')), close: () => undefined },
        resyncMs: 3_600_000,
      }),
      both,
      async () => {
        await repairTime('nft flush ruleset', nftRules);
      },
    ));

  it('in iptables-legacy is noticed at the next look', () =>
    withRunning(manager(LEGACY), onlyIpv4, async () => {
      const script = 'iptables-legacy -w -t nat -S; iptables-legacy -w -S';
      await repairTime('iptables-legacy -w -t nat -F FLANNEL-POSTRTG', script);
      await repairTime('iptables-legacy -w -t nat -D POSTROUTING 1; iptables-legacy -w -F FLANNEL-FWD', script);
    }));
});

/** Notes what is run. */
function noting(runner: CommandRunner, calls: CommandRequest[]): CommandRunner {
  return {
    run: (request, signal) => {
      calls.push(request);
      return runner.run(request, signal);
    },
  };
}

describe('processes', () => {
  it.each([
    ['nftables', NFT, 2],
    ['iptables-nft', IPTABLES_NFT, 2],
    ['iptables-legacy', LEGACY, 2],
  ] as const)('are one per family and look, and one more per change, in %s', async (_, options, families) => {
    const calls: CommandRequest[] = [];
    // Beside nftables a host without iptables needs no second look.
    const base = world.runner(options.flavour);
    const runner = noting(options.choice === 'nftables' ? without(base, /iptables|ip6tables/) : base, calls);
    const policy = trafficPolicy({ masqueradeNodeTraffic: false });
    const passes: number[] = [];
    const one = world.create({
      ...options,
      policy,
      runner,
      resyncMs: 3_600_000,
      inspectionMs: 3_600_000,
      onPass: () => passes.push(calls.length),
    });
    await withRunning(one, both, async () => {
      // The write itself is noticed where changes are.
      await eventually(() => passes.length >= (options === LEGACY ? 1 : 2));
      let before = calls.length;
      let seen = passes.length;
      one.requestPass();
      await eventually(() => passes.length > seen);
      expect(calls.length - before).toBe(families);
      [before, seen] = [calls.length, passes.length];
      one.setRules(desiredTraffic({ nodes: ['peer'] }));
      await eventually(() => passes.length > seen);
      expect(passes[seen]! - before).toBe(2 * families);
    });
  });
});

describe('two daemons with different networks', () => {
  const other = desiredTraffic({
    ipv4: { network: parseIpPrefix('10.77.0.0/16'), subnet: parseIpPrefix('10.77.5.0/24') },
    ipv6: { network: parseIpPrefix('fc00:77::/48'), subnet: parseIpPrefix('fc00:77:0:5::/64') },
  });
  const listed = { nft: 'nft list ruleset', iptables: 'iptables-save; ip6tables-save' };

  it.each([
    ['nftables', NFT, listed.nft],
    ['iptables-nft', IPTABLES_NFT, listed.iptables.replaceAll('tables-', 'tables-nft-')],
    ['iptables-legacy', LEGACY, listed.iptables.replaceAll('tables-', 'tables-legacy-')],
  ])('write their rules once, and neither takes the other’s for damage: %s', async (_, options, script) => {
    const writes = (): unknown[] => world.logger.matching('traffic rules written').map(({ fields }) => fields['drift']);
    const before = writes().length;
    await withRunning(manager(options), both, (one) =>
      withRunning(manager(options), other, async (two) => {
        for (const running of [one, two, one, two]) {
          const { passes } = running.status();
          running.requestPass();
          await eventually(() => running.status().passes > passes, { what: 'one more look' });
        }
        // Each family of each daemon once.
        expect(writes().slice(before)).toEqual([false, false, false, false]);
        const text = await world.script(`${script} 2>/dev/null`);
        for (const network of ['10.42.0.0/16', '10.77.0.0/16', 'fc00:42::/48', 'fc00:77::/48']) {
          expect(text).toMatch(new RegExp(`(?:saddr|-s) ${network}.* (?:masquerade|-j MASQUERADE)`));
        }
      }),
    );
  });
});

describe('a tool that is missing', () => {
  it('does not matter when the other one is there', async () => {
    const noIptables = without(world.runner('nft'), /^ip6?tables/);
    await withRunning(manager({ choice: 'auto', flavour: 'nft' }, { runner: noIptables }), both, async (one) => {
      expect(one.status()).toMatchObject({ mode: 'nftables', problem: null });
    });
    const noNft = without(world.runner('legacy'), /^nft$/);
    await withRunning(manager({ choice: 'auto', flavour: 'legacy' }, { runner: noNft }), both, async (one) => {
      expect(one.status()).toMatchObject({ mode: 'iptables', problem: null });
      expect(await world.send({ from: 'pod', to: 'outside', family: 6 })).toBe('fd50::1');
    });
  });

  it('for one family does not matter beside nftables', async () => {
    const no6 = without(world.runner('nft'), /^ip6tables/);
    await withRunning(manager(NFT, { runner: no6 }), both, async (one) => {
      expect(one.status()).toMatchObject({ synced: true, problem: null, findings: [] });
    });
  });

  it('for one family leaves the other in order', async () => {
    const no6 = without(world.runner('legacy'), /^ip6tables/);
    await withRunning(manager(LEGACY, { runner: no6 }), onlyIpv4, async (one) => {
      expect(one.status()).toMatchObject({ synced: true, problem: null });
      one.setRules(both);
      await eventually(() => one.status().families.length === 2 && one.status().problem !== null);
      expect(one.status().families.map(({ problem }) => problem)).toEqual([null, expect.stringContaining('ip6tables')]);
      expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
    });
  });
});

/** Holds the lock nine tenths of the time, and reports how many microseconds each try to get it took. */
const HAMMER = [
  'while true; do export start=${EPOCHREALTIME/./}',
  "flock -o /run/xtables.lock bash -c 'echo waited $((${EPOCHREALTIME/./} - start)); sleep 0.09'",
  'sleep 0.01; done',
].join('; ');

describe('the lock of the tables', () => {
  it('is waited for while another program hammers it, and is never kept from that program for long', async () => {
    const hammer = await world.node.start({
      name: 'hammer',
      stdout: 'lines',
      argv: ['bash', '-c', HAMMER],
    });
    try {
      await hammer.waitForLine(/^waited/);
      await withRunning(manager(LEGACY, { resyncMs: 50 }), both, async (one) => {
        const before = one.status().passes;
        await eventually(() => one.status().passes >= before + 10, { timeoutMs: 20_000, what: 'ten more looks' });
        expect(one.status()).toMatchObject({ synced: true, problem: null });
      });
      const waited = hammer.lines.map((line) => Number(line.split(' ')[1]) / 1_000);
      console.info(
        `the other program waited for the lock: at most ${Math.max(...waited).toFixed(0)} ms in ${waited.length} tries`,
      );
      expect(Math.max(...waited)).toBeLessThan(1_000);
    } finally {
      await hammer.kill();
    }
  });

  it('that is held for long is reported, and what waits for it comes true afterwards', async () => {
    const holder = await world.node.start({
      name: 'holder',
      stdout: 'lines',
      argv: ['bash', '-c', 'exec 9>/run/xtables.lock; flock 9; echo held; exec sleep 60'],
    });
    await holder.waitForLine(/held/);
    const one = manager(LEGACY);
    const abort = new AbortController();
    const running = one.run(abort.signal);
    try {
      one.setRules(onlyIpv4);
      await eventually(() => one.status().problem?.includes('could not get the lock'), { timeoutMs: 12_000 });
      await holder.kill();
      await synced(one);
    } finally {
      await holder.kill();
      abort.abort(new Error('the test is over'));
      await running;
    }
  });
});

/** Processor time of children that have ended, milliseconds (proc(5), cutime and cstime in ticks of 10 ms). */
function childrenCpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

describe('ten thousand rules of others', () => {
  /** In portions: without privilege on the host a netlink socket takes no larger transaction. */
  const PORTION = 100;
  const portions = ['nat', 'filter'].flatMap((table) =>
    Array.from({ length: 50 }, (_, portion) => [
      `*${table}`,
      ...(portion === 0 ? [':BIG - [0:0]'] : []),
      ...Array.from(
        { length: PORTION },
        (__, index) => `-A BIG -s 10.${portion}.${index >> 8}.${index & 255}/32 -p tcp -m tcp --dport 80 -j RETURN`,
      ),
      'COMMIT',
    ]),
  );

  it.each([
    ['nftables', NFT],
    ['iptables-nft', IPTABLES_NFT],
    ['iptables-legacy', LEGACY],
  ] as const)('are not read at each look, in %s', async (name, options) => {
    for (const lines of portions) {
      const input = `${lines.join('\n')}\n`;
      await world.node.run([`iptables-${options.flavour}-restore`, '--noflush', '--wait'], { input });
    }
    const one = manager(options, { resyncMs: 3_600_000, inspectionMs: 3_600_000 });
    await withRunning(one, both, async () => {
      // The look that follows the first write, which others' transactions would cause as well.
      await eventually(() => one.status().passes >= (options === LEGACY ? 1 : 2));
      const rounds = 20;
      const [before, children, start] = [process.cpuUsage(), childrenCpuMs(), performance.now()];
      for (let round = 0; round < rounds; round++) {
        const { passes } = one.status();
        one.requestPass();
        await eventually(() => one.status().passes > passes, { intervalMs: 5 });
      }
      const used = process.cpuUsage(before);
      const programs = (childrenCpuMs() - children) / rounds;
      const own = (used.user + used.system) / 1_000 / rounds;
      console.info(
        `${name}: ${programs.toFixed(1)} ms of processor time in programs and ${own.toFixed(1)} ms in this test, ${((performance.now() - start) / rounds).toFixed(0)} ms by the clock per look at both families`,
      );
      // 13 to 51 ms on a busy machine; to list the rules of others takes 130 (iptables-nft-save) to 550 (nft -j).
      expect(programs).toBeLessThan(100);
    });
    await world.reset();
  });
});
