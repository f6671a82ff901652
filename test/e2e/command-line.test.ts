import { runCommand, repositoryRoot } from '@tartan/lab';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * The command line as a newcomer, or somebody who comes from flanneld, meets it. No lab: the daemons here never get beyond their
 * options, or wait for an etcd that does not exist until they are told to stop.
 */

const TARTAND = join(repositoryRoot, 'bin', 'tartand');
const TARTANCTL = join(repositoryRoot, 'bin', 'tartanctl');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'command-line-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function tartand(args: readonly string[], env: Record<string, string> = {}) {
  return runCommand([TARTAND, ...args], { env, allowFailure: true, timeoutMs: 10_000 });
}

/** Starts the daemon with etcd nowhere, gives what it says about its options without quotes, and ends it. */
async function optionsOf(args: readonly string[], env: Record<string, string> = {}): Promise<Record<string, string>> {
  const away = [
    '--etcd-endpoints=http://127.0.0.1:1',
    `--state-dir=${directory}`,
    '--log-level=debug',
    '--log-format=json',
  ];
  const script =
    'exec 3< <("$@" 2>&1); pid=$!; while read -r line <&3; do echo "$line"; case $line in *\\"options\\"*) break;; esac; done; kill "$pid"; wait "$pid"';
  const { stdout } = await runCommand(['bash', '-c', script, 'bash', TARTAND, ...away, ...args], {
    env: { TARTAND_SUBNET_FILE: join(directory, 'subnet.env'), ...env },
    timeoutMs: 10_000,
  });
  const line = stdout.split('\n').find((text) => text.includes('"options"'));
  const fields = Object.entries(JSON.parse(line ?? '{}') as Record<string, string>);
  return Object.fromEntries(fields.map(([name, text]) => [name, text.replaceAll('"', '')]));
}

describe('a mistake is one line on stderr and status 2', () => {
  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['an unknown flag', ['--ifcae=eth0'], {}, /unknown option --ifcae; did you mean --iface\?$/],
    [
      'an unknown flag with one dash',
      ['-etcd-endpoint=http://x'],
      {},
      /unknown option -etcd-endpoint; did you mean --etcd-endpoints\?$/,
    ],
    ['a bad value', ['--healthz-port=http'], {}, /--healthz-port is "?http"?, expected a whole number/],
    ['a value out of range', ['--subnet-lease-renew-margin=1440'], {}, /--subnet-lease-renew-margin.*from 1 to 1439/],
    ['a bad value in the environment', [], { FLANNELD_PUBLIC_IP: '300.1.1.1' }, /FLANNELD_PUBLIC_IP.*IPv4 address/],
    [
      'a value behind a switch',
      ['--ip-masq', 'false', '--iface', 'eth0'],
      {},
      /unexpected argument "?false"?; write --ip-masq=false$/,
    ],
    [
      'a value that is missing',
      ['--iface', '--ip-masq'],
      {},
      /--iface needs a value, but the option --ip-masq follows/,
    ],
    ['a file that is not there', ['--config=/does/not/exist.json'], {}, /options file \/does\/not\/exist\.json: /],
    [
      'two datastores',
      ['--kube-subnet-mgr', '--datastore=etcd'],
      {},
      /--kube-subnet-mgr is not available: .*--datastore/,
    ],
    ['half of a client certificate', ['--etcd-keyfile=/k.pem'], {}, /--etcd-certfile.*belongs to --etcd-keyfile/],
  ])('%s', async (_, args, env, message) => {
    const { exitCode, stdout, stderr } = await tartand(args, env);
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});

test('--version goes to stderr and --help to stdout, with one dash or two, and both are no failure', async () => {
  for (const flag of ['--version', '-version']) {
    const { exitCode, stdout, stderr } = await tartand([flag]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toMatch(/^\d+\.\d+\.\d+\n$/);
  }
  for (const flag of ['--help', '-h']) {
    const { exitCode, stdout, stderr } = await tartand([flag]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('--etcd-endpoints');
  }
});

test('the command line wins over TARTAND_*, that over FLANNELD_*, that over --config; secrets stay hidden', async () => {
  const file = join(directory, 'options.json');
  writeFileSync(
    file,
    JSON.stringify({ iface: ['file0'], 'subnet-lease-ttl': '1h', 'ip-masq': true, 'healthz-port': 0 }),
  );
  const options = await optionsOf(['-config', file, '-iface', 'line0', '--iface=line1'], {
    TARTAND_IFACE: 'tartan0',
    FLANNELD_IFACE: 'flannel0',
    TARTAND_ETCD_PREFIX: '/tartan',
    FLANNELD_ETCD_PREFIX: '/flannel',
    FLANNELD_SUBNET_LEASE_RENEW_MARGIN: '30',
    FLANNELD_ETCD_PASSWORD: 'correct horse',
    TARTAND_NODE_NAME: '',
    NODE_NAME: 'kubernetes-node',
  });
  expect(options).toMatchObject({
    iface: 'line0 line1 (command line)',
    'etcd-prefix': '/tartan (TARTAND_ETCD_PREFIX)',
    'subnet-lease-renew-margin': '30 (FLANNELD_SUBNET_LEASE_RENEW_MARGIN)',
    'subnet-lease-ttl': `1h (${file})`,
    'ip-masq': `true (${file})`,
    'node-name': 'kubernetes-node (NODE_NAME)',
  });
  expect(JSON.stringify(options)).not.toContain('horse');
});

test('tartanctl: commands, their mistakes, and a config checked before it is written', async () => {
  const run = (args: readonly string[], input?: string) =>
    runCommand([TARTANCTL, ...args], { allowFailure: true, ...(input !== undefined && { input }) });
  expect(await run(['staus'])).toMatchObject({
    exitCode: 2,
    stderr: 'tartanctl: unknown command staus; did you mean status?\n',
  });
  expect(await run(['check-config', '-'], '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}')).toMatchObject({
    exitCode: 0,
    stdout: '10.5.0.0/16: subnets of /24, 10.5.1.0 to 10.5.255.0\nbackend: vxlan\n',
  });
  const wrong = await run(['check-config', '-'], '{"Network":"10.5.0.0/29","Backend":{"Type":"vxlan"}}');
  expect(wrong).toMatchObject({ exitCode: 1, stdout: '' });
  expect(wrong.stderr).toMatch(/^tartanctl: network config: Network is 10\.5\.0\.0\/29, expected .*\n$/);
  const nobody = await run(['leases', '--etcd-endpoints=http://127.0.0.1:1', '--etcd-timeout=500ms']);
  expect(nobody.exitCode).toBe(1);
  expect(nobody.stderr).toMatch(/^tartanctl: etcd: .*\n$/);
});
