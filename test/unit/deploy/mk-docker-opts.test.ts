import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { deployFolder, itNeeds, programPath } from './support';

const script = join(deployFolder, 'docker', 'mk-docker-opts.sh');
const SAMPLE = 'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.74.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n';
/** Every POSIX shell at hand; a system without dash or busybox still has sh. */
const shells = [['sh'], ['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([program]) => programPath(program as string) !== undefined,
);

const BIP = 'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\n';
const MASQ = 'DOCKER_OPT_IPMASQ="--ip-masq=true"\n';
const MTU = 'DOCKER_OPT_MTU="--mtu=1472"\n';

let folder = '';
const at = (name: string): string => join(folder, name);

/** A stand-in for ip(8) that knows these routes. */
function fakeRoutes(routes: string): void {
  writeFileSync(at('ip'), `#!/bin/sh\n[ "$*" = "route show" ] || exit 9\ncat <<'END'\n${routes}\nEND\n`);
  chmodSync(at('ip'), 0o755);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tartan-docker-opts-'));
  writeFileSync(at('subnet.env'), SAMPLE);
  fakeRoutes('default via 192.168.0.1 dev eth0\n10.1.74.0/24 dev docker0 proto kernel scope link src 10.1.74.1');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly status: number | null;
  readonly stderr: string;
  readonly stdout: string;
  /** undefined when the file was not made. */
  readonly options: string | undefined;
}

function run(shell: readonly string[], args: readonly string[], env: Record<string, string> = {}): Outcome {
  const [program, ...shellArgs] = shell as [string, ...string[]];
  const files = ['-f', at('subnet.env'), '-d', at('docker.env')];
  const PATH = `${folder}${delimiter}${process.env['PATH'] ?? ''}`;
  const { status, stderr, stdout } = spawnSync(program, [...shellArgs, script, ...files, ...args], {
    encoding: 'utf8',
    env: { PATH, ...env },
  });
  const options = existsSync(at('docker.env')) ? readFileSync(at('docker.env'), 'utf8') : undefined;
  return { status, stderr, stdout, options };
}

describe.each(shells.map((shell) => [shell.join(' '), shell] as const))('with %s', (_name, shell) => {
  it.each<[string, string[], string]>([
    ['no option', [], `${BIP}${MASQ}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n`],
    ['-i', ['-i'], `${BIP}${MASQ}${MTU}`],
    ['-c', ['-c'], 'DOCKER_OPTS=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n'],
    [
      '-k CUSTOM_KEY',
      ['-k', 'CUSTOM_KEY'],
      `${BIP}${MASQ}${MTU}CUSTOM_KEY=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n`,
    ],
    ['-m', ['-m'], `${BIP}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"\n`],
    ['-i -c', ['-i', '-c'], `${BIP}${MASQ}${MTU}DOCKER_OPTS=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n`],
    ['-c -m', ['-cm'], 'DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"\n'],
  ])('%s gives the lines that flannel gives', (_option, args, expected) => {
    expect(run(shell, args)).toMatchObject({ status: 0, stderr: '', options: expected });
  });

  it('turns masquerading the other way round', () => {
    writeFileSync(at('subnet.env'), 'FLANNEL_IPMASQ=true\n');
    expect(run(shell, ['-i']).options).toBe('DOCKER_OPT_IPMASQ="--ip-masq=false"\n');
  });

  it('leaves the old file alone when the masquerade setting is nonsense', () => {
    writeFileSync(at('docker.env'), 'old\n');
    writeFileSync(at('subnet.env'), 'FLANNEL_IPMASQ=perhaps\n');
    const { status, stderr, options } = run(shell, []);
    expect([status, options]).toEqual([1, 'old\n']);
    expect(stderr).toContain('expected true or false');
  });

  it('makes no option of what is not there', () => {
    rmSync(at('subnet.env'));
    expect(run(shell, [])).toMatchObject({ status: 0, stderr: '', options: 'DOCKER_OPTS=""\n' });
  });

  it('adds to what the variable held before', () => {
    expect(run(shell, ['-c'], { DOCKER_OPTS: '--debug' }).options).toBe(
      'DOCKER_OPTS="--debug  --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n',
    );
  });

  it('takes further options from the environment, in alphabetical order', () => {
    const env = { DOCKER_OPT_LOG: '--log-driver=journald', NOISE: 'a\nDOCKER_OPT_EVIL=--x' };
    expect(run(shell, ['-i'], env).options).toBe(`${BIP}${MASQ}DOCKER_OPT_LOG="--log-driver=journald"\n${MTU}`);
  });

  it.each(['a b', '1X', 'X;id', '', '$(id)'])('refuses -k %j', (name) => {
    const { status, options } = run(shell, ['-k', name]);
    expect([status, options]).toEqual([1, undefined]);
  });

  it.each(['-h', '-?', '-x'])('%s prints the usage on stderr and ends with 1', (option) => {
    const { status, stderr, stdout, options } = run(shell, [option]);
    expect([status, stdout, options]).toEqual([1, '', undefined]);
    expect(stderr).toContain('Usage: mk-docker-opts.sh');
  });

  it('leaves no temporary file', () => {
    run(shell, []);
    expect(readdirSync(folder).sort()).toEqual(['docker.env', 'ip', 'subnet.env']);
  });

  it('writes through a link such as /dev/stdout instead of replacing it', () => {
    symlinkSync(at('target'), at('docker.env'));
    expect(run(shell, ['-c']).status).toBe(0);
    expect(lstatSync(at('docker.env')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('target'), 'utf8')).toMatch(/^DOCKER_OPTS=/);
  });

  it('fails when the file cannot be written', () => {
    expect(run(shell, ['-d', at('missing/docker.env')]).status).not.toBe(0);
  });

  // The shell of busybox takes its own ip applet before anything in PATH, so it never sees the stand-in.
  if (shell[0] === 'busybox') return;

  describe('when the subnet is routed', () => {
    it.each([
      ['through another host', '10.1.74.0/24 via 192.168.0.7 dev eth0', 1],
      ['to this host', '10.1.74.0/24 dev docker0 proto kernel scope link', 0],
      ['only in part', '10.1.74.0/25 via 192.168.0.7 dev eth0', 0],
      ['as part of a larger name', '110.1.74.0/24 via 192.168.0.7 dev eth0', 0],
    ])('%s', (_how, route, expected) => {
      fakeRoutes(`default via 192.168.0.1 dev eth0\n${route}\n10.9.0.0/24 dev eth1`);
      const { status, stderr, options } = run(shell, []);
      expect(status).toBe(expected);
      expect(stderr).toEqual(expected === 1 ? expect.stringContaining('10.1.74.0/24') : '');
      // The file is there either way, as with flannel.
      expect(options).toContain('--bip=10.1.74.1/24');
    });
  });
});

itNeeds('shellcheck')('mk-docker-opts.sh is clean for shellcheck as POSIX sh', () => {
  const { status, stdout } = spawnSync('shellcheck', ['--shell=sh', '--norc', script], { encoding: 'utf8' });
  expect([stdout, status]).toEqual(['', 0]);
});
