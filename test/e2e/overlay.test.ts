import { eventually } from '@tartan/lab';
import { HOST_GW_DUAL, PREFIX, converged, ourRoutes, podOf, subnetsOf, withCluster } from './support/cluster';

test('three hosts: leases in etcd, routes, subnet.env, and pods that reach each other', () =>
  withCluster({}, async ({ etcd, hosts }) => {
    for (const from of hosts) {
      for (const to of hosts) {
        if (from !== to) expect(await podOf(from).reaches(podOf(to).ipv4)).toBe(true);
      }
    }
    const keys = (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`])).trim().split(/\n+/);
    expect(keys).toHaveLength(3);
    for (const host of hosts) {
      const [subnet = ''] = await subnetsOf(host);
      const value = (
        await etcd.etcdctl(['get', '--print-value-only', `${PREFIX}/subnets/${subnet.replace('/', '-')}`])
      ).trim();
      expect(value.startsWith(`{"PublicIP":"${host.ipv4}","PublicIPv6":null,"BackendType":"host-gw"`)).toBe(true);
      const text = (await host.run(['cat', host.subnetFile])).stdout;
      expect(text).toBe(
        `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=${subnet.replace('.0/', '.1/')}\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n`,
      );
    }
  }));

test('dual stack: one lease holds both subnets, and pods reach each other in both families', () =>
  withCluster({ hosts: 2, config: HOST_GW_DUAL, lab: { underlayIpv6: 'fd50::/64' } }, async ({ etcd, hosts }) => {
    const [one, two] = hosts;
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
    expect(await podOf(one!).reaches(podOf(two!).ipv6)).toBe(true);
    expect(await ourRoutes(one!)).toHaveLength(2);
    const keys = (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`])).trim().split(/\n+/);
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(key).toMatch(/subnets\/10\.5\.\d+\.0-24&fc00:5:0:[0-9a-f]+::-64$/);
  }));

test('IPv6 only: every host has a lease of its own and pods reach each other', () =>
  withCluster(
    {
      hosts: 3,
      config: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fc00:6::/48', Backend: { Type: 'host-gw' } },
      lab: { underlayIpv6: 'fd50::/64' },
      daemon: { publicIp: null },
    },
    async ({ etcd, hosts }) => {
      const [one, two, three] = hosts;
      expect(await podOf(one!).reaches(podOf(two!).ipv6)).toBe(true);
      expect(await podOf(three!).reaches(podOf(one!).ipv6)).toBe(true);
      const keys = (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`])).trim().split(/\n+/);
      expect(new Set(keys).size).toBe(3);
    },
  ));

test('a host joins, leaves for good, and another returns to the same subnet', () =>
  withCluster({ hosts: 2, daemon: { args: ['--subnet-lease-ttl=5s'] } }, async ({ lab, hosts, daemons }) => {
    const three = await lab.addHost({ name: 'host3' });
    const daemon = await three.startDaemon({ args: ['--subnet-lease-ttl=5s'] });
    await daemon.waitUntilReady();
    await converged([...hosts, three]);

    const before = await subnetsOf(hosts[1]!);
    await daemons[1]!.stop();
    await three.run(['rm', '-f', three.subnetFile]);
    await daemon.stop();
    // host3 never comes back: its lease runs out and its routes go; host2 comes back before its own does.
    await daemons[1]!.start();
    await daemons[1]!.waitUntilReady();
    expect(await subnetsOf(hosts[1]!)).toEqual(before);
    await converged(hosts, 20_000);
  }));

test('two clusters on one host with different prefixes leave each other alone', () =>
  withCluster({ hosts: 2 }, async ({ etcd, hosts }) => {
    await etcd.put('/second/config', JSON.stringify({ Network: '10.6.0.0/16', Backend: { Type: 'host-gw' } }));
    const second = await Promise.all(
      hosts.map((host) =>
        host.startDaemon({
          name: 'second',
          subnetFile: `${host.directory}/run/flannel/second.env`,
          healthPort: 8472,
          args: ['--etcd-prefix=/second'],
        }),
      ),
    );
    await Promise.all(second.map((daemon) => daemon.waitUntilReady()));
    const networks = async (): Promise<string[]> =>
      (await ourRoutes(hosts[0]!)).map(({ dst }) => dst.replace(/\.\d+\.0\/24$/, '')).sort();
    await eventually(async () => (await networks()).join() === '10.5,10.6', { what: 'routes of both clusters' });
    // A restart of one daemon sweeps what is stale of its own, and nothing of the other.
    await second[0]!.restart({ signal: 'SIGKILL' });
    await second[0]!.waitUntilReady();
    expect(await networks()).toEqual(['10.5', '10.6']);
    expect(await podOf(hosts[0]!).reaches(podOf(hosts[1]!).ipv4)).toBe(true);
  }));
