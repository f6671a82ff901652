import { eventually, faults, type Host, type LabDaemon } from '@tartan/lab';
import {
  PREFIX,
  type Cluster,
  converged,
  keyOf,
  leaseKeys,
  ourRoutes,
  podOf,
  sharedCluster,
  subnetsOf,
} from './support/cluster';

/*
 * Three hosts whose leases live for two seconds, so that everything that takes a day elsewhere happens while one looks. host1 is
 * the one that things happen to.
 */

const TTL = '--subnet-lease-ttl=2s';
const cluster = sharedCluster({ hosts: 3, daemon: { args: [TTL] } });

/** A host that does not exist takes a subnet, as flanneld would write it. */
async function strangerTakes({ etcd }: Cluster, key: string): Promise<void> {
  const value = { PublicIP: '192.168.50.99', PublicIPv6: null, BackendType: 'host-gw' };
  await etcd.put(`${PREFIX}/subnets/${key}`, JSON.stringify(value));
}

async function strangerLeaves({ etcd }: Cluster, key: string): Promise<void> {
  await etcd.remove(`${PREFIX}/subnets/${key}`);
}

/** Cuts host1 off until its lease is gone, lets a stranger have the subnet, and heals. */
async function loseTo(cluster: Cluster, key: string): Promise<void> {
  const cut = await faults.blockTcp(cluster.hosts[0]!, { port: 2379 });
  await eventually(async () => !(await leaseKeys(cluster.etcd)).includes(key), { what: 'the lease ran out' });
  await strangerTakes(cluster, key);
  await cut.heal();
}

async function restartWith(host: Host, daemon: LabDaemon, ...args: string[]): Promise<LabDaemon> {
  await daemon.stop();
  const next = await host.startDaemon({ args: [TTL, ...args] });
  await next.waitUntilReady();
  return next;
}

cluster.test(
  'leases that run out while a host is cut off, or stopped, are taken again with the same subnets',
  async (all) => {
    const { lab, etcd, hosts, daemons } = all;
    const [one, two, three] = hosts;
    const before = await Promise.all(hosts.map(keyOf));
    const within = await lab.stream({ from: podOf(one!), to: podOf(two!) });
    const cut = await faults.blockTcp(one!, { port: 2379 });
    daemons[2]!.process.pause();
    await eventually(async () => (await leaseKeys(etcd)).join() === before[1], { what: 'both leases ran out' });
    // The others forget them; they themselves forget nobody.
    await eventually(async () => (await ourRoutes(two!)).length === 0, { what: 'host2 routes to nobody' });
    expect(await ourRoutes(one!)).toHaveLength(2);
    expect((await daemons[0]!.health()).status).toBe(200);
    expect((await within.stop()).lost).toBe(0);

    await cut.heal();
    daemons[2]!.process.resume();
    await converged(hosts, 20_000);
    expect((await leaseKeys(etcd)).sort()).toEqual([...before].sort());
    expect(await Promise.all(hosts.map(keyOf))).toEqual(before);
    await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
    expect(await podOf(three!).reaches(podOf(one!).ipv4)).toBe(true);
  },
);

cluster.test(
  'keep: a subnet in strange hands is not fought over; unready, forwarding, and back as soon as it is free',
  async (all) => {
    const { hosts, daemons } = all;
    const [one, two] = hosts;
    const key = await keyOf(one!);
    const file = (await one!.run(['cat', one!.subnetFile])).stdout;
    await loseTo(all, key);
    await daemons[0]!.waitUntilUnready();
    const page = await eventually(
      async () => {
        const { body } = await daemons[0]!.health('/readyz?verbose');
        return /\[-\]lease .*/.exec(body)?.[0].includes('192.168.50.99') ? body : false;
      },
      { what: 'the page names the stranger' },
    );
    expect(page).toContain(`held by 192.168.50.99`);
    expect((await ourRoutes(one!)).map(({ dst }) => dst)).toEqual(
      expect.arrayContaining((await Promise.all(hosts.slice(1).map(subnetsOf))).flat()),
    );
    expect((await one!.run(['cat', one!.subnetFile])).stdout).toBe(file);
    await strangerLeaves(all, key);
    await daemons[0]!.waitUntilReady();
    await converged(hosts);
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
  },
);

cluster.test('exit: the daemon ends with status 3 and says who has the subnet', async (all) => {
  const { hosts, daemons } = all;
  const daemon = await restartWith(hosts[0]!, daemons[0]!, '--on-lease-loss=exit');
  const key = await keyOf(hosts[0]!);
  await loseTo(all, key);
  expect(await daemon.process.exited).toMatchObject({ code: 3 });
  expect(await daemon.process.log()).toMatch(/tartand ends .*192\.168\.50\.99.*LEASE_TAKEN/);
  await strangerLeaves(all, key);
  await daemons[0]!.start();
  await daemons[0]!.waitUntilReady();
  await converged(hosts);
});

cluster.test('reacquire: another subnet, in subnet.env and at the peers', async (all) => {
  const { hosts, daemons } = all;
  const daemon = await restartWith(hosts[0]!, daemons[0]!, '--on-lease-loss=reacquire');
  const key = await keyOf(hosts[0]!);
  await loseTo(all, key);
  await eventually(async () => (await keyOf(hosts[0]!)) !== key, { what: 'subnet.env tells of another subnet' });
  await daemon.waitUntilReady();
  const other = (await subnetsOf(hosts[0]!))[0]!;
  await eventually(
    async () => {
      const routes = await ourRoutes(hosts[1]!);
      return routes.some(({ dst, gateway }) => dst === other && gateway === hosts[0]!.ipv4);
    },
    { what: 'host2 routes to the new subnet' },
  );
  await strangerLeaves(all, key);
  await converged(hosts);
});
