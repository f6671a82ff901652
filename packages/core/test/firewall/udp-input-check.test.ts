import {
  TartanError,
  createUdpInputCheck,
  parseIpAddress,
  type CommandRunner,
  type FirewallAccess,
  type UdpPacket,
} from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';

/** A host whose programs print what `texts` says by their name and arguments; the others are missing. */
class ScriptedHost {
  readonly clock = new FakeClock();
  readonly ran: string[] = [];
  generation: number | undefined = 1;
  legacy = '';
  /** What every program fails with. */
  failing: TartanError | undefined;

  constructor(readonly texts: Record<string, string>) {}

  check() {
    const runner: CommandRunner = {
      run: ({ program, args }) => {
        const words = [program, ...args].filter((word) => word !== '--stateless' && word !== '--json').join(' ');
        this.ran.push(words);
        if (this.failing) return Promise.reject(this.failing);
        const stdout = this.texts[words];
        return stdout === undefined
          ? Promise.reject(new TartanError('TRAFFIC_TOOL_MISSING', { program }))
          : Promise.resolve({ exitCode: 0, stdout, stderr: '' });
      },
    };
    const access: FirewallAccess = {
      runner,
      clock: this.clock,
      generation: {
        read: () =>
          this.generation === undefined ? Promise.reject(new Error('no nf_tables')) : Promise.resolve(this.generation),
      },
      readText: () => Promise.resolve(this.legacy),
    };
    return createUdpInputCheck(access);
  }
}

const packet: UdpPacket = {
  family: 4,
  port: 8472,
  ifname: 'eth0',
  local: parseIpAddress('192.0.2.1'),
  peers: ['192.0.2.2', '198.51.100.2'].map(parseIpAddress),
};

const INPUT = {
  family: 'inet',
  table: 'filter',
  name: 'input',
  type: 'filter',
  hook: 'input',
  prio: 0,
  policy: 'drop',
};

/** A host with one table of nftables; `rules` are the statements of its input chain. */
function nftHost(rules: readonly (readonly unknown[])[], more: readonly unknown[] = []): ScriptedHost {
  const chain = { chain: INPUT };
  const table = [chain, ...more, ...rules.map((expr) => ({ rule: { chain: 'input', expr } }))];
  return new ScriptedHost({
    'nft list chains': JSON.stringify({ nftables: [chain] }),
    'nft list table inet filter': JSON.stringify({ nftables: table }),
  });
}

const accept = { accept: null };
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const dport = { payload: { protocol: 'udp', field: 'dport' } };
const saddr = { payload: { protocol: 'ip', field: 'saddr' } };

describe('a rule that cannot be judged', () => {
  it.each([
    ['a mark', [match({ meta: { key: 'mark' } }, 5), accept]],
    ['a rate', [{ limit: { rate: 5, per: 'minute' } }, accept]],
    ['a set that fills by itself', [match(saddr, '@seen'), accept]],
    ['some of the peers', [match(saddr, { prefix: { addr: '198.51.100.0', len: 24 } }), accept]],
    ['a module of iptables', [{ xt: { type: 'match', name: 'geoip' } }, accept]],
    ['something of a later nft', [match({ 'new thing': { key: 1 } }, 1), accept]],
  ])('and might accept makes the finding say so: %s', async (_, rule) => {
    const sets = [{ set: { name: 'seen', flags: ['dynamic'] } }];
    const [finding, ...others] = await nftHost([rule], sets).check().inspect([packet]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'UDP_PORT_FILTERED', severity: 'warning' });
    expect(finding?.message).toContain('may drop');
  });

  it('and might drop is no finding', async () => {
    const rules = [
      [{ limit: { rate: 5, inv: true } }, { drop: null }],
      [match(dport, 8472), accept],
    ];
    expect(await nftHost(rules).check().inspect([packet])).toEqual([]);
  });

  it('and could not have accepted leaves no doubt', async () => {
    const rules = [
      [match({ meta: { key: 'mark' } }, 5), match({ payload: { protocol: 'tcp', field: 'dport' } }, 22), accept],
    ];
    const [finding] = await nftHost(rules).check().inspect([packet]);
    expect(finding?.message).toContain('drops packets to UDP port 8472 that come in on eth0');
  });
});

it('rules that jump in circles end the walk', async () => {
  const host = nftHost([[{ jump: { target: 'input' } }]]);
  expect(await host.check().inspect([packet])).toHaveLength(1);
});

it('a host without any of the tools has no findings', async () => {
  const host = new ScriptedHost({});
  expect(await host.check().inspect([packet])).toEqual([]);
});

it('a program that gives up once is asked again, although the rules are the same', async () => {
  const host = nftHost([]);
  const check = host.check();
  host.failing = new TartanError('TRAFFIC_TOOL_TIMEOUT', { program: 'nft', timeoutMs: 10_000 });
  expect(await check.inspect([packet])).toEqual([]);
  host.failing = undefined;
  await host.clock.advance(60_000);
  expect(await check.inspect([packet])).toHaveLength(1);
});

it('an nft that answers in another language is as good as none', async () => {
  const host = new ScriptedHost({
    'nft list chains': 'table inet filter {\n}\n',
    'iptables-nft-save -t filter': '*filter\n:INPUT DROP [0:0]\nCOMMIT\n',
  });
  expect(await host.check().inspect([packet])).toHaveLength(1);
});

it('rejects when aborted', async () => {
  const reason = new Error('stopping');
  const runner: CommandRunner = { run: (_, signal) => Promise.reject(signal?.reason as Error) };
  const check = createUdpInputCheck({ runner, readText: () => Promise.resolve(undefined) });
  await expect(check.inspect([packet], AbortSignal.abort(reason))).rejects.toBe(reason);
});

describe('the cost', () => {
  it('is one process for the chains and one for each table that filters', async () => {
    const host = nftHost([]);
    await host.check().inspect([packet]);
    expect(host.ran).toEqual(['nft list chains', 'nft list table inet filter']);
  });

  it('is nothing while the rules are the same, however often they are asked for', async () => {
    const host = nftHost([]);
    const check = host.check();
    for (let minute = 0; minute < 5; minute++) {
      expect(await check.inspect([packet])).toHaveLength(1);
      await host.clock.advance(60_000);
    }
    expect(host.ran).toHaveLength(2);
    host.generation = 2;
    await check.inspect([packet]);
    expect(host.ran).toHaveLength(4);
  });

  it('is bounded while the rules change all the time', async () => {
    const host = nftHost([]);
    const check = host.check();
    for (let second = 0; second < 60; second++) {
      host.generation = second;
      await check.inspect([packet]);
      await host.clock.advance(1_000);
    }
    expect(host.ran).toHaveLength(4);
  });

  it('is a new reading every half minute where no generation number tells', async () => {
    const host = nftHost([]);
    host.generation = undefined;
    const check = host.check();
    await check.inspect([packet]);
    await host.clock.advance(31_000);
    await check.inspect([packet]);
    expect(host.ran).toHaveLength(4);
  });

  it('does not wake the legacy iptables where its tables are not in use', async () => {
    const host = nftHost([[match(dport, 8472), accept]]);
    await host.check().inspect([packet]);
    host.legacy = 'filter\nnat\n';
    host.texts['iptables-legacy-save -t filter'] = '*filter\n:INPUT DROP [0:0]\nCOMMIT\n';
    expect(host.ran.join()).not.toContain('legacy');
    expect(await host.check().inspect([packet])).toMatchObject([
      { cure: 'iptables-legacy -I INPUT -p udp --dport 8472 -j ACCEPT' },
    ]);
  });
});
