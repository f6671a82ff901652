import { eventually, type DaemonOptions, type Host, type LabDaemon } from '@tartan/lab';
import { PREFIX, type Cluster, converged, keyOf, leaseKeys, sharedCluster, subnetsOf } from './support/cluster';

/*
 * Getting a subnet where that is not a matter of course. The network is so small that three hosts fill it.
 */

const SMALL = { Network: '10.5.0.0/28', SubnetLen: 30, Backend: { Type: 'host-gw' } };
const cluster = sharedCluster({ hosts: 3, config: SMALL });

const keyFor = (subnet: string): string => `${PREFIX}/subnets/${subnet}`;

/** Another host, with a daemon that is not ready yet. */
async function join({ lab }: Cluster, options: DaemonOptions = {}): Promise<{ host: Host; daemon: LabDaemon }> {
  const host = await lab.addHost({ name: `host${lab.hosts.length + 1}` });
  return { host, daemon: await host.startDaemon(options) };
}

cluster.test('three hosts at the same moment get the three subnets', async ({ etcd }) => {
  expect((await leaseKeys(etcd)).sort()).toEqual(['10.5.0.12-30', '10.5.0.4-30', '10.5.0.8-30']);
});

cluster.test('a second host with the same public address is refused, and both are named', async (all) => {
  // What a virtual machine manager does that gives all guests one address behind NAT.
  await all.etcd.put('/nat/config', JSON.stringify({ Network: '10.9.0.0/16', Backend: { Type: 'vxlan' } }));
  const options = { publicIp: '203.0.113.7', args: ['--etcd-prefix=/nat'] };
  const first = await join(all, options);
  await first.daemon.waitUntilReady();
  const before = await leaseKeys(all.etcd, '/nat');
  const second = await join(all, options);
  expect(await second.daemon.process.exited).toMatchObject({ code: 1 });
  const names = [first.host.name, second.host.name] as const;
  expect(await second.daemon.process.log()).toMatch(
    new RegExp(`tartand ends .*203.0.113.7 is already used by node .*${names[0]}.*this node is .*${names[1]}`),
  );
  expect(await leaseKeys(all.etcd, '/nat')).toEqual(before);
  expect((await first.daemon.health()).status).toBe(200);
  await first.daemon.stop();
});

cluster.test(
  'a full network is said with counts; a place that gets free is taken, also one that a wider config gives',
  async (all) => {
    const { etcd, hosts, daemons } = all;
    const { host, daemon } = await join(all);
    await daemon.process.waitForLog(/cannot be brought up yet.*LEASE_OUT_OF_SUBNETS/);
    const { status, body } = await daemon.health('/readyz?verbose');
    expect(status).toBe(503);
    expect(/\[-\]lease .*/.exec(body)?.[0]).toContain('out of subnets: 3 used, 0 free in 10.5.0.0/28');

    // host3 is drained and leaves.
    await hosts[2]!.ip('link delete cni0');
    const key = await keyOf(hosts[2]!);
    await daemons[2]!.stop();
    await etcd.remove(keyFor(key));
    await daemon.waitUntilReady();
    expect(await keyOf(host)).toBe(key);
    await converged([hosts[0]!, hosts[1]!, host]);

    // It comes back to a network that has no room, until the operator makes some; nobody else is disturbed.
    await daemons[2]!.start();
    await daemons[2]!.process.waitForLog(/LEASE_OUT_OF_SUBNETS/);
    const others = await Promise.all([hosts[0]!, hosts[1]!, host].map(keyOf));
    await etcd.put(`${PREFIX}/config`, JSON.stringify({ ...SMALL, Network: '10.5.0.0/27' }));
    await daemons[2]!.waitUntilReady();
    await converged([...hosts, host]);
    expect(await Promise.all([hosts[0]!, hosts[1]!, host].map(keyOf))).toEqual(others);
    await eventually(async () => (await daemons[0]!.subnetEnv()).network === '10.5.0.0/27', {
      what: 'subnet.env follows',
    });
  },
);

cluster.test('a reservation is honoured and stays one; a previous subnet is taken again', async (all) => {
  const { etcd, lab } = all;
  await etcd.put('/reserved/config', JSON.stringify({ Network: '10.7.0.0/16', Backend: { Type: 'host-gw' } }));
  // As an administrator writes them for flanneld: no lease on the key, the address says whose it is.
  const host = await lab.addHost({ name: `host${lab.hosts.length + 1}` });
  await etcd.put('/reserved/subnets/10.7.42.0-24', JSON.stringify({ PublicIP: host.ipv4, BackendType: 'host-gw' }));
  const second = await lab.addHost({ name: `host${lab.hosts.length + 1}` });
  await second.run(['sh', '-c', `printf 'FLANNEL_SUBNET=10.7.77.1/24\\n' >${second.subnetFile}`]);

  const args = ['--etcd-prefix=/reserved', '--subnet-lease-ttl=2s'];
  const daemons = await Promise.all([host, second].map((one) => one.startDaemon({ args })));
  await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
  expect(await subnetsOf(host)).toEqual(['10.7.42.0/24']);
  expect(await subnetsOf(second)).toEqual(['10.7.77.0/24']);
  // Far longer than the time to live without a renewal; a lease would be gone.
  await daemons[0]!.stop();
  await daemons[1]!.stop();
  await eventually(async () => (await leaseKeys(etcd, '/reserved')).join() === '10.7.42.0-24', {
    what: 'the lease is gone and the reservation stays',
  });
});
