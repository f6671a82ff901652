import { eventually } from '@tartan/lab';
import { HOST_GW, PREFIX, type Cluster, converged, keyOf, ourRoutes, podOf, sharedCluster } from './support/cluster';

/* The network config changes under running daemons: what can be is applied at once, and the rest is said. */

const cluster = sharedCluster({ hosts: 2 });

function write({ etcd }: Cluster, config: object): Promise<void> {
  return etcd.put(`${PREFIX}/config`, JSON.stringify(config));
}

async function configLine({ daemons }: Cluster): Promise<string> {
  const { body } = await daemons[0]!.health('/readyz?verbose');
  return /\[.\]network-config .*/.exec(body)?.[0] ?? '';
}

cluster.test('a wider network and range are in force at once, and nobody moves', async (all) => {
  const { etcd, hosts, daemons } = all;
  const before = await Promise.all(hosts.map(keyOf));
  const stream = await all.lab.stream({ from: podOf(hosts[0]!), to: podOf(hosts[1]!) });
  await write(all, { ...HOST_GW, Network: '10.4.0.0/15', SubnetMax: '10.5.250.0' });
  await daemons[0]!.process.waitForLog(
    /network config changed, applied key=Network from=10\.5\.0\.0\/16 to=10\.4\.0\.0\/15/,
  );
  await eventually(async () => (await daemons[0]!.subnetEnv()).network === '10.4.0.0/15', {
    what: 'subnet.env follows',
  });
  // A peer in the new part is routed to.
  const key = `${PREFIX}/subnets/10.4.7.0-24`;
  await etcd.put(key, JSON.stringify({ PublicIP: hosts[1]!.ipv4, BackendType: 'host-gw' }));
  const dst = '10.4.7.0/24';
  await eventually(async () => (await ourRoutes(hosts[0]!)).some((route) => route.dst === dst), {
    what: 'a route into the new part',
  });
  await etcd.remove(key);
  await write(all, HOST_GW);
  await eventually(async () => (await daemons[0]!.subnetEnv()).network === '10.5.0.0/16', {
    what: 'subnet.env is back',
  });
  await converged(hosts);
  expect(await Promise.all(hosts.map(keyOf))).toEqual(before);
  expect((await stream.stop()).lost).toBe(0);
  await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
});

cluster.test(
  'another network waits for the operator: said with what to do, shown, and taken back without a trace',
  async (all) => {
    const { hosts, daemons } = all;
    const before = (await hosts[0]!.run(['cat', hosts[0]!.subnetFile])).stdout;
    await write(all, { ...HOST_GW, Network: '10.6.0.0/16' });
    await daemons[0]!.process.waitForLog(
      /network config changed, not applied key=Network .*to=10\.6\.0\.0\/16 remedy=".*move the pods off this node, then restart/,
    );
    expect(await configLine(all)).toMatch(/^\[~\]network-config Network changed to 10\.6\.0\.0\/16, not applied/);
    expect((await daemons[0]!.health()).status).toBe(200);
    expect((await hosts[0]!.run(['cat', hosts[0]!.subnetFile])).stdout).toBe(before);
    await converged(hosts);
    await write(all, HOST_GW);
    await eventually(async () => (await configLine(all)).startsWith('[+]'), { what: 'the page forgets it' });
  },
);

cluster.test('an unusable config keeps the last good one in force, and is said once', async (all) => {
  const { etcd, hosts, daemons } = all;
  await etcd.put(`${PREFIX}/config`, '{"Network": "10.5.0.0/16", ');
  await daemons[0]!.process.waitForLog(/network config is not usable .*not JSON.*the last good one stays in force/);
  await write(all, { ...HOST_GW, SubnetLen: 99 });
  await daemons[0]!.process.waitForLog(/network config is not usable .*SubnetLen/);
  expect(await configLine(all)).toMatch(/^\[~\]network-config .*SubnetLen is 99/);
  expect((await daemons[0]!.health()).status).toBe(200);
  await converged(hosts);
  await write(all, HOST_GW);
  await daemons[0]!.process.waitForLog(/network config is the one in force again/);
  expect((await daemons[0]!.process.log()).match(/network config is not usable/g)).toHaveLength(2);
  expect(await configLine(all)).toMatch(/^\[\+\]/);
});

cluster.test('a mistyped key is a warning, and with --strict-config a reason to wait', async (all) => {
  const { hosts, daemons } = all;
  await write(all, { ...HOST_GW, SubnetLenn: 24 });
  await daemons[0]!.process.waitForLog(/network config warning key=SubnetLenn .*SubnetLen/);
  const strict = await hosts[1]!.startDaemon({
    name: 'strict',
    subnetFile: `${hosts[1]!.directory}/run/flannel/strict.env`,
    healthPort: 8472,
    args: ['--strict-config', '--etcd-prefix=/strict'],
  });
  await all.etcd.put('/strict/config', JSON.stringify({ ...HOST_GW, Network: '10.8.0.0/16', SubnetLenn: 24 }));
  await strict.process.waitForLog(/network config is not usable .*SubnetLenn.*SubnetLen/);
  expect((await strict.health()).status).toBe(503);
  await all.etcd.put('/strict/config', JSON.stringify({ ...HOST_GW, Network: '10.8.0.0/16' }));
  await strict.waitUntilReady();
  await strict.stop();
  await all.etcd.etcdctl(['del', '--prefix', '/strict/']);
  await write(all, HOST_GW);
});
