import { nodeStatusPath, writeNodeStatus } from '@tartan/cni';
import {
  LastClusterStore,
  LastLeaseStore,
  Ipv4Prefix,
  parseDaemonOptions,
  silentLogger,
  type BackendModule,
  type CommandRunner,
} from '@tartan/core';
import { FakeKernel } from '@tartan/netlink/testing';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { builtInBackends } from '../src/backends';
import { cleanUp } from '../src/clean-up';
import { lastLeaseKey } from '../src/datastores';
import { RESUME_FILE } from '../src/early-resume';
import { resumeFile } from '../src/resume-file';
import { FakeNft } from './support/fake-nft';
import { leaseOf } from './support/leases';

let folder: string;
let kernel: FakeKernel;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clean-up-'));
  kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', addresses: ['192.168.50.1/24'] });
  addOverlay('flannel.1', '10.5');
  addOverlay('flannel.2', '10.6');
  // Of others: by protocol, by kind, by name.
  kernel.addRoute('10.5.9.0/24 via 192.168.50.9 dev eth0 proto static');
  kernel.addLink({ name: 'flannel.3', kind: 'dummy', addresses: ['10.5.1.3/32'] });
  kernel.addLink({ name: 'vxlan.calico', kind: 'vxlan', addresses: ['10.5.1.4/32'] });
});
afterEach(() => {
  kernel.close();
  rmSync(folder, { recursive: true });
});

function addOverlay(device: string, network: string): void {
  kernel.addLink({ name: device, kind: 'vxlan', addresses: [`${network}.1.0/32`] });
  kernel.addRoute(`${network}.2.0/24 via ${network}.2.0 dev ${device} proto 158 onlink`);
  kernel.addRoute(`blackhole ${network}.1.0/24 proto 158 metric 2147483647`);
}

function optionsOf(args: readonly string[]) {
  const argv = ['--cleanup', `--subnet-file=${folder}/subnet.env`, `--state-dir=${folder}/state`, ...args];
  return parseDaemonOptions({ argv, env: {}, readFile: () => '' });
}

const devicesOnly = (module: BackendModule): Pick<BackendModule, 'isOwnDevice'> => ({
  isOwnDevice: (link) => module.isOwnDevice?.(link) === true,
});

async function run(
  args: readonly string[] = [],
  runner: CommandRunner = new FakeNft(),
  more: readonly Pick<BackendModule, 'isOwnDevice' | 'leftovers'>[] = [],
) {
  const lines: string[] = [];
  const done = await cleanUp({
    options: optionsOf(args),
    netlink: kernel,
    runner,
    // Without what they would look for in the kernel of this machine.
    backends: [...builtInBackends.map(devicesOnly), ...more],
    logger: silentLogger,
    tell: (line) => lines.push(line.trim()),
  });
  return { done, lines };
}

const links = (): string[] => [...kernel.snapshot().links].map((link) => link.split(' ')[0]!).sort();
const routes = (): string[] => kernel.snapshot().routes.filter((route) => /(^| )10\./.test(route));

function writeSubnetFile(network: string): void {
  writeFileSync(
    join(folder, 'subnet.env'),
    `FLANNEL_NETWORK=${network}.0.0/16\nFLANNEL_SUBNET=${network}.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n`,
  );
}

/** The memory of the cluster, beside that of the lease. */
async function rememberCluster(): Promise<string> {
  const place = { directory: join(folder, 'state'), key: lastLeaseKey(optionsOf([])), logger: silentLogger };
  const store = new LastClusterStore({ ...place, machine: 'this' });
  await store.write({ config: null, peers: [leaseOf('10.5.2.0/24')] });
  return store.path;
}

/** What the next process would go on with. */
function rememberLoop(): string {
  mkdirSync(join(folder, 'state'), { recursive: true });
  const path = resumeFile(join(folder, 'state'), lastLeaseKey(optionsOf([])));
  writeFileSync(path, '');
  return path;
}

/** The memory of a daemon with that prefix. */
async function remember(prefix: string, network: string): Promise<string> {
  mkdirSync(join(folder, 'state'), { recursive: true });
  const key = lastLeaseKey(optionsOf([`--etcd-prefix=${prefix}`]));
  const store = new LastLeaseStore({ directory: join(folder, 'state'), key, logger: silentLogger });
  await store.write({
    lease: leaseOf(`${network}.1.0/24`),
    network: Ipv4Prefix.parse(`${network}.0.0/16`),
    ipv6Network: null,
    mtuBytes: 1450,
    ipMasq: true,
  });
  return store.path;
}

const OURS = ['route 10.5.1.0/24', 'route 10.5.2.0/24', 'device flannel.1'];
const THEIRS = ['route 10.6.1.0/24', 'route 10.6.2.0/24', 'device flannel.2'];
const objectsOf = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^(?:route|device) /.test(line)).sort();

test.each(['the subnet file', 'the remembered lease'])('%s says what is ours', async (source) => {
  if (source === 'the subnet file') writeSubnetFile('10.5');
  else await remember('/coreos.com/network', '10.5');
  const cluster = await rememberCluster();
  const status = nodeStatusPath(join(folder, 'subnet.env'));
  await writeNodeStatus(status, { ready: true });
  const resume = rememberLoop();
  const before = kernel.snapshot();
  const dry = await run(['--dry-run']);
  expect(kernel.snapshot()).toEqual(before);
  expect(dry.lines[0]).toBe('would remove what belongs to 10.5.0.0/16');
  expect(objectsOf(dry.lines)).toEqual([...OURS].sort());
  const { done, lines } = await run();
  expect(done).toBe(true);
  expect(lines.slice(1)).toEqual(dry.lines.slice(1));
  expect(links()).toEqual(expect.arrayContaining(['eth0', 'flannel.2', 'flannel.3', 'vxlan.calico']));
  expect(links()).not.toContain('flannel.1');
  expect(routes().join()).toContain('10.5.9.0/24');
  expect(routes().join()).not.toMatch(/10\.5\.[12]\.0/);
  expect(existsSync(join(folder, 'subnet.env'))).toBe(false);
  expect([cluster, status, resume].filter((path) => existsSync(path))).toEqual([]);
});

test('the early part of a start finds the file that the backend is given', () => {
  expect(basename(resumeFile('/state', lastLeaseKey(optionsOf([]))))).toMatch(RESUME_FILE);
});

describe('where neither is there', () => {
  test('marks on the things themselves say what is ours, in every datastore mode', async () => {
    const dry = await run(['--dry-run', '--kube-subnet-mgr']);
    expect(dry.lines[0]).toMatch(/^would remove all that bears the marks of tartand/);
    expect(objectsOf(dry.lines)).toEqual([...OURS, ...THEIRS].sort());
    expect(links()).toContain('flannel.1');
    expect((await run(['--kube-subnet-mgr'])).done).toBe(true);
    expect(links()).not.toContain('flannel.1');
    expect(links()).toEqual(expect.arrayContaining(['eth0', 'flannel.3', 'vxlan.calico']));
    expect(routes().join()).toContain('10.5.9.0/24');
  });

  test('what another daemon remembers is left to it, and it is named', async () => {
    const path = await remember('/other', '10.6');
    const { done, lines } = await run();
    expect(done).toBe(true);
    expect(objectsOf(lines)).toEqual([...OURS].sort());
    expect(lines).toContain(
      `left alone: what belongs to the daemon with --subnet-file=${folder}/subnet.env (etcd:/other, ${path})`,
    );
    expect(links()).toContain('flannel.2');
    expect(existsSync(path)).toBe(true);
  });

  test('a second time there is nothing, and that is no failure', async () => {
    await run();
    const { done, lines } = await run();
    expect(done).toBe(true);
    expect(lines.at(-1)).toBe('nothing is there');
  });
});

test('what cannot be removed is told, and the rest goes', async () => {
  writeSubnetFile('10.5');
  kernel.failNext('link-delete', 'EPERM');
  const { done, lines } = await run();
  expect(done).toBe(false);
  expect(lines).toContainEqual(expect.stringMatching(/^device flannel\.1: FAILED: /));
  expect(routes().join()).not.toContain('10.5.2.0/24');
});

describe('what a backend left besides', () => {
  const removed: string[] = [];
  const leaving = (device: string, failure?: Error): Pick<BackendModule, 'isOwnDevice' | 'leftovers'> => ({
    isOwnDevice: ({ name }) => name === device,
    leftovers: () =>
      Promise.resolve(
        ['filter', 'other'].map((text) => ({
          text,
          remove: () => {
            removed.push(text);
            return failure ? Promise.reject(failure) : Promise.resolve();
          },
        })),
      ),
  });
  beforeEach(() => {
    removed.length = 0;
    writeSubnetFile('10.5');
  });

  test('is listed by a dry run, and removed in its order', async () => {
    const dry = await run(['--dry-run'], undefined, [leaving('flannel.1')]);
    expect(dry.lines).toEqual(expect.arrayContaining(['filter', 'other']));
    expect(removed).toEqual([]);
    expect((await run([], undefined, [leaving('flannel.1')])).done).toBe(true);
    expect(removed).toEqual(['filter', 'other']);
  });

  test('stays where the device belongs to another daemon', async () => {
    const { lines } = await run([], undefined, [leaving('flannel.2')]);
    expect(lines).not.toContain('filter');
    expect(removed).toEqual([]);
  });

  test('fails the clean-up when it cannot go', async () => {
    const { done, lines } = await run([], undefined, [leaving('flannel.1', new Error('EPERM'))]);
    expect(done).toBe(false);
    expect(lines).toContain('filter: FAILED: EPERM');
    expect(removed).toEqual(['filter', 'other']);
  });
});
