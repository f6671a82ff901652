import { describeDaemonOptions } from '@tartan/core';
import { failure, parse, type Given } from './support';

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
      '--datastore is "files:/x", expected "etcd", "kube", or "file:" followed by a path',
    ],
    [
      { argv: ['--datastore=file:'] },
      'OPTION_INVALID',
      '--datastore is "file:", expected "etcd", "kube", or "file:" followed by a path',
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

  it('refuses two datastores at once', () => {
    const both = { argv: ['--kube-subnet-mgr', '--datastore=etcd'] };
    expect(failure(both)).toMatchObject({ code: 'OPTION_UNAVAILABLE' });
    expect(parse({ argv: ['--kube-subnet-mgr=false'] }).datastore).toEqual({ kind: 'etcd' });
    expect(parse({ env: { FLANNELD_KUBE_SUBNET_MGR: 'true' } }).datastore).toEqual({ kind: 'kube' });
    expect(parse({ argv: ['--kube-subnet-mgr', '--datastore=kube'] }).datastore).toEqual({ kind: 'kube' });
  });

  it.each(['ftp://x', '10.0.0.1:6443', 'https://user@x', 'https://x?a=b'])('refuses the API server %s', (url) => {
    expect(failure({ argv: [`--kube-api-url=${url}`] }).code).toBe('OPTION_INVALID');
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
