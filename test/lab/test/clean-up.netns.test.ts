import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, repositoryRoot } from '@tartan/lab';

const inNamespace = join(repositoryRoot, 'scripts/in-namespace');
const support = join(__dirname, 'support');
const smallLab = [process.execPath, '-r', join(support, 'run-typescript.cjs'), join(support, 'small-lab.ts')];

interface SmallLab {
  readonly pids: number[];
  readonly netns: string[];
  readonly reaches: boolean;
}

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

function start(argv: readonly string[]): ChildProcess {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error(`the program ended with ${String(child.exitCode)} before it printed anything`);
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
}

/** The pid namespaces that processes visible from here are in; those of a dead wrapper must not be among them. */
function pidNamespaces(): Set<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Set(
    pids.flatMap((pid) => {
      try {
        return [readlinkSync(`/proc/${pid}/ns/pid`)];
      } catch {
        return []; // ended meanwhile
      }
    }),
  );
}

// Not runuser: that waits for the command as its parent, and would be what the signals hit.
const asNobody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', inNamespace];

type Wrap = (command: readonly string[]) => string[];
const rows: [who: string, wrapped: Wrap][] = [['here', (command) => [inNamespace, ...command]]];
// In a user namespace "here" is the plain user already, and there is no other.
const privileged = readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295');
const readable = spawnSync('setpriv', [...asNobody.slice(1, -1), 'test', '-r', inNamespace]).status === 0;
if (privileged && readable) rows.push(['as a plain user', (command) => [...asNobody, ...command]]);
else console.warn('not run as another user: this is none but a plain user, or others cannot read this checkout');

describe.each(rows)('scripts/in-namespace %s', (who, wrapped) => {
  const possible = who === 'here' || spawnSync('setpriv', [...asNobody.slice(1), '--check']).status === 0;
  if (!possible && process.env['CI'] !== 'true') {
    console.warn('SKIPPED: nobody cannot make namespaces, cannot read this checkout, or this is not root');
    it.skip('labs of plain users', () => undefined);
    return;
  }

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('leaves no process of a lab behind after %s', async (signal) => {
    const before = pidNamespaces();
    const child = start(wrapped([...smallLab, 'small-']));
    const ended = exitOf(child);
    const lab = JSON.parse(await firstLine(child)) as SmallLab;
    expect(lab.reaches).toBe(true);
    expect(lab.pids).toHaveLength(3);
    expect([...pidNamespaces()]).not.toEqual([...before]);
    child.kill(signal);
    expect(await ended).not.toBe(0);
    await eventually(() => expect(pidNamespaces()).toEqual(before));
    expect(lab.netns.filter((name) => existsSync(`/run/netns/${name}`))).toEqual([]);
  });

  it('gives exit codes back, and standard input through', () => {
    const run = (script: string): number | null => {
      const [program = '', ...rest] = wrapped(['sh', '-c', script]);
      return spawnSync(program, rest, { input: 'text\n' }).status;
    };
    expect(run('exit 0')).toBe(0);
    expect(run('exit 42')).toBe(42);
    expect(run('kill -KILL $$')).toBe(128 + 9);
    expect(run('read line && [ "$line" = text ]')).toBe(0);
  });

  it('gives a network, a /run and temporary files of its own', () => {
    const script =
      'ip -o link | wc -l; ls /sys/class/net; ls /run/netns | wc -l; touch "$TMPDIR/x" "$HOME/.x" && echo written';
    const [program = '', ...rest] = wrapped(['sh', '-c', script]);
    const { stdout } = spawnSync(program, rest, { encoding: 'utf8', env: { ...process.env, HOME: '/nonexistent' } });
    expect(stdout.split('\n').map((line) => line.trim())).toEqual(['1', 'lo', '0', 'written', '']);
  });
});

describe('a lab whose process is killed while the namespaces live on', () => {
  it('loses its processes', async () => {
    const child = start([...smallLab, `killed-${process.pid}-`]);
    const ended = exitOf(child);
    const lab = JSON.parse(await firstLine(child)) as SmallLab;
    child.kill('SIGKILL');
    await ended;
    const alive = (): number[] => lab.pids.filter((pid) => existsSync(`/proc/${pid}`));
    await eventually(() => expect(alive()).toEqual([]));
    for (const name of lab.netns) spawnSync('ip', ['netns', 'del', name]);
  });
});
