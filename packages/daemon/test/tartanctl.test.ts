import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../src/tartanctl';

const TARTANCTL = join(__dirname, '../../../bin/tartanctl');

function terminal(env: NodeJS.ProcessEnv = {}) {
  const lines = { out: [] as string[], err: [] as string[] };
  return {
    lines,
    env,
    out: (text: string) => void lines.out.push(text),
    err: (text: string) => void lines.err.push(text),
  };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tartanctl-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'config.json');
  writeFileSync(path, text);
  return path;
}

test('help lists every command and a mistyped command names the nearest', async () => {
  const screen = terminal();
  expect(await runCommand([], screen)).toBe(0);
  expect(screen.lines.out.join('\n')).toMatch(/status.*\n.*leases.*\n.*check-config/);
  expect(await runCommand(['stauts'], screen)).toBe(2);
  expect(screen.lines.err).toEqual(['tartanctl: unknown command stauts; did you mean status?']);
});

test('check-config shows what follows from a config', async () => {
  const screen = terminal();
  expect(
    await runCommand(['check-config', file('{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}')], screen),
  ).toBe(0);
  expect(screen.lines.out).toEqual(['10.5.0.0/16: subnets of /24, 10.5.1.0 to 10.5.255.0', 'backend: host-gw']);
});

test('check-config for Kubernetes does not ask how the network is cut', async () => {
  const screen = terminal();
  const text = '{"Network":"10.5.0.0/16","SubnetLen":8,"Backend":{"Type":"host-gw"}}';
  expect(await runCommand(['check-config', '--kube-subnet-mgr', file(text)], screen)).toBe(0);
  expect(screen.lines.out[0]).toBe('10.5.0.0/16: subnets are the podCIDRs of the nodes');
  expect(screen.lines.err).toEqual(['warning: SubnetLen has no effect: the datastore assigns the subnets']);
});

test('check-config says what is wrong, in one line, and fails', async () => {
  const screen = terminal();
  expect(await runCommand(['check-config', file('{"Network":"10.5.0.0/29"}')], screen)).toBe(1);
  expect(screen.lines.err).toHaveLength(1);
  expect(screen.lines.err[0]).toMatch(/Network/);
});

describe('check-config', () => {
  const hostgw = (members: string): string => file(`{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"${members}}}`);

  test.each([
    [
      'a member that the backend does not know',
      '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VMI":7}}',
      0,
      /^warning: Backend\.VMI .* did you mean Backend\.VNI\?$/,
    ],
    [
      'a value that the backend cannot take',
      '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":-1}}',
      1,
      /Backend\.VNI is -1/,
    ],
    [
      'a backend that is not there',
      '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlam"}}',
      1,
      /unknown backend type "vxlam"; this build knows host-gw/,
    ],
  ])('tells %s', async (_, text, code, message) => {
    const screen = terminal();
    expect(await runCommand(['check-config', file(text)], screen)).toBe(code);
    expect(screen.lines.err).toEqual([expect.stringMatching(message)]);
  });

  test('--strict-config makes warnings mistakes, of the backend too', async () => {
    expect(await runCommand(['check-config', hostgw(',"VNI":1')], terminal())).toBe(0);
    const screen = terminal();
    expect(await runCommand(['check-config', '--strict-config', hostgw(',"VNI":1')], screen)).toBe(1);
    expect(screen.lines.err).toEqual([expect.stringContaining('Backend.VNI')]);
    expect(await runCommand(['check-config', '--strict-config=false', hostgw(',"VNI":1')], terminal())).toBe(0);
  });

  test('a backend of one’s own comes by --backend-module, with its families', () => {
    const path = join(folder, 'mine.cjs');
    const capabilities =
      '{ipv4:true,ipv6:false,needsSameL2:false,needsOwnPublicIP:false,hitlessRestart:true,underlayFacts:false}';
    writeFileSync(
      path,
      `exports.backend={type:'mine',contractVersion:1,capabilities:${capabilities},create(){},checkConfig:()=>['mine is new']};`,
    );
    const both = '{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48","Backend":{"Type":"mine"}}';
    // The program itself, since import() of a file does not work inside of the test runner.
    const run = (text: string) =>
      spawnSync(process.execPath, [TARTANCTL, 'check-config', `--backend-module=${path}`, '-'], {
        input: text,
        encoding: 'utf8',
      });
    expect(run(both)).toMatchObject({
      status: 1,
      stderr: 'tartanctl: mine: this backend carries no IPv6, but the network config wants it\n',
    });
    expect(run('{"Network":"10.5.0.0/16","Backend":{"Type":"mine"}}')).toMatchObject({
      status: 0,
      stderr: 'warning: mine is new\n',
    });
  });

  test.each([
    [[], 'check-config needs a value: the file with the network config, or - for standard input'],
    [['a', 'b'], 'unexpected argument b; check-config takes one file'],
    [['--strikt', 'a'], 'unknown option --strikt'],
    [['--backend-module=./none.js', 'a'], expect.stringContaining('backend module ./none.js is not found')],
    [
      ['/nonexistent/config.json'],
      expect.stringContaining('network config /nonexistent/config.json cannot be read: ENOENT'),
    ],
  ])('wrong usage %j is one line and status 2', async (args, message) => {
    const screen = terminal();
    expect(await runCommand(['check-config', ...args], screen)).toBe(2);
    expect(screen.lines.err.map((line) => line.replace(/^tartanctl: /, ''))).toEqual([message]);
  });
});

describe('status', () => {
  async function withDaemon(
    pages: Record<string, [number, string]>,
    use: (url: string) => Promise<void>,
  ): Promise<void> {
    const server = createServer((request, response) => {
      const [code, body] = pages[request.url ?? ''] ?? [404, 'not found'];
      response.writeHead(code).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  const check = (ok: boolean) => ({
    name: 'lease',
    ok,
    required: true,
    message: ok ? '10.5.1.0/24' : 'none yet',
    since: '2026-11-20T00:00:00Z',
  });

  test('ready is 0, not ready is 1, and the failing check is named', async () => {
    const finding = { severity: 'error', code: 'ROUTE_CONFLICT', message: 'taken', cure: 'ip route del' };
    await withDaemon(
      {
        '/readyz': [503, JSON.stringify({ ready: false, checks: [check(false)] })],
        '/v1/status': [200, JSON.stringify({ kernel: { kernel: { findings: [finding] } } })],
      },
      async (url) => {
        const screen = terminal();
        expect(await runCommand(['status', `--url=${url}`], screen)).toBe(1);
        expect(screen.lines.out.join('\n')).toContain('NOT READY');
        expect(screen.lines.out.join('\n')).toMatch(/FAIL\s+lease\s+none yet/);
        expect(screen.lines.out.join('\n')).toContain('cure: ip route del');
      },
    );
    await withDaemon(
      {
        '/readyz': [200, JSON.stringify({ ready: true, checks: [check(true)] })],
        '/v1/status': [200, '{"kernel":null}'],
      },
      async (url) => {
        const screen = terminal();
        expect(await runCommand(['status', '--url', url].slice(0, 1).concat(`--url=${url}`), screen)).toBe(0);
        expect(screen.lines.out[0]).toBe('ready');
      },
    );
  });

  test('a data path is shown with what it uses, and why not', async () => {
    const features = [
      { name: 'tunTso', on: true },
      { name: 'udpSegment', on: false, reason: 'EIO from sendmsg' },
    ];
    const dataPath = { name: 'packet loop', running: true, features };
    await withDaemon(
      {
        '/readyz': [200, JSON.stringify({ ready: true, checks: [] })],
        '/v1/status': [200, JSON.stringify({ kernel: null, network: { dataPath } })],
      },
      async (url) => {
        const screen = terminal();
        await runCommand(['status', `--url=${url}`], screen);
        expect(screen.lines.out.slice(1)).toEqual([
          '  packet loop: running',
          '    on    tunTso',
          '    off   udpSegment    EIO from sendmsg',
        ]);
      },
    );
  });

  test.each([
    [{ server: null, lastEventAt: null }, /API server none has answered: no event of its watch yet/],
    [
      { server: 'https://10.0.0.1:6443', lastEventAt: '2026-11-20T00:00:00Z' },
      /API server https:\/\/10\.0\.0\.1:6443: last event of its watch \d+ s ago/,
    ],
  ])('with Kubernetes, the server in use is shown and how old its news are: %j', async (kubernetes, line) => {
    const status = JSON.stringify({ kernel: null, kubernetes });
    const pages: Record<string, [number, string]> = {
      '/readyz': [200, JSON.stringify({ ready: true, checks: [] })],
      '/v1/status': [200, status],
    };
    await withDaemon(pages, async (url) => {
      const screen = terminal();
      await runCommand(['status', `--url=${url}`], screen);
      expect(screen.lines.out.join('\n')).toMatch(line);
    });
  });

  test('asks where the daemon serves by its own variables', async () => {
    const pages = { '/readyz': [200, JSON.stringify({ ready: true, checks: [] })], '/v1/status': [200, '{}'] } as const;
    await withDaemon(structuredClone(pages) as unknown as Record<string, [number, string]>, async (url) => {
      const { port } = new URL(url);
      expect(await runCommand(['status'], terminal({ TARTAND_HEALTHZ_PORT: port }))).toBe(0);
      expect(
        await runCommand(['status'], terminal({ FLANNELD_HEALTHZ_PORT: port, FLANNELD_HEALTHZ_IP: '127.0.0.1' })),
      ).toBe(0);
    });
    const screen = terminal({ TARTAND_HEALTHZ_PORT: '1', TARTAND_HEALTHZ_IP: '::' });
    expect(await runCommand(['status'], screen)).toBe(1);
    expect(screen.lines.err[0]).toContain('http://[::1]:1/readyz cannot be reached');
    expect(await runCommand(['status'], terminal({ TARTAND_HEALTHZ_PORT: 'x' }))).toBe(2);
  });

  test('nobody there, or somebody else, is one clear line', async () => {
    const screen = terminal();
    await withDaemon({}, async (url) => {
      expect(await runCommand(['status', `--url=${url}`], screen)).toBe(1);
    });
    expect(screen.lines.err[0]).toMatch(/does not answer like tartand/);
    expect(await runCommand(['status', '--url=http://127.0.0.1:1'], screen)).toBe(1);
    expect(screen.lines.err[1]).toMatch(/cannot be reached.*does tartand run with --healthz-port/);
    expect(await runCommand(['status', '--bogus'], screen)).toBe(2);
  });
});

test('leases lists a file datastore', async () => {
  const screen = terminal();
  const path = join(folder, 'nodes.json');
  writeFileSync(
    path,
    JSON.stringify({
      network: { Network: '10.5.0.0/16', Backend: { Type: 'host-gw' } },
      nodes: [{ name: 'one', publicIP: '192.0.2.1', subnet: '10.5.1.0/24', backendType: 'host-gw' }],
    }),
  );
  const code = await runCommand(['leases', `--datastore=file:${path}`], screen);
  expect(screen.lines.err).toEqual([]);
  expect(code).toBe(0);
  expect(screen.lines.out[1]).toMatch(/^10\.5\.1\.0\/24\s+-\s+192\.0\.2\.1\s+host-gw\s+one/);
});
