import { eventually, faults, type Host } from '@tartan/lab';
import {
  HOST_GW_WITH_ROOM,
  PREFIX,
  type Cluster,
  converged,
  keyOf,
  leaseKeys,
  ourRoutes,
  podOf,
  sharedCluster,
} from './support/cluster';

/* etcd is away, comes back, forgets history, or holds nonsense: traffic goes on, and afterwards everything is as it should be. */

const cluster = sharedCluster({ config: HOST_GW_WITH_ROOM, hosts: 3 });

/** A host that is nothing but a lease. */
function addPeer({ etcd }: Cluster, key: string): Promise<void> {
  return etcd.put(`${PREFIX}/subnets/${key}`, JSON.stringify({ PublicIP: '192.168.50.99', BackendType: 'host-gw' }));
}

function removePeer({ etcd }: Cluster, key: string): Promise<void> {
  return etcd.remove(`${PREFIX}/subnets/${key}`);
}

async function routesTo(host: Host, dst: string): Promise<boolean> {
  return (await ourRoutes(host)).some((route) => route.dst === dst);
}

cluster.test('etcd restarts: traffic and readiness stay, and later changes arrive', async (all) => {
  const { lab, etcd, hosts, daemons } = all;
  const stream = await lab.stream({ from: podOf(hosts[0]!), to: podOf(hosts[1]!) });
  await etcd.member.stop();
  for (const daemon of daemons) expect((await daemon.health()).status).toBe(200);
  await etcd.member.start();
  await addPeer(all, '10.5.199.0-24');
  for (const host of hosts) {
    await eventually(() => routesTo(host, '10.5.199.0/24'), {
      timeoutMs: 20_000,
      what: `${host.name} sees the change`,
    });
  }
  await removePeer(all, '10.5.199.0-24');
  await converged(hosts);
  expect((await stream.stop()).lost).toBe(0);
  for (const daemon of daemons) expect((await daemon.health()).status).toBe(200);
});

cluster.test('changes and a compaction during a host’s isolation from etcd are all seen afterwards', async (all) => {
  const { etcd, hosts, daemons } = all;
  const [one, two] = hosts;
  const cut = await faults.blockTcp(one!, { port: 2379 });
  const before = await ourRoutes(one!);
  // host3 leaves for good, another comes, and history is dropped.
  const key = await keyOf(hosts[2]!);
  await daemons[2]!.stop();
  await etcd.remove(`${PREFIX}/subnets/${key}`);
  await addPeer(all, '10.5.198.0-24');
  await etcd.compact();
  await eventually(() => routesTo(two!, '10.5.198.0/24'), { what: 'host2 sees the change' });
  expect(await ourRoutes(one!)).toEqual(before);
  await cut.heal();
  await eventually(() => routesTo(one!, '10.5.198.0/24'), { timeoutMs: 20_000, what: 'host1 sees it afterwards' });
  expect(await routesTo(one!, key.replace('-', '/'))).toBe(false);
  await removePeer(all, '10.5.198.0-24');
  await daemons[2]!.start();
  await daemons[2]!.waitUntilReady();
  await converged(hosts);
});

cluster.test('unparsable entries below the prefix harm nobody and are shown', async ({ etcd, hosts, daemons }) => {
  const keys = [`${PREFIX}/subnets/foo`, `${PREFIX}/subnets/10.5.200.0-24`];
  await etcd.put(keys[0]!, 'bar');
  await etcd.put(keys[1]!, '{"PublicIP":null}');
  await eventually(async () => (await daemons[0]!.health('/metrics')).body.includes('tartan_watch_skipped_entries 2'), {
    what: 'the entries are counted',
  });
  await converged(hosts);
  expect(await podOf(hosts[0]!).reaches(podOf(hosts[1]!).ipv4)).toBe(true);
  for (const key of keys) await etcd.remove(key);
});

cluster.test(
  'all leases deleted by hand are there again at once, with the same subnets',
  async ({ etcd, hosts, daemons }) => {
    const before = await daemons[0]!.subnetEnv();
    const keys = (await leaseKeys(etcd)).sort();
    await etcd.etcdctl(['del', '--prefix', `${PREFIX}/subnets/`]);
    await eventually(async () => (await leaseKeys(etcd)).sort().join() === keys.join(), {
      what: 'the leases are back',
    });
    await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
    expect(await daemons[0]!.subnetEnv()).toEqual(before);
    await converged(hosts);
  },
);
