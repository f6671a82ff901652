import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, repositoryRoot, runCommand } from '@tartan/lab';
import { itNeeds } from './support/it-needs';
import type { DemoReport } from '../src/demo/report';

const inNamespace = join(repositoryRoot, 'scripts/in-namespace');
const runTypescript = join(__dirname, 'support/run-typescript.cjs');
const demo = [process.execPath, '-r', runTypescript, join(__dirname, '../src/demo/main.ts')];

jest.setTimeout(60_000);

async function run(...argv: string[]): Promise<{ report: DemoReport; progress: string }> {
  const { stdout, stderr } = await runCommand([inNamespace, ...demo, '--json', ...argv], { timeoutMs: 50_000 });
  return { report: JSON.parse(stdout) as DemoReport, progress: stderr };
}

describe('npm run demo', () => {
  itNeeds('etcd', 'etcdctl')('shows three hosts on etcd and loses no packet', async () => {
    const { report, progress } = await run('--datastore', 'etcd');
    expect(report).toMatchObject({ ok: true, problems: [], backend: 'host-gw', datastore: { kind: 'etcd' } });
    expect(report.leases.map(({ node }) => node).sort()).toEqual(['host1', 'host2', 'host3']);
    expect(report.leases.every(({ secondsLeft }) => secondsLeft !== null && secondsLeft > 80_000)).toBe(true);
    expect(report.hosts.map(({ routes }) => routes.length)).toEqual([2, 2, 2]);
    expect(report.pings.map(({ sent, received }) => sent - received)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(report.crash?.sent).toBeGreaterThanOrEqual(1_800);
    expect(report.crash?.lost).toBe(0);
    expect(progress).toContain('✓ tartand on host1 … host3');
    expect(progress).not.toContain('\u001b');
    expect(readFileSync(report.topologySvg, 'utf8')).toContain('<svg');
  });

  it('does without etcd, and over VXLAN', async () => {
    const { report } = await run('--datastore', 'file', '--backend', 'vxlan', '--hosts', '2');
    expect(report).toMatchObject({ ok: true, backend: 'vxlan', datastore: { kind: 'file' }, crash: { lost: 0 } });
    expect(report.hosts[0]).toMatchObject({ mtuBytes: 1450, tunnel: { ifname: 'flannel.1' } });
  });

  it('gives a shell that reaches hosts and pods with --keep', () => {
    const input = 'on host1 hostname; on host1-pod1 ip -br address show eth0; on nobody; exit\n';
    const argv = [...demo, '--hosts', '2', '--datastore', 'file', '--keep'];
    const { stdout, stderr, status } = spawnSync(inNamespace, argv, { input, encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([0, expect.stringContaining('`exit` ends it'), expect.anything()]);
    expect(stdout).toMatch(/\nhost1\neth0@\S+ +UP +10\.42\.\d+\.2\/24/);
    expect(stderr).toContain('no nobody; try: names');
  });

  it.each([
    [['--backend', 'token-ring'], 'demo: --backend takes'],
    [['--hosts', '77'], 'demo: --hosts takes'],
  ])('refuses %j with exit code 2', (argv, message) => {
    const { stdout, stderr, status } = spawnSync(inNamespace, [...demo, ...argv], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.split('\n')[0]).toContain(message);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves at once and leaves nothing on %s', async (signal) => {
    const child = spawn(inNamespace, demo, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await outputOf(child, /✓ network config/);
      const since = performance.now();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const inside = await processesBelow(child.pid!);
      expect(inside.length).toBeGreaterThan(4);
      child.kill(signal);
      expect(await ended).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(performance.now() - since).toBeLessThan(5_000);
      await eventually(() => expect(inside.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]));
    } finally {
      child.kill('SIGKILL');
    }
  });
});

function outputOf(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the demo ended with ${String(code)}:\n${text}`)));
  });
}

/** The children of a process, theirs, and so on. */
async function processesBelow(pid: number): Promise<number[]> {
  const { stdout } = await runCommand(['cat', `/proc/${pid}/task/${pid}/children`], { allowFailure: true });
  const children = stdout
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
  const below = await Promise.all(children.map(processesBelow));
  return [...children, ...below.flat()];
}
