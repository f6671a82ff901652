import { daemonOptionTable, environmentNames, parseDaemonOptions } from '@tartan/core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOptions } from '../src/start-options';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'start-options-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

const fingerprint = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): string =>
  startOptions(argv, env).fingerprint;

describe('the state directory is the one that the option parser sees', () => {
  const parsed = (argv: readonly string[], env: NodeJS.ProcessEnv): string =>
    parseDaemonOptions({ argv, env, readFile: () => '{"state-dir":"/from/file"}' }).stateDir;

  test.each<[argv: string[], env: NodeJS.ProcessEnv]>([
    [[], {}],
    [['--state-dir=/a'], {}],
    [['--state-dir', '/a'], {}],
    [['-state-dir=/a'], {}],
    [['--state-dir=/a', '--state-dir=/b=c'], {}],
    [[], { TARTAND_STATE_DIR: '/a' }],
    [[], { TARTAND_STATE_DIR: '' }],
    [['--state-dir=/b'], { TARTAND_STATE_DIR: '/a' }],
  ])('%j %j', (argv, env) => {
    expect(startOptions(argv, env).stateDirectory).toBe(parsed(argv, env));
  });

  test('also where the options file has it', () => {
    const path = write('options.json', { 'state-dir': '/from/file' });
    expect(startOptions([`--config=${path}`], {}).stateDirectory).toBe('/from/file');
    expect(startOptions([`--config=${path}`], { TARTAND_STATE_DIR: '/a' }).stateDirectory).toBe('/a');
    expect(startOptions(['--config=/nowhere'], {}).stateDirectory).toBe('/var/lib/tartan');
  });
});

describe('the fingerprint', () => {
  test('is the same for the same options, in whatever surroundings', () => {
    const env = { TARTAND_ETCD_PREFIX: '/a', FLANNELD_IFACE: 'eth0' };
    const others = { FLANNELD_IFACE: 'eth0', TARTAND_ETCD_PREFIX: '/a', INVOCATION_ID: '1', NOTIFY_SOCKET: '/run/x' };
    expect(fingerprint(['--iface=eth0'], env)).toBe(fingerprint(['--iface=eth0'], others));
  });

  test('is another one for other words, variables and contents of files', () => {
    const [options, config] = [join(folder, 'options.json'), join(folder, 'net-conf.json')];
    const argv = [`--config=${options}`, `--net-config-path=${config}`];
    const seen = [fingerprint([]), fingerprint(['--iface=eth0']), fingerprint(['--iface', 'eth0']), fingerprint(argv)];
    write('options.json', { 'etcd-prefix': '/a' });
    seen.push(fingerprint(argv));
    write('options.json', { 'etcd-prefix': '/b' });
    seen.push(fingerprint(argv));
    for (const network of ['10.5.0.0/16', '10.6.0.0/16']) {
      write('net-conf.json', { Network: network });
      seen.push(fingerprint(argv));
    }
    expect(new Set(seen).size).toBe(seen.length);
  });

  test('knows every variable that an option is read from', () => {
    const names = Object.entries(daemonOptionTable).flatMap(([name, definition]) => environmentNames(name, definition));
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => fingerprint([], { [name]: 'x' }) === fingerprint([]))).toEqual([]);
  });

  test('knows where the network config of Kubernetes is by default', () => {
    expect(daemonOptionTable['net-config-path'].default).toBe('/etc/kube-flannel/net-conf.json');
  });
});
