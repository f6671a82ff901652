import { eventually, type Host } from '@tartan/lab';
import { ourRoutes, podOf, subnetsOf, withCluster, type Cluster } from './support/cluster';
import { OtherUdpNode } from './support/other-udp-node';
import { UDP } from './support/udp';
import { fits, transfer } from './support/vxlan';

interface Mixed extends Cluster {
  readonly other: OtherUdpNode;
  readonly otherHost: Host;
}

/** Two nodes of ours and one of another implementation. */
function withMixed(body: (mixed: Mixed) => Promise<void>): Promise<void> {
  return withCluster({ hosts: 2, config: UDP }, async (cluster) => {
    const otherHost = await cluster.lab.addHost({ name: 'other' });
    const other = new OtherUdpNode({ host: otherHost, etcd: cluster.etcd, n: 200 });
    await other.start();
    await otherHost.addPod({ subnet: { ipv4: '10.5.200.1/24', mtuBytes: 1472 } });
    for (const host of cluster.hosts) {
      await eventually(async () => (await ourRoutes(host)).some(({ dst }) => dst === '10.5.200.0/24'), {
        what: `${host.name} knows the other node`,
      });
    }
    await body({ ...cluster, other, otherHost });
  });
}

test('a node of another implementation and ours reach each other in both directions, at full size and bit by bit', () =>
  withMixed(async ({ hosts, otherHost }) => {
    const [theirs] = otherHost.pods;
    for (const host of hosts) {
      expect(await fits(podOf(host), theirs!, 4, 1472)).toBe(true);
      expect(await fits(theirs!, podOf(host), 4, 1472)).toBe(true);
    }
    const ours = podOf(hosts[0]!);
    const [sent, received] = await transfer(ours, theirs!, theirs!.ipv4, 4);
    expect(received).toBe(sent);
    const [sentBack, receivedBack] = await transfer(theirs!, ours, ours.ipv4, 4);
    expect(receivedBack).toBe(sentBack);
  }));

test('who is no peer is not let in', () =>
  withMixed(async ({ hosts, daemons, etcd, other, otherHost }) => {
    const [one] = hosts as [Host];
    await etcd.etcdctl(['del', other.key]);
    await eventually(async () => !(await ourRoutes(one)).some(({ dst }) => dst === '10.5.200.0/24'), {
      what: 'the other node is forgotten',
    });
    expect(await podOf(otherHost).reaches(podOf(one).ipv4)).toBe(false);
    await eventually(
      async () =>
        /tartan_data_path_drops_total\{cause="unknown-peer"\} [1-9]/.test((await daemons[0]!.health('/metrics')).body),
      { what: 'the drop is counted' },
    );
  }));

test('ours takes over from the other implementation on a running host', () =>
  withCluster({ hosts: 2, config: UDP }, async ({ etcd, hosts, daemons }) => {
    const [one, two] = hosts as unknown as [Host, Host];
    await daemons[0]!.stop();
    await one.ip('link delete flannel0');
    const [subnet = ''] = await subnetsOf(one);
    const other = new OtherUdpNode({ host: one, etcd, n: Number(subnet.split('.')[2]) });
    await other.start();
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'the other one carries packets' });
    await other.stop();
    await daemons[0]!.start();
    await daemons[0]!.waitUntilReady();
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'ours carries packets' });
    expect(await one.ip('route show dev flannel0')).not.toContain('10.5.0.0/16');
    expect(await subnetsOf(one)).toEqual([subnet]);
  }));
