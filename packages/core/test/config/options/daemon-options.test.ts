import { optionsWithoutEffect, parseDaemonOptions, suspiciousVariables } from '@tartan/core';
import { parse, type Given } from './support';

describe('parseDaemonOptions', () => {
  it('gives the defaults, parsed', () => {
    const options = parse({});
    expect(options.etcdEndpoints).toEqual(['http://127.0.0.1:4001', 'http://127.0.0.1:2379']);
    expect(options.datastore).toEqual({ kind: 'etcd' });
    expect(options.subnetLeaseTtl).toEqual({ ms: 86_400_000, seconds: 86_400 });
    expect(options.publicIp).toBeNull();
    expect(options.healthzIp.toString()).toBe('0.0.0.0');
    expect(options.onLeaseLoss).toBe('keep');
    expect(options.sources['etcd-prefix']).toEqual({ kind: 'default' });
  });

  it('takes one dash and two, joined and separate values', () => {
    const options = parse({
      argv: ['-etcd-prefix=/a', '--subnet-file', '/run/x.env', '-public-ip', '192.0.2.1', '--ip-masq', '-iface=eth0'],
    });
    expect(options.etcdPrefix).toBe('/a');
    expect(options.subnetFile).toBe('/run/x.env');
    expect(options.publicIp?.toString()).toBe('192.0.2.1');
    expect(options.ipMasq).toBe(true);
    expect(options.iface).toEqual(['eth0']);
  });

  it.each(['1', 't', 'T', 'true', 'TRUE', 'True'])('reads the switch value %s as true', (text) => {
    expect(parse({ argv: [`--ip-masq=${text}`] }).ipMasq).toBe(true);
  });

  it.each(['0', 'f', 'F', 'false', 'FALSE', 'False'])('reads the switch value %s as false', (text) => {
    expect(parse({ argv: [`--iptables-forward-rules=${text}`] }).iptablesForwardRules).toBe(false);
  });

  it.each([
    ['0x10', 16],
    ['0b11', 3],
    ['0o17', 15],
    ['017', 15],
    ['+7', 7],
    ['1_000', 1000],
    ['0', 0],
  ])('reads the integer %s as Go does', (text, value) => {
    expect(parse({ argv: [`--healthz-port=${text}`] }).healthzPort).toBe(value);
  });

  it.each([
    ['10', 10_000],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['1500ms', 1_500],
    ['2h', 7_200_000],
    ['1.5s', 1_500],
  ])('reads the duration %s', (text, ms) => {
    expect(parse({ argv: ['--subnet-lease-ttl', text] }).subnetLeaseTtl).toEqual({ ms, seconds: ms / 1000 });
  });

  it('collects repeated lists, and commas where the list has them', () => {
    const options = parse({
      argv: ['--iface=eth0', '--iface', 'eth1', '--etcd-endpoints=http://a:1, b:2', '--etcd-endpoints=https://[::1]:3'],
    });
    expect(options.iface).toEqual(['eth0', 'eth1']);
    expect(options.etcdEndpoints).toEqual(['http://a:1', 'b:2', 'https://[::1]:3']);
  });

  it('gives one entry to a list from the environment', () => {
    expect(parse({ env: { FLANNELD_IFACE: 'eth0,eth1' } }).iface).toEqual(['eth0,eth1']);
  });

  it('lets the last of repeated values win', () => {
    expect(parse({ argv: ['--etcd-prefix=/a', '--etcd-prefix=/b'] }).etcdPrefix).toBe('/b');
  });

  it('takes values that start with a dash unless they are an option', () => {
    expect(parse({ argv: ['--etcd-password', '-secret'] }).etcdPassword).toBe('-secret');
  });

  it('understands the datastore', () => {
    expect(parse({ argv: ['--datastore=file:/etc/nodes.json'] }).datastore).toEqual({
      kind: 'file',
      path: '/etc/nodes.json',
    });
  });

  it('turns -v into the debug level unless a level is given', () => {
    expect(parse({ argv: ['-v=2'] }).logLevel).toBe('debug');
    expect(parse({ argv: ['-v=2', '--log-level=warn'] }).logLevel).toBe('warn');
    expect(parse({ argv: ['-v=0'] }).logLevel).toBe('info');
  });

  it('reads nothing but the command line when help or version is asked for', () => {
    const env = { TARTAND_HEALTHZ_PORT: 'x', TARTAND_CONFIG: '/nowhere' };
    expect(parse({ argv: ['-h'], env }).help).toBe(true);
    expect(parse({ argv: ['--version', '--kube-subnet-mgr'], env }).version).toBe(true);
  });

  it('never takes version and help from the environment', () => {
    expect(parse({ env: { TARTAND_VERSION: '1.2.3', FLANNELD_VERSION: 'true', TARTAND_HELP: 'yes' } }).version).toBe(
      false,
    );
  });
});

describe('precedence', () => {
  const file = '{ "etcd-prefix": "/file", "subnet-lease-ttl": 60, "ip-masq": true, "iface": ["a", "b"] }';

  it.each<[string, Given, string]>([
    ['default', {}, '/coreos.com/network'],
    ['file', { file }, '/file'],
    ['FLANNELD_ over file', { file, env: { FLANNELD_ETCD_PREFIX: '/f' } }, '/f'],
    ['TARTAND_ over FLANNELD_', { file, env: { FLANNELD_ETCD_PREFIX: '/f', TARTAND_ETCD_PREFIX: '/t' } }, '/t'],
    ['an empty variable is not set', { env: { TARTAND_ETCD_PREFIX: '', FLANNELD_ETCD_PREFIX: '/f' } }, '/f'],
    ['command line', { file, argv: ['--etcd-prefix=/c'], env: { TARTAND_ETCD_PREFIX: '/t' } }, '/c'],
  ])('%s', (_, given, expected) => {
    expect(parse(given).etcdPrefix).toBe(expected);
  });

  it('reads every type from the file and says so', () => {
    const options = parse({ file });
    expect(options).toMatchObject({ ipMasq: true, iface: ['a', 'b'], subnetLeaseTtl: { seconds: 60 } });
    expect(options.sources['ip-masq']).toEqual({ kind: 'file', path: '/etc/tartan.json' });
  });

  it('replaces a list of the file as a whole', () => {
    expect(parse({ file, argv: ['--iface=c'] }).iface).toEqual(['c']);
  });

  it('takes the file from the environment too', () => {
    const options = parseDaemonOptions({
      argv: [],
      env: { TARTAND_CONFIG: '/x' },
      readFile: (path) => `{"node-name": "from ${path}"}`,
    });
    expect(options.nodeName).toBe('from /x');
  });

  it('reads variables of the original for its own options only', () => {
    expect(parse({ env: { FLANNELD_STATE_DIR: '/x' } }).stateDir).toBe('/var/lib/tartan');
  });

  it('knows NODE_NAME', () => {
    expect(parse({ env: { NODE_NAME: 'n1' } }).nodeName).toBe('n1');
    expect(parse({ env: { NODE_NAME: 'n1', TARTAND_NODE_NAME: 'n2' } }).nodeName).toBe('n2');
  });
});

describe('what the daemon warns of', () => {
  it('names the given options that do nothing', () => {
    const options = parse({
      argv: ['--iptables-resync=7', '--subnet-lease-renew-margin=30', '--ip-masq'],
      env: { FLANNELD_VMODULE: 'x=1' },
    });
    expect(optionsWithoutEffect(options).sort()).toEqual(['subnet-lease-renew-margin', 'vmodule']);
    expect(optionsWithoutEffect(parse({}))).toEqual([]);
  });

  it('names variables that are mistyped options, but not those of Kubernetes services', () => {
    expect(
      suspiciousVariables({
        TARTAND_ETCD_ENDPOINT: 'x',
        FLANNELD_IFACE: 'x',
        TARTAND_SERVICE_HOST: 'x',
        TARTAND_PORT_2379_TCP: 'x',
        HOME: 'x',
      }),
    ).toEqual([{ variable: 'TARTAND_ETCD_ENDPOINT', nearest: 'TARTAND_ETCD_ENDPOINTS' }]);
  });
});
