import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Outcome, errorOf, run, success } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

/*
 * With the reference plugins bridge, host-local and portmap on real namespaces: what a runtime does, in every version of the
 * specification that they speak. The results are judged by the specification's rules and by what the kernel says. Debian's plugins, as
 * a rule; others are tried with TARTAN_CNI_PLUGINS=<directory>.
 */

const REFERENCE = process.env['TARTAN_CNI_PLUGINS'] ?? '/usr/lib/cni';
const possible = existsSync(join(REFERENCE, 'bridge')) || process.env['CI'] === 'true';
const itNeedsPlugins = possible ? test : test.skip;
if (!possible) console.warn(`SKIPPED: no reference plugins in ${REFERENCE} (Debian: containernetworking-plugins)`);

/** Versions of the specification that the reference plugins speak. */
const SPOKEN: readonly string[] = possible ? spokenBy(join(REFERENCE, 'bridge')) : [];
const knows = (version: string): boolean => SPOKEN.includes(version);
/** A test for plugins that know GC and STATUS, or for those that do not: nothing is skipped, each is about some plugins only. */
const none = (): void => undefined;
const itKnowsGc = knows('1.1.0') ? test : none;
const itKnowsNoGc = knows('1.1.0') ? none : itNeedsPlugins;

const execute = promisify(execFile);
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

function spokenBy(plugin: string): string[] {
  const env = { CNI_COMMAND: 'VERSION', CNI_PATH: REFERENCE };
  const answer = execFileSync(plugin, { encoding: 'utf8', env, input: '{"cniVersion":"1.0.0"}' });
  return (JSON.parse(answer) as { supportedVersions: string[] }).supportedVersions;
}

interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: { name: string; sandbox?: string }[];
  readonly ips?: { address: string; gateway?: string; interface?: number; version?: string }[];
  readonly routes?: { dst: string }[];
  readonly ip4?: { ip: string };
}

let program: string;
let root: string;
let pods: string[];

beforeAll(() => (program = builtProgram('tartan')), BUILD_PATIENCE_MS);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tartan-cni-'));
  pods = [];
  writeFileSync(
    join(root, 'subnet.env'),
    'FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.3.1/24\nFLANNEL_IPV6_NETWORK=fd42::/56\n' +
      'FLANNEL_IPV6_SUBNET=fd42:0:0:3::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  );
});

afterEach(() => {
  for (const pod of pods) ip('netns', 'del', pod);
  for (const bridge of ['cni0', 'br1']) {
    if (existsSync(`/sys/class/net/${bridge}`)) ip('link', 'del', bridge);
  }
  rmSync(root, { recursive: true, force: true });
});

function addPod(name: string): string {
  ip('netns', 'add', name);
  pods.push(name);
  return name;
}

interface Call {
  readonly command: string;
  readonly pod?: string;
  readonly ifname?: string;
  readonly plugin?: string;
  readonly config?: Record<string, unknown>;
}

const dataDir = (): string => join(root, 'flannel');
const addresses = (network = 'cbr0'): string[] => {
  const directory = join(root, 'ipam', network);
  return existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => /^[\da-f.:]+$/u.test(name))
        .sort()
    : [];
};

/** What the runtime sends for the plugin's entry in the list. */
function ourConfig(members: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    cniVersion: '1.0.0',
    name: 'cbr0',
    type: 'flannel',
    subnetFile: join(root, 'subnet.env'),
    dataDir: dataDir(),
    delegate: { hairpinMode: true, isDefaultGateway: true },
    ipam: { dataDir: join(root, 'ipam') },
    ...members,
  };
}

function call({ command, pod, ifname = 'eth0', plugin = program, config = ourConfig() }: Call): Promise<Outcome> {
  const attachment: Record<string, string> = pod
    ? { CNI_CONTAINERID: `id-${pod}`, CNI_NETNS: `/run/netns/${pod}`, CNI_IFNAME: ifname }
    : {};
  const env = { PATH: process.env['PATH'] ?? '', CNI_COMMAND: command, CNI_PATH: REFERENCE, ...attachment };
  return run(plugin, [], env, JSON.stringify(config));
}

async function add(request: Omit<Call, 'command'>): Promise<CniResult> {
  const outcome = await call({ command: 'ADD', ...request });
  expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  return JSON.parse(outcome.stdout) as CniResult;
}

/** The specification's rules for a result of ADD, from 0.3.0 on. */
function expectValidResult(result: CniResult, cniVersion: string, pod: string): void {
  expect(result.cniVersion).toBe(cniVersion);
  const interfaces = result.interfaces ?? [];
  const inPod = interfaces.findIndex(({ name, sandbox }) => name === 'eth0' && sandbox === `/run/netns/${pod}`);
  expect(inPod).toBeGreaterThanOrEqual(0);
  expect(result.ips).toHaveLength(2);
  for (const { address, gateway, interface: index, version } of result.ips ?? []) {
    expect(address).toMatch(/^(10\.42\.3\.\d+\/24|fd42:0:0:3::[\da-f]+\/64)$/u);
    expect(gateway).toBe(address.includes(':') ? 'fd42:0:0:3::1' : '10.42.3.1');
    expect(index).toBe(inPod);
    // `version` is required until 0.4.0 and gone since 1.0.0.
    expect(version).toBe(cniVersion.startsWith('1.') ? undefined : address.includes(':') ? '6' : '4');
  }
  const routes = (result.routes ?? []).map(({ dst }) => dst);
  expect(routes).toEqual(expect.arrayContaining(['10.42.0.0/16', 'fd42::/56']));
}

const WITH_INTERFACES = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', ...(knows('1.1.0') ? ['1.1.0'] : [])];

itNeedsPlugins.each(WITH_INTERFACES)('ADD, CHECK and DEL in version %s', async (cniVersion) => {
  const pod = addPod('pod1');
  const config = ourConfig({ cniVersion });
  const result = await add({ pod, config });
  expectValidResult(result, cniVersion, pod);
  const link = ip('-n', pod, 'link', 'show', 'eth0');
  expect(link).toContain('mtu 1450');
  expect(ip('-n', pod, 'route')).toMatch(/default via 10\.42\.3\.1[^]*10\.42\.0\.0\/16 via 10\.42\.3\.1/u);
  await execute('ip', ['netns', 'exec', pod, 'ping', '-c1', '-W5', '10.42.3.1']);
  const checkConfig = { ...config, prevResult: result };
  if (cniVersion.startsWith('0.3')) {
    expect(errorOf(await call({ command: 'CHECK', pod, config: checkConfig })).code).toBe(1);
  } else {
    expect(await call({ command: 'CHECK', pod, config: checkConfig })).toEqual(success);
    ip('-n', pod, 'addr', 'del', '10.42.3.2/24', 'dev', 'eth0');
    const broken = await call({ command: 'CHECK', pod, config: checkConfig });
    expect(broken.exitCode).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({
      code: expect.any(Number) as number,
      msg: expect.any(String) as string,
    });
  }
  expect(await call({ command: 'DEL', pod, config: checkConfig })).toEqual(success);
  expect(ip('-n', pod, 'link')).not.toContain('eth0');
  expect(addresses()).toEqual([]);
  expect(readdirSync(dataDir())).toEqual([]);
  expect(await call({ command: 'DEL', pod, config })).toEqual(success);
});

itNeedsPlugins('versions before interfaces were told: 0.1.0 and 0.2.0', async () => {
  for (const cniVersion of ['0.1.0', '0.2.0']) {
    const pod = addPod(`old${cniVersion.charAt(2)}`);
    const result = await add({ pod, config: ourConfig({ cniVersion }) });
    expect(result.ip4?.ip).toMatch(/^10\.42\.3\.\d+\/24$/u);
    expect(await call({ command: 'DEL', pod, config: ourConfig({ cniVersion }) })).toEqual(success);
  }
});

itKnowsNoGc('a version that the delegate does not speak is the delegate’s error, as it is', async () => {
  const pod = addPod('pod1');
  expect(errorOf(await call({ command: 'ADD', pod, config: ourConfig({ cniVersion: '1.1.0' }) }))).toMatchObject({
    code: 1,
    msg: 'incompatible CNI versions',
  });
});

itNeedsPlugins('a chain with portmap, as a runtime runs the list that is installed', async () => {
  const pod = addPod('pod1');
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const name of ['bridge', 'host-local', 'portmap']) execFileSync('cp', [join(REFERENCE, name), bin]);
  const template = join(__dirname, '..', '..', '..', 'deploy', 'cni', '10-tartan.conflist');
  const conf = join(root, 'net.d');
  await execute(program, ['install', '--bin-dir', bin, '--conf-dir', conf, '--conflist', template]);
  const list = JSON.parse(readFileSync(join(conf, '10-tartan.conflist'), 'utf8')) as {
    name: string;
    cniVersions: string[];
    plugins: Record<string, unknown>[];
  };
  const cniVersion = list.cniVersions.at(-1)!;
  expect(cniVersion).toBe(SPOKEN.at(-1));
  const common = { name: list.name, cniVersion };
  const ours = ourConfig({ ...list.plugins[0], ...common });
  const portmap = {
    ...list.plugins[1],
    ...common,
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
  };
  const prevResult = await add({ pod, plugin: join(bin, 'tartan'), config: ours });
  const last = await add({ pod, plugin: join(bin, 'portmap'), config: { ...portmap, prevResult } });
  expect(last).toMatchObject({ cniVersion, ips: prevResult.ips });
  for (const [plugin, config] of [
    ['portmap', portmap],
    ['tartan', ours],
  ] as const) {
    const outcome = await call({
      command: 'DEL',
      pod,
      plugin: join(bin, plugin),
      config: { ...config, prevResult: last },
    });
    expect(outcome.exitCode).toBe(0);
  }
  expect(addresses()).toEqual([]);
});

itNeedsPlugins('two networks in one pod: each DEL takes its own (C2)', async () => {
  const pod = addPod('pod1');
  const second = ourConfig({ name: 'second', delegate: { bridge: 'br1' } });
  await add({ pod });
  await add({ pod, ifname: 'net1', config: second });
  expect(await call({ command: 'DEL', pod })).toEqual(success);
  expect(addresses()).toEqual([]);
  expect(addresses('second')).toHaveLength(2);
  expect(ip('-n', pod, 'link')).toMatch(/net1/u);
  expect(await call({ command: 'DEL', pod, ifname: 'net1', config: second })).toEqual(success);
  expect(addresses('second')).toEqual([]);
});

itNeedsPlugins('a DEL that failed leaks nothing: the next one does it (C1)', async () => {
  const pod = addPod('pod1');
  await add({ pod });
  const broken = join(root, 'broken');
  mkdirSync(broken);
  writeFileSync(join(broken, 'bridge'), '#!/bin/sh\necho \'{"code":11,"msg":"not now"}\'\nexit 1\n', { mode: 0o755 });
  const env = {
    CNI_COMMAND: 'DEL',
    CNI_PATH: broken,
    CNI_CONTAINERID: `id-${pod}`,
    CNI_NETNS: `/run/netns/${pod}`,
    CNI_IFNAME: 'eth0',
  };
  expect((await run(program, [], env, JSON.stringify(ourConfig()))).exitCode).toBe(1);
  expect(addresses()).toHaveLength(2);
  expect(await call({ command: 'DEL', pod })).toEqual(success);
  expect(addresses()).toEqual([]);
});

/** GC with one of two pods in the runtime's list. */
async function collectAllBut(kept: string): Promise<Outcome> {
  const valid = [{ containerID: `id-${kept}`, ifname: 'eth0' }];
  return call({ command: 'GC', config: ourConfig({ cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid }) });
}

itKnowsNoGc('GC frees the addresses of pods that are gone, with a delegate that knows no GC', async () => {
  for (const name of ['kept', 'lost']) await add({ pod: addPod(name) });
  expect(addresses()).toHaveLength(4);
  // The reference plugins here know no GC and say so; what we hold is freed nevertheless.
  expect(errorOf(await collectAllBut('kept')).details).toContain('delegate: ');
  expect(addresses()).toHaveLength(2);
  expect(await call({ command: 'DEL', pod: 'kept' })).toEqual(success);
});

itKnowsGc('GC with a delegate that speaks 1.1.0 succeeds, and what it leaves to us is freed', async () => {
  const config = ourConfig({ cniVersion: '1.1.0' });
  for (const name of ['kept', 'lost']) await add({ pod: addPod(name), config });
  expect(await collectAllBut('kept')).toEqual(success);
  expect(addresses()).toHaveLength(2);
  expect(readdirSync(dataDir()).sort()).toEqual(['id-kept', 'id-kept@eth0']);
  expect(await call({ command: 'DEL', pod: 'kept', config })).toEqual(success);
});

itKnowsGc('STATUS asks the delegate, and its error is the answer', async () => {
  const config = ourConfig({ cniVersion: '1.1.0' });
  expect(await call({ command: 'STATUS', config })).toEqual(success);
  const broken = ourConfig({ cniVersion: '1.1.0', ipam: { type: 'no-such-plugin' } });
  expect(errorOf(await call({ command: 'STATUS', config: broken })).msg).toContain('no-such-plugin');
  writeFileSync(join(root, 'subnet.env.status'), '{"ready":false,"reason":"no lease yet"}');
  expect(errorOf(await call({ command: 'STATUS', config }))).toMatchObject({
    code: 51,
    msg: 'tartand is not ready: no lease yet',
  });
});

itNeedsPlugins('many pods at once', async () => {
  const names = Array.from({ length: 12 }, (_, i) => addPod(`p${i}`));
  const results = await Promise.all(names.map((pod) => add({ pod })));
  const given = results.flatMap(({ ips }) => ips ?? []).map(({ address }) => address);
  expect(new Set(given).size).toBe(2 * names.length);
  for (const outcome of await Promise.all(names.map((pod) => call({ command: 'DEL', pod }))))
    expect(outcome).toEqual(success);
  expect(addresses()).toEqual([]);
});
