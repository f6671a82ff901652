import {
  daemonOptionTable,
  describeDaemonOptions,
  isTartanError,
  optionsWithoutEffect,
  parseDaemonOptions,
  suspiciousVariables,
  type DaemonOptions,
} from '@tartan/core';

interface Given {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly file?: string;
}

function parse({ argv = [], env = {}, file }: Given): DaemonOptions {
  const withFile = file === undefined ? argv : ['--config=/etc/tartan.json', ...argv];
  return parseDaemonOptions({
    argv: withFile,
    env,
    readFile: (path) => {
      if (path !== '/etc/tartan.json' || file === undefined) throw new Error(`ENOENT: ${path}`);
      return file;
    },
  });
}

function failure(given: Given): { code: string; message: string } {
  try {
    parse(given);
  } catch (error) {
    if (isTartanError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('expected an error');
}

// flannel-compat 6.1.
const ORIGINAL: readonly [name: string, type: string, defaultText: string][] = [
  ['etcd-endpoints', 'list', 'http://127.0.0.1:4001,http://127.0.0.1:2379'],
  ['etcd-prefix', 'string', '/coreos.com/network'],
  ['etcd-keyfile', 'string', ''],
  ['etcd-certfile', 'string', ''],
  ['etcd-cafile', 'string', ''],
  ['etcd-username', 'string', ''],
  ['etcd-password', 'string', ''],
  ['iface', 'list', ''],
  ['iface-regex', 'list', ''],
  ['iface-can-reach', 'string', ''],
  ['subnet-file', 'string', '/run/flannel/subnet.env'],
  ['public-ip', 'string', ''],
  ['public-ipv6', 'string', ''],
  ['subnet-lease-renew-margin', 'integer', '60'],
  ['ip-masq', 'boolean', 'false'],
  ['ip-masq-fully-random-disable', 'boolean', 'false'],
  ['kube-subnet-mgr', 'boolean', 'false'],
  ['kube-api-url', 'string', ''],
  ['kubeconfig-file', 'string', ''],
  ['kube-annotation-prefix', 'string', 'flannel.alpha.coreos.com'],
  ['net-config-path', 'string', '/etc/kube-flannel/net-conf.json'],
  ['set-node-network-unavailable', 'boolean', 'true'],
  ['healthz-ip', 'string', '0.0.0.0'],
  ['healthz-port', 'integer', '0'],
  ['iptables-resync', 'integer', '5'],
  ['iptables-forward-rules', 'boolean', 'true'],
  ['ip-blackhole-route', 'boolean', 'false'],
  ['version', 'boolean', 'false'],
  ['v', 'integer', '0'],
  ['vmodule', 'string', ''],
  ['log_backtrace_at', 'string', ''],
];

describe('the table', () => {
  it.each(ORIGINAL)('has --%s of the original as %s with default "%s"', (name, type, defaultText) => {
    const definition = daemonOptionTable[name as keyof typeof daemonOptionTable];
    expect(definition.origin).toBe('flannel');
    expect(definition.type).toBe(type);
    expect((definition.format as (value: unknown) => string)(definition.default)).toBe(defaultText);
  });

  it('claims no other option for the original', () => {
    const claimed = Object.entries(daemonOptionTable).filter(([, { origin }]) => origin === 'flannel');
    expect(claimed.map(([name]) => name).sort()).toEqual(ORIGINAL.map(([name]) => name).sort());
  });

  it.each(Object.entries(daemonOptionTable))('reads the default of --%s back', (_, definition) => {
    const { parse: read, format } = definition as { parse(text: string): unknown; format(value: unknown): string };
    const text = format(definition.default);
    if (text !== '') expect(read(text)).toEqual(definition.default);
  });

  it('explains every option in sentences', () => {
    for (const { help } of Object.values(daemonOptionTable)) expect(help).toMatch(/^[A-Z].*\.$/);
  });
});

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

describe('mistakes', () => {
  it.each<[Given, string, string]>([
    [
      { argv: ['--etcd-endpoint=x'] },
      'OPTION_UNKNOWN',
      'unknown option --etcd-endpoint; did you mean --etcd-endpoints?',
    ],
    [{ argv: ['--etcdPrefix=x'] }, 'OPTION_UNKNOWN', 'unknown option --etcdPrefix; did you mean --etcd-prefix?'],
    [{ argv: ['--zzzzzz'] }, 'OPTION_UNKNOWN', 'unknown option --zzzzzz'],
    [{ argv: ['--constructor'] }, 'OPTION_UNKNOWN', 'unknown option --constructor'],
    [
      { argv: ['--ip-masq', 'false', '--iface', 'x'] },
      'OPTION_POSITIONAL',
      'unexpected argument "false"; write --ip-masq=false',
    ],
    [{ argv: ['start'] }, 'OPTION_POSITIONAL', 'unexpected argument "start"; every option starts with --, see --help'],
    [{ argv: ['--', 'x'] }, 'OPTION_POSITIONAL', 'unexpected argument "x"; every option starts with --, see --help'],
    [
      { argv: ['---iface=x'] },
      'OPTION_POSITIONAL',
      'unexpected argument "---iface=x"; every option starts with --, see --help',
    ],
    [{ argv: ['--iface'] }, 'OPTION_VALUE_MISSING', '--iface needs a value: the name or an address of an interface'],
    [
      { argv: ['--etcd-prefix', '--etcd-password=geheim'] },
      'OPTION_VALUE_MISSING',
      '--etcd-prefix needs a value, but the option --etcd-password follows; write --etcd-prefix=VALUE',
    ],
    [
      { argv: ['--healthz-port=65536'] },
      'OPTION_INVALID',
      '--healthz-port is "65536", expected a whole number from 0 to 65535',
    ],
    [
      { argv: ['-healthz-port', '-1'] },
      'OPTION_INVALID',
      '-healthz-port is "-1", expected a whole number from 0 to 65535',
    ],
    [{ argv: ['--ip-masq=ja'] }, 'OPTION_INVALID', '--ip-masq is "ja", expected true or false'],
    [
      { argv: ['--on-lease-loss=die'] },
      'OPTION_INVALID',
      '--on-lease-loss is "die", expected one of keep, reacquire, exit',
    ],
    [
      { argv: ['--subnet-lease-renew-margin=1440'] },
      'OPTION_INVALID',
      '--subnet-lease-renew-margin is "1440", expected a whole number of minutes from 1 to 1439',
    ],
    [{ env: { FLANNELD_IP_MASQ: 'yes' } }, 'OPTION_INVALID', 'FLANNELD_IP_MASQ is "yes", expected true or false'],
    [
      { argv: ['--datastore=files:/x'] },
      'OPTION_INVALID',
      '--datastore is "files:/x", expected "etcd" or "file:" followed by a path',
    ],
    [
      { argv: ['--datastore=file:'] },
      'OPTION_INVALID',
      '--datastore is "file:", expected "etcd" or "file:" followed by a path',
    ],
    [{ argv: ['--public-ip=fd00::1'] }, 'OPTION_INVALID', '--public-ip is "fd00::1", expected a unicast IPv4 address'],
    [
      { argv: ['--public-ip=224.0.0.1'] },
      'OPTION_INVALID',
      '--public-ip is "224.0.0.1", expected a unicast IPv4 address',
    ],
    [
      { argv: ['--etcd-keyfile=k'] },
      'OPTION_INVALID',
      '--etcd-certfile is not set, expected the file that belongs to --etcd-keyfile',
    ],
    [
      { argv: ['--etcd-certfile=c'] },
      'OPTION_INVALID',
      '--etcd-keyfile is not set, expected the file that belongs to --etcd-certfile',
    ],
    [
      { file: '{"etcd-prefx": "/x"}' },
      'OPTION_UNKNOWN',
      'unknown option "etcd-prefx" (in /etc/tartan.json); did you mean "etcd-prefix"?',
    ],
    [{ file: '{"__proto__": "/x"}' }, 'OPTION_UNKNOWN', 'unknown option "__proto__" (in /etc/tartan.json)'],
    [
      { file: '{"healthz-port": "x"}' },
      'OPTION_INVALID',
      'healthz-port (in /etc/tartan.json) is "x", expected a whole number from 0 to 65535',
    ],
    [
      { file: '{\n"healthz-port": null}' },
      'OPTION_INVALID',
      'healthz-port (in /etc/tartan.json, line 2) is null, expected a whole number from 0 to 65535',
    ],
    [{ file: '{"v": 1, "v": 2}' }, 'OPTION_FILE_UNREADABLE', 'options file /etc/tartan.json: "v" stands there twice'],
    [
      { file: '{"config": "x"}' },
      'OPTION_FILE_UNREADABLE',
      'options file /etc/tartan.json: config can be given on the command line only',
    ],
    [{ file: '[]' }, 'OPTION_FILE_UNREADABLE', 'options file /etc/tartan.json: it holds an array, expected an object'],
    [
      { file: '{"v": 1,}' },
      'OPTION_FILE_UNREADABLE',
      'options file /etc/tartan.json: not JSON at line 1, column 9: a comma stands before the end; remove it',
    ],
    [{ argv: ['--config=/nowhere'] }, 'OPTION_FILE_UNREADABLE', 'options file /nowhere: ENOENT: /nowhere'],
  ])('%j', (given, code, message) => {
    expect(failure(given)).toEqual({ code, message });
  });

  it.each(['ftp://a', 'http://', 'http://a/path', 'a b', 'http://a:99999', ''])('refuses the endpoint "%s"', (text) => {
    expect(failure({ argv: [`--etcd-endpoints=${text}`] }).code).toBe('OPTION_INVALID');
  });

  it('refuses the Kubernetes mode instead of silently using etcd', () => {
    expect(failure({ env: { FLANNELD_KUBE_SUBNET_MGR: 'true' } })).toMatchObject({ code: 'OPTION_UNAVAILABLE' });
    expect(parse({ argv: ['--kube-subnet-mgr=false'] }).kubeSubnetMgr).toBe(false);
  });

  it('checks values that something else overrides', () => {
    const given = { argv: ['--healthz-port=1'], env: { TARTAND_HEALTHZ_PORT: 'x' } };
    expect(failure(given).message).toContain('TARTAND_HEALTHZ_PORT');
  });

  it('keeps messages on one line and short whatever the value', () => {
    const { message } = failure({ argv: [`--healthz-port=a\nb\u001b[31m${'x'.repeat(10_000)}`] });
    expect(message).not.toMatch(/\p{Cc}/u);
    expect(message.length).toBeLessThan(250);
  });

  it('never shows a secret', () => {
    expect(failure({ argv: ['--etcd-endpoints=http://root:geheim@h:1'] }).message).not.toContain('geheim');
    const options = parse({ argv: ['--etcd-password', 'geheim', '--etcd-prefix=/x'], env: { TARTAND_V: '1' } });
    expect(describeDaemonOptions(options)).toEqual({
      'etcd-password': '(hidden) (command line)',
      'etcd-prefix': '"/x" (command line)',
      v: '"1" (TARTAND_V)',
    });
  });
});

describe('what the daemon warns of', () => {
  it('names the given options that do nothing', () => {
    const options = parse({
      argv: ['--iptables-resync=7', '--kube-api-url=http://x', '--subnet-lease-renew-margin=30', '--ip-masq'],
      env: { FLANNELD_VMODULE: 'x=1' },
    });
    expect(optionsWithoutEffect(options).sort()).toEqual([
      'iptables-resync',
      'kube-api-url',
      'subnet-lease-renew-margin',
      'vmodule',
    ]);
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
