import { eventually, faults } from '@tartan/lab';
import { PREFIX, converged, ourRoutes, podOf, withCluster } from './support/cluster';

test('etcd restarts: traffic and readiness stay, and later changes arrive', () =>
  withCluster({ hosts: 2 }, async ({ lab, etcd, hosts, daemons }) => {
    const stream = await lab.stream({ from: podOf(hosts[0]!), to: podOf(hosts[1]!) });
    await etcd.member.stop();
    await etcd.member.start();
    const three = await lab.addHost({ name: 'host3' });
    const daemon = await three.startDaemon();
    await daemon.waitUntilReady();
    await converged([...hosts, three], 30_000);
    expect((await stream.stop()).lost).toBe(0);
    for (const one of daemons) expect((await one.health()).status).toBe(200);
  }));

test('changes and a compaction during a host’s isolation from etcd are all seen afterwards', () =>
  withCluster({ hosts: 3 }, async ({ lab, etcd, hosts, daemons }) => {
    const [one, two] = hosts;
    const cut = await faults.blockTcp(one!, { port: 2379 });
    const before = await ourRoutes(one!);
    // host2's lease moves away, a fourth host comes, and history is dropped.
    const four = await lab.addHost({ name: 'host4' });
    const daemon = await four.startDaemon();
    await daemon.waitUntilReady();
    await daemons[2]!.stop();
    const gone = await etcd.etcdctl(['get', '--prefix', `${PREFIX}/subnets/`]);
    const key = gone
      .split('\n')
      .find((line, index, lines) => lines[index + 1]?.includes(`"PublicIP":"${hosts[2]!.ipv4}"`));
    await etcd.etcdctl(['del', key!]);
    await etcd.compact();
    expect(await ourRoutes(one!)).toEqual(before);
    await cut.heal();
    await converged([one!, two!, four], 40_000);
  }));

test('unparsable entries below the prefix harm nobody and are shown', () =>
  withCluster({ hosts: 2 }, async ({ etcd, hosts, daemons }) => {
    await etcd.put(`${PREFIX}/subnets/foo`, 'bar');
    await etcd.put(`${PREFIX}/subnets/10.5.200.0-24`, '{"PublicIP":null}');
    await eventually(
      async () => (await daemons[0]!.health('/metrics')).body.includes('tartan_watch_skipped_entries 2'),
      {
        what: 'the entries are counted',
      },
    );
    await converged(hosts);
    expect(await podOf(hosts[0]!).reaches(podOf(hosts[1]!).ipv4)).toBe(true);
  }));

test('our own lease deleted by hand is there again at once, with the same subnet', () =>
  withCluster({ hosts: 2 }, async ({ etcd, hosts, daemons }) => {
    const before = await daemons[0]!.subnetEnv();
    const keys = (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`])).trim().split(/\n+/);
    for (const key of keys) await etcd.etcdctl(['del', key]);
    await eventually(
      async () =>
        (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`]))
          .trim()
          .split(/\n+/)
          .sort()
          .join() === keys.sort().join(),
      { what: 'both leases are back' },
    );
    await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
    expect(await daemons[0]!.subnetEnv()).toEqual(before);
    await converged(hosts);
  }));
