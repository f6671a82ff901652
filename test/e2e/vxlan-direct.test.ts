import { eventually, faults, type Host } from '@tartan/lab';
import { ourRoutes, podOf, sharedCluster, withCluster } from './support/cluster';
import { VXLAN } from './support/vxlan';

const DIRECT = { ...VXLAN, Backend: { Type: 'vxlan', DirectRouting: true } };
const DUAL = { ...DIRECT, EnableIPv6: true, IPv6Network: 'fc00:5::/48' };

type Two = readonly [Host, Host];

/** `eth0` or `flannel.1` for each route of ours, sorted. */
async function ways(host: Host): Promise<string[]> {
  return (await ourRoutes(host)).map(({ dev }) => dev ?? '').sort();
}

function goes(host: Host, ...wanted: string[]): Promise<unknown> {
  return eventually(async () => (await ways(host)).join() === wanted.join(), {
    what: `${host.name} routes over ${wanted.join(' and ')}`,
  });
}

test('peers on the segment are reached past the tunnel, in both families', () =>
  withCluster({ hosts: 2, config: DUAL, lab: { underlayIpv6: 'fd50::/64' } }, async ({ hosts }) => {
    const [one, two] = hosts as unknown as Two;
    for (const host of [one, two]) await goes(host, 'eth0', 'eth0');
    const capture = await one.capture({ ifname: 'eth0' });
    expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
    expect(await podOf(one).reaches(podOf(two).ipv6)).toBe(true);
    await capture.atLeast(4, { filter: 'icmp or icmp6' });
    await capture.stop();
    expect(await capture.lines('udp port 8472')).toEqual([]);
    expect(await capture.lines(`icmp and host ${podOf(two).ipv4}`)).not.toEqual([]);
  }));

describe('two hosts', () => {
  const cluster = sharedCluster({ hosts: 2, config: DIRECT });

  cluster.test(
    'a peer that moves behind a router gets the tunnel, and the direct way again when it is back, without losing a packet',
    async ({ hosts, lab }) => {
      const [one, two] = hosts as unknown as Two;
      await goes(one, 'eth0');
      // The switch is a router now as well, one that sends nobody elsewhere.
      await lab.switch.sysctl({
        'net.ipv4.ip_forward': 1,
        'net.ipv4.conf.all.send_redirects': 0,
        'net.ipv4.conf.default.send_redirects': 0,
        'net.ipv4.conf.br0.send_redirects': 0,
      });
      const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
      await one.ip(`route add ${two.ipv4}/32 via 192.168.50.254 dev eth0`);
      await goes(one, 'flannel.1');
      await one.ip(`route delete ${two.ipv4}/32`);
      await goes(one, 'eth0');
      const { lost, back, sendErrors } = await stream.stop();
      expect({ lost, back: back?.lost, sendErrors }).toEqual({ lost: 0, back: 0, sendErrors: 0 });
    },
  );

  cluster.test(
    'a peer that falls silent gets the tunnel, and the direct way when it answers again',
    async ({ hosts }) => {
      const [one, two] = hosts as unknown as Two;
      await goes(one, 'eth0');
      const fault = await faults.partition(two);
      // The kernel gives up after three ARP requests.
      await one.ip(`neigh flush dev eth0 to ${two.ipv4}`);
      await goes(one, 'flannel.1');
      await fault.heal();
      await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'the tunnel works again' });
      await goes(one, 'eth0');
      expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
    },
  );

  cluster.test('a direct route that is deleted, or lost with the link, comes back', async ({ hosts }) => {
    const [one, two] = hosts as unknown as Two;
    await goes(one, 'eth0');
    const [route] = await ourRoutes(one);
    await faults.deleteRoute(one, route?.dst ?? '');
    await goes(one, 'eth0');
    await faults.flapLink(one);
    await goes(one, 'eth0');
    expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
  });
});
