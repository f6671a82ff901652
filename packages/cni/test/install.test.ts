import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

const template = join(__dirname, '..', '..', '..', 'deploy', 'cni', '10-tartan.conflist');
const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string };

let program: string;
let root: string;
let bin: string;
let conf: string;
beforeAll(() => (program = builtProgram('tartan-sanitized')), BUILD_PATIENCE_MS);
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tartan-install-'));
  bin = join(root, 'opt', 'cni', 'bin');
  conf = join(root, 'etc', 'cni', 'net.d');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const cni = (...args: string[]) => run(program, args, {}, '');
const install = (...args: string[]) => cni('install', '--bin-dir', bin, '--conf-dir', conf, ...args);
const uninstall = () => cni('uninstall', `--bin-dir=${bin}`, `--conf-dir=${conf}`);
const list = (path: string): string[] => readdirSync(path).sort();
const read = (...path: string[]): string => readFileSync(join(...path), 'latin1');

function addPlugin(name: string, versions: string[] | null): void {
  mkdirSync(bin, { recursive: true });
  const answer = versions ? `echo '${JSON.stringify({ cniVersion: '1.0.0', supportedVersions: versions })}'` : 'exit 1';
  writeFileSync(join(bin, name), `#!/bin/sh\n[ "$CNI_COMMAND" = VERSION ] || exit 1\n${answer}\n`);
  chmodSync(join(bin, name), 0o755);
}

const installedVersions = (): unknown =>
  (JSON.parse(read(conf, '10-tartan.conflist')) as { cniVersions?: unknown }).cniVersions;

test('puts programs and conflist in place, leaving nothing else; again changes nothing', async () => {
  const outcome = await install('--conflist', template);
  expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  expect(list(bin)).toEqual(['flannel', 'tartan']);
  expect(list(conf)).toEqual(['10-tartan.conflist']);
  expect(statSync(join(bin, 'tartan')).mode & 0o777).toBe(0o755);
  expect(statSync(join(conf, '10-tartan.conflist')).mode & 0o777).toBe(0o644);
  // Copies: flannel's installer writes through the name.
  expect(statSync(join(bin, 'tartan')).ino).not.toBe(statSync(join(bin, 'flannel')).ino);
  expect(read(bin, 'flannel')).toBe(read(program));
  const inode = statSync(join(bin, 'tartan')).ino;
  const again = await install('--conflist', template);
  expect(again.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('unchanged'))).toEqual([]);
  expect(statSync(join(bin, 'tartan')).ino).toBe(inode);
});

test('the template is the original network: name, bridge options, portmap', () => {
  expect(JSON.parse(read(template))).toMatchObject({
    name: 'cbr0',
    cniVersion: '0.3.1',
    plugins: [
      { type: 'tartan', delegate: { hairpinMode: true, isDefaultGateway: true } },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
});

test.each([
  ['all speak 1.1.0', ['0.3.1', '0.4.0', '1.0.0', '1.1.0'], ['0.3.1', '0.4.0', '1.0.0', '1.1.0']],
  ['the bridge stops at 1.0.0', ['0.3.1', '0.4.0', '1.0.0'], ['0.3.1', '0.4.0', '1.0.0']],
  ['the bridge gives no answer', null, ['0.3.1']],
])('conflist versions: %s', async (_, bridge, expected) => {
  addPlugin('bridge', bridge);
  for (const name of ['host-local', 'portmap']) addPlugin(name, ['0.3.1', '0.4.0', '1.0.0', '1.1.0']);
  expect(await install('--conflist', template)).toMatchObject({ exitCode: 0 });
  expect(installedVersions()).toEqual(expected);
});

test('conflist versions: a plugin that is missing counts too', async () => {
  expect(await install('--conflist', template)).toMatchObject({ exitCode: 0 });
  expect(installedVersions()).toEqual(['0.3.1']);
});

test('the original is set aside, and comes back', async () => {
  mkdirSync(bin, { recursive: true });
  mkdirSync(conf, { recursive: true });
  writeFileSync(join(bin, 'flannel'), 'the original plugin');
  writeFileSync(join(conf, '10-flannel.conflist'), 'the original list');
  expect(await install('--conflist', template, '--set-aside', '10-flannel.conflist')).toMatchObject({ exitCode: 0 });
  expect(list(bin)).toEqual(['flannel', 'flannel.before-tartan', 'tartan']);
  expect(list(conf)).toEqual(['10-flannel.conflist.before-tartan', '10-tartan.conflist']);
  expect(await uninstall()).toMatchObject({ exitCode: 0, stderr: '' });
  expect(list(bin)).toEqual(['flannel']);
  expect(read(bin, 'flannel')).toBe('the original plugin');
  expect(list(conf)).toEqual(['10-flannel.conflist']);
  expect(await uninstall()).toMatchObject({ exitCode: 0, stderr: '' });
  expect(list(bin)).toEqual(['flannel']);
});

test('whoever reads meanwhile finds the old file or the new one, whole, and never none', async () => {
  const lists = ['a', 'b'].map((letter) => {
    const path = join(root, `${letter}.conflist`);
    // Long enough that writing it takes more than one step.
    writeFileSync(
      path,
      JSON.stringify({ ...JSON.parse(read(template)), cniVersions: undefined, note: letter.repeat(1 << 18) }),
    );
    return path;
  });
  await install('--conflist', lists[0]!);
  const whole = {
    list: lists.map((path) => read(path)),
    plugin: [statSync(program).size, 'the original plugin'.length],
  };
  let looks = 0;
  for (let round = 1; round <= 2; round++) {
    writeFileSync(join(root, 'original'), 'the original plugin');
    renameSync(join(root, 'original'), join(bin, 'flannel'));
    let running = true;
    const installed = install('--conflist', lists[round % 2]!).finally(() => (running = false));
    while (running) {
      // Not toContain: a failure would print megabytes.
      expect(whole.list.includes(read(conf, '10-tartan.conflist'))).toBe(true);
      expect(whole.plugin).toContain(statSync(join(bin, 'flannel')).size);
      looks++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await installed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(read(conf, '10-tartan.conflist') === whole.list[round % 2]).toBe(true);
  }
  expect(looks).toBeGreaterThan(10);
});

test('uninstall leaves a plugin that another installer put there meanwhile', async () => {
  await install('--conflist', template);
  writeFileSync(join(bin, 'flannel'), 'the original plugin, back again');
  expect((await uninstall()).stdout).toContain('kept');
  expect(list(bin)).toEqual(['flannel']);
});

test('a newer version stays, unless told otherwise', async () => {
  await install();
  const newer = read(program).replace(`@(#)tartan-cni ${version}`, `@(#)tartan-cni ${version.replace(/^\d/, '9')}`);
  writeFileSync(join(bin, 'tartan'), newer, 'latin1');
  const outcome = await install();
  expect(outcome).toMatchObject({ exitCode: 0 });
  expect(outcome.stdout).toContain('newer than');
  expect(read(bin, 'tartan')).toBe(newer);
  expect(await install('--allow-downgrade')).toMatchObject({ exitCode: 0 });
  expect(read(bin, 'tartan')).toBe(read(program));
  expect(list(bin)).toEqual(['flannel', 'tartan']);
});

test('an older version is replaced, and not set aside', async () => {
  await install();
  const older = read(program).replace(`@(#)tartan-cni ${version}`, `@(#)tartan-cni ${version.replace(/./gu, '0')}`);
  writeFileSync(join(bin, 'tartan'), older.replace('tartan-cni 00000', 'tartan-cni 0.0.0'), 'latin1');
  await install();
  expect(read(bin, 'tartan')).toBe(read(program));
  expect(list(bin)).toEqual(['flannel', 'tartan']);
});

test('says its version and how to use it', async () => {
  expect(await cni('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  expect((await cni('--help')).stdout).toContain('--conflist FILE');
});

test.each([
  [['explode'], 2, 'unknown command explode'],
  [['install', '--what'], 2, 'unknown option --what'],
  [['install', '--bin-dir'], 2, '--bin-dir wants a value'],
  [['install', '--conflist-name', '../x'], 2, 'wants a plain file name'],
  [['install', '--set-aside=a/b'], 2, 'wants a plain file name'],
])('arguments that make no sense: %j', async (args, exitCode, message) => {
  const outcome = await cni(...args);
  expect(outcome).toMatchObject({ exitCode, stdout: '' });
  expect(outcome.stderr).toContain(message);
});

test.each([
  ['{', 'is not JSON'],
  ['{"name":"x"}', 'has no plugins'],
  ['{"name":"x","plugins":[1]}', 'each plugin must be an object'],
  ['{"plugins":[{"type":"portmap"}]}', 'has no name'],
])('a conflist that no runtime would take is not installed: %s', async (text, message) => {
  const bad = join(root, 'bad.conflist');
  writeFileSync(bad, text);
  const outcome = await install('--conflist', bad);
  expect(outcome.exitCode).toBe(1);
  expect(outcome.stderr).toContain(message);
  expect(() => list(conf)).toThrow();
});

test('folders that cannot be made are an error, not a crash', async () => {
  writeFileSync(join(root, 'opt'), 'a file where a folder should be');
  const outcome = await install();
  expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
  expect(outcome.stderr).toContain('Not a directory');
});
