import { eventually } from '@tartan/lab';
import {
  HOST_GW_DUAL,
  PREFIX,
  type Cluster,
  converged,
  keyOf,
  leaseKeys,
  ourRoutes,
  podOf,
  sharedCluster,
  subnetsOf,
  withCluster,
} from './support/cluster';

describe('three hosts', () => {
  const TTL = '--subnet-lease-ttl=2s';
  const cluster = sharedCluster({ hosts: 3, daemon: { args: [TTL] } });

  cluster.test('leases in etcd, routes, subnet.env, and pods that reach each other', async ({ etcd, hosts }) => {
    for (const from of hosts) {
      const others = hosts.filter((host) => host !== from);
      const reached = await Promise.all(others.map((to) => podOf(from).reaches(podOf(to).ipv4)));
      expect(reached).toEqual([true, true]);
    }
    expect(await leaseKeys(etcd)).toHaveLength(3);
    for (const host of hosts) {
      const [subnet = ''] = await subnetsOf(host);
      const key = `${PREFIX}/subnets/${await keyOf(host)}`;
      const value = (await etcd.etcdctl(['get', '--print-value-only', key])).trim();
      expect(value.startsWith(`{"PublicIP":"${host.ipv4}","PublicIPv6":null,"BackendType":"host-gw"`)).toBe(true);
      const text = (await host.run(['cat', host.subnetFile])).stdout;
      expect(text).toBe(
        `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=${subnet.replace('.0/', '.1/')}\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n`,
      );
    }
  });

  cluster.test('two clusters on one host with different prefixes leave each other alone', async ({ etcd, hosts }) => {
    await etcd.put('/second/config', JSON.stringify({ Network: '10.6.0.0/16', Backend: { Type: 'host-gw' } }));
    const second = await Promise.all(
      hosts.slice(0, 2).map((host) =>
        host.startDaemon({
          name: 'second',
          subnetFile: `${host.directory}/run/flannel/second.env`,
          healthPort: 8472,
          args: ['--etcd-prefix=/second'],
        }),
      ),
    );
    await Promise.all(second.map((daemon) => daemon.waitUntilReady()));
    const networks = async (): Promise<string> =>
      (await ourRoutes(hosts[0]!))
        .map(({ dst }) => dst.replace(/\.\d+\.0\/24$/, ''))
        .sort()
        .join();
    await eventually(async () => (await networks()) === '10.5,10.5,10.6', { what: 'routes of both clusters' });
    // A restart of one daemon sweeps what is stale of its own, and nothing of the other.
    await second[0]!.restart({ signal: 'SIGKILL' });
    await second[0]!.waitUntilReady();
    expect(await networks()).toBe('10.5,10.5,10.6');
    expect(await podOf(hosts[0]!).reaches(podOf(hosts[1]!).ipv4)).toBe(true);
    await Promise.all(second.map((daemon) => daemon.stop()));
  });

  cluster.test(
    'one leaves for good and is forgotten, another returns to the same subnet',
    async ({ hosts, daemons }) => {
      const [one, two, three] = hosts;
      const before = await subnetsOf(two!);
      await three!.run(['rm', '-f', three!.subnetFile]);
      await Promise.all([daemons[1]!.stop(), daemons[2]!.stop()]);
      // host3 never comes back: its lease runs out and its routes go; host2 comes back before its own does.
      await daemons[1]!.start();
      await daemons[1]!.waitUntilReady();
      expect(await subnetsOf(two!)).toEqual(before);
      const peers = async (): Promise<string[]> =>
        (await ourRoutes(one!)).map(({ dst }) => dst).filter((dst) => dst.startsWith('10.5.'));
      await eventually(async () => (await peers()).join() === before.join(), { what: 'host1 knows of host2 only' });
    },
  );
});

/** A daemon that is killed finds everything as it left it. */
async function restartsInPlace({ hosts, daemons }: Cluster): Promise<void> {
  const before = (await hosts[0]!.run(['cat', hosts[0]!.subnetFile])).stdout;
  const routes = await ourRoutes(hosts[0]!);
  await daemons[0]!.restart({ signal: 'SIGKILL' });
  await daemons[0]!.waitUntilReady();
  expect((await hosts[0]!.run(['cat', hosts[0]!.subnetFile])).stdout).toBe(before);
  expect(await ourRoutes(hosts[0]!)).toEqual(routes);
  await converged(hosts);
}

test('dual stack: one lease holds both subnets, pods reach each other in both families, and a restart changes nothing', () =>
  withCluster({ hosts: 2, config: HOST_GW_DUAL, lab: { underlayIpv6: 'fd50::/64' } }, async (all) => {
    const [one, two] = all.hosts;
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
    expect(await podOf(one!).reaches(podOf(two!).ipv6)).toBe(true);
    expect(await ourRoutes(one!)).toHaveLength(2);
    const keys = await leaseKeys(all.etcd);
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(key).toMatch(/^10\.5\.\d+\.0-24&fc00:5:0:[0-9a-f]+::-64$/);
    await restartsInPlace(all);
    expect(await leaseKeys(all.etcd)).toEqual(keys);
  }));

test('IPv6 only: every host has a lease of its own, pods reach each other, and a restart changes nothing', () =>
  withCluster(
    {
      hosts: 3,
      config: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fc00:6::/48', Backend: { Type: 'host-gw' } },
      lab: { underlayIpv6: 'fd50::/64' },
      daemon: { publicIp: null },
    },
    async (all) => {
      const [one, two, three] = all.hosts;
      expect(await podOf(one!).reaches(podOf(two!).ipv6)).toBe(true);
      expect(await podOf(three!).reaches(podOf(one!).ipv6)).toBe(true);
      expect(new Set(await leaseKeys(all.etcd)).size).toBe(3);
      await restartsInPlace(all);
    },
  ));
