import { doubtfulOptions } from '@tartan/core';
import { parse, type Given } from './support';

const FILE = '--datastore=file:/srv/nodes.json';

test.each<[Given, [option: string, reason: string][]]>([
  [{}, []],
  [{ argv: [FILE] }, []],
  [
    { argv: [FILE, '--etcd-prefix=/x'], env: { FLANNELD_ETCD_ENDPOINTS: 'http://a:1' } },
    [
      ['FLANNELD_ETCD_ENDPOINTS', 'it has no effect: --datastore is file:/srv/nodes.json'],
      ['--etcd-prefix', 'it has no effect: --datastore is file:/srv/nodes.json'],
    ],
  ],
  [
    { argv: ['--etcd-cafile=/ca.pem'] },
    [['--etcd-cafile', 'it has no effect: no URL of --etcd-endpoints starts with https://']],
  ],
  [{ argv: ['--etcd-cafile=/ca.pem', '--etcd-endpoints=http://a:1,https://b:1'] }, []],
  [
    { argv: ['--etcd-username=root'] },
    [['--etcd-username', '--etcd-password is not set: etcd is asked with an empty one']],
  ],
  [{ argv: ['--etcd-username=root'], env: { TARTAND_ETCD_PASSWORD: 'geheim' } }, []],
  [
    { argv: ['--healthz-ip=127.0.0.1'] },
    [['--healthz-ip', 'it has no effect: --healthz-port is 0, so nothing is served']],
  ],
  [{ argv: ['--healthz-ip=127.0.0.1', '--healthz-port=8081'] }, []],
])('%j', (given, expected) => {
  const found = doubtfulOptions(parse(given)).map(({ option, reason }) => [option, reason] as [string, string]);
  expect(found.sort()).toEqual([...expected].sort());
});
