import { faults } from '@tartan/lab';
import { converged, leaseKeys, ourRoutes, podOf, withCluster } from './support/cluster';

test('six hosts that start at the same moment: six subnets, all routes, no conflict left', () =>
  withCluster({ hosts: 6 }, async ({ lab, etcd, hosts, daemons }) => {
    expect(new Set(await leaseKeys(etcd)).size).toBe(6);
    for (const daemon of daemons) expect(await daemon.process.log()).not.toMatch(/ (ERROR|WARN) /);

    // One of them is cut off from all the others, and from etcd: it keeps its routes and they keep theirs.
    const [one, two, three] = hosts;
    const stream = await lab.stream({ from: podOf(two!), to: podOf(three!) });
    const partition = await faults.partition(one!);
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(false);
    for (const host of hosts) expect(await ourRoutes(host)).toHaveLength(5);
    for (const daemon of daemons) expect((await daemon.health()).status).toBe(200);
    await partition.heal();
    await converged(hosts);
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);
    expect((await stream.stop()).lost).toBe(0);
  }));
