import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deployFolder, itNeeds } from './support';

const folder = join(deployFolder, 'iproute2', 'rt_protos.d');

it('registers one number, 158, as tartan', () => {
  const lines = readFileSync(join(folder, 'tartan.conf'), 'utf8').split('\n');
  expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual(['158\ttartan']);
});

// In namespaces of its own, user namespace included: needs no root, and touches nothing of the host.
itNeeds('unshare', 'ip')('ip route prints the name, and takes it as a filter', () => {
  const script = `
    mount --bind "$1" /etc/iproute2/rt_protos.d &&
    ip link set lo up &&
    ip route add 10.5.1.0/24 dev lo proto 158 &&
    ip route add 10.5.2.0/24 dev lo proto static &&
    ip route show 10.5.1.0/24 &&
    ip route show proto tartan`;
  const { status, stdout, stderr } = spawnSync('unshare', ['-Urnm', 'sh', '-c', script, 'sh', folder], {
    encoding: 'utf8',
  });
  expect([stderr, status]).toEqual(['', 0]);
  const [shown, filtered, ...rest] = stdout.trim().split('\n');
  expect(shown).toContain('10.5.1.0/24 dev lo proto tartan');
  expect(filtered).toContain('10.5.1.0/24 dev lo');
  expect(rest).toEqual([]);
});
