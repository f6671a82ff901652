import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../src/tartanctl';

function terminal() {
  const lines = { out: [] as string[], err: [] as string[] };
  return {
    lines,
    env: {},
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

test('check-config says what is wrong, in one line, and fails', async () => {
  const screen = terminal();
  expect(await runCommand(['check-config', file('{"Network":"10.5.0.0/29"}')], screen)).toBe(1);
  expect(screen.lines.err).toHaveLength(1);
  expect(screen.lines.err[0]).toMatch(/Network/);
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
