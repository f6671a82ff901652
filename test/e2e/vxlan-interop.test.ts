import { eventually, faults, type Host } from '@tartan/lab';
import { PREFIX, ourRoutes, podOf, subnetsOf, withCluster, type Cluster } from './support/cluster';
import { etcdLeases, OtherNode } from './support/other-node';
import { fdbOf, fits, macOf, neighboursOf, VXLAN } from './support/vxlan';

const MAC = 'c2:25:54:cf:0e:af';
const OTHER_MAC = '5e:31:02:77:a0:01';

interface Mixed extends Cluster {
  readonly other: OtherNode;
  readonly otherHost: Host;
}

/** Two nodes of ours and one of another implementation, which has joined but knows no peers yet. */
function withMixed(body: (mixed: Mixed) => Promise<void>): Promise<void> {
  return withCluster({ hosts: 2, config: VXLAN }, async (cluster) => {
    const otherHost = await cluster.lab.addHost({ name: 'other' });
    const other = new OtherNode({ host: otherHost, leases: etcdLeases(cluster.etcd), n: 200, mac: MAC });
    await other.start();
    await otherHost.addPod({ subnet: { ipv4: '10.5.200.1/24', mtuBytes: 1450 } });
    await body({ ...cluster, other, otherHost });
  });
}

async function learned(hosts: readonly Host[], fdb: string, neighbour: string): Promise<void> {
  for (const host of hosts) {
    await eventually(async () => (await fdbOf(host)).includes(fdb) && (await neighboursOf(host)).includes(neighbour), {
      what: `${host.name} knows ${fdb}`,
    });
  }
}

test('a node of another implementation and ours reach each other in both directions, at full size', () =>
  withMixed(async ({ hosts, other, otherHost }) => {
    await learned(hosts, `${MAC} ${otherHost.ipv4}`, `10.5.200.0 ${MAC}`);
    await other.programPeers();
    for (const host of hosts) {
      expect(await fits(podOf(host), podOf(otherHost), 4, 1450)).toBe(true);
      expect(await fits(podOf(otherHost), podOf(host), 4, 1450)).toBe(true);
    }
  }));

test('when its MAC changes ours follow, and drop the old one', () =>
  withMixed(async ({ hosts, other, otherHost }) => {
    await learned(hosts, `${MAC} ${otherHost.ipv4}`, `10.5.200.0 ${MAC}`);
    await other.programPeers();
    await other.changeMac(OTHER_MAC);
    await learned(hosts, `${OTHER_MAC} ${otherHost.ipv4}`, `10.5.200.0 ${OTHER_MAC}`);
    for (const host of hosts) {
      expect((await fdbOf(host)).join()).not.toContain(MAC);
      expect(await podOf(host).reaches(podOf(otherHost).ipv4)).toBe(true);
      expect(await podOf(otherHost).reaches(podOf(host).ipv4)).toBe(true);
    }
  }));

test('when ours loses its device the other one needs not to learn anything', () =>
  withMixed(async ({ hosts, other, otherHost }) => {
    const [one] = hosts as [Host];
    await learned(hosts, `${MAC} ${otherHost.ipv4}`, `10.5.200.0 ${MAC}`);
    await other.programPeers();
    const mac = await macOf(one);
    await faults.deleteLink(one, 'flannel.1');
    await eventually(() => podOf(otherHost).reaches(podOf(one).ipv4), { what: 'the other node reaches ours again' });
    expect(await macOf(one)).toBe(mac);
  }));

test('when it leaves, moves, or changes its backend, nothing of it stays', () =>
  withMixed(async ({ hosts, other, otherHost, daemons }) => {
    const [one] = hosts as [Host];
    await learned(hosts, `${MAC} ${otherHost.ipv4}`, `10.5.200.0 ${MAC}`);
    await other.publish({ PublicIP: '192.168.50.199' });
    await learned(hosts, `${MAC} 192.168.50.199`, `10.5.200.0 ${MAC}`);
    expect((await fdbOf(one)).join()).not.toContain(otherHost.ipv4);
    const gone = async (): Promise<boolean> =>
      !JSON.stringify([await fdbOf(one), await neighboursOf(one), await ourRoutes(one)]).includes('10.5.200.');
    await other.publish({ BackendType: 'host-gw' });
    await eventually(gone, { what: 'a peer of another backend is gone' });
    await eventually(async () => (await daemons[0]!.health('/v1/status')).body.includes('PEER_OTHER_BACKEND'), {
      what: 'it is shown why',
    });
    await other.publish({ BackendData: { VNI: 9, VtepMAC: MAC } });
    await eventually(async () => (await daemons[0]!.health('/v1/status')).body.includes('PEER_OTHER_VNI'), {
      what: 'a peer with another VNI is shown',
    });
    expect(await gone()).toBe(true);
    await other.publish();
    await learned(hosts, `${MAC} ${otherHost.ipv4}`, `10.5.200.0 ${MAC}`);
    await other.leave();
    await eventually(gone, { what: 'a peer that left is gone' });
  }));

test('ours takes over from the other implementation on a running host, and it from ours, without losing a packet', () =>
  withCluster({ hosts: 2, config: VXLAN }, async ({ lab, etcd, hosts, daemons }) => {
    const [one, two] = hosts as [Host, Host];
    const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
    // There: everything that a flanneld would find, and then make its own.
    await daemons[0]!.stop();
    const [subnet = ''] = await subnetsOf(one);
    const n = Number(subnet.split('.')[2]);
    const mac = await macOf(one);
    const other = new OtherNode({ host: one, leases: etcdLeases(etcd), n, mac });
    await other.publish();
    await other.programPeers();
    // And back. A peer that left meanwhile must not stay.
    await one.ip(`neigh replace 10.5.99.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent`);
    await one.run([
      'bridge',
      'fdb',
      'replace',
      '02:00:00:00:00:99',
      'dev',
      'flannel.1',
      'dst',
      '192.168.50.99',
      'self',
      'permanent',
    ]);
    await one.ip('route replace 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink');
    await daemons[0]!.start();
    await daemons[0]!.waitUntilReady();
    await eventually(async () => (await ourRoutes(one)).length === 1, { what: 'the routes are ours again' });
    const state = JSON.stringify([
      await fdbOf(one),
      await neighboursOf(one),
      (await one.ip('route show dev flannel.1')).trim(),
    ]);
    expect(state).not.toContain('99.0');
    expect(state).not.toContain('02:00:00:00:00:99');
    expect(await subnetsOf(one)).toEqual([subnet]);
    expect(await macOf(one)).toBe(mac);
    const { lost, back, sendErrors } = await stream.stop();
    expect({ lost, back: back?.lost, sendErrors }).toEqual({ lost: 0, back: 0, sendErrors: 0 });
    expect(
      (await etcd.etcdctl(['get', '--prefix', '--keys-only', `${PREFIX}/subnets/`])).trim().split(/\n+/),
    ).toHaveLength(2);
  }));
