import { eventually, type Host, type Pod } from '@tartan/lab';
import { ourRoutes, podOf } from './support/cluster';
import { eventuallyEqual, FLANNEL, startKubeDaemon, startKubeLab, type KubeLab } from './support/kube';
import { nodeLeases, OtherNode } from './support/other-node';
import { fdbOf, fits, macOf, neighboursOf, transfer } from './support/vxlan';

/* One node of ours and one of flanneld's in the same Kubernetes cluster, in the order in which their cluster lives. */

const NETWORK = { Network: '10.5.0.0/16', EnableNFTables: true, Backend: { Type: 'vxlan' } };
const MAC = 'c2:25:54:cf:0e:af';
const OTHER_MAC = '5e:31:02:77:a0:01';
/** Flanneld's node: 10.5.N.0/24. */
const N = 200;

let kube: KubeLab;
let one: Host;
let otherHost: Host;
let other: OtherNode;
let pods: readonly [Pod, Pod];

beforeAll(async () => {
  kube = await startKubeLab(1, NETWORK);
  const { api, lab } = kube;
  one = lab.hosts[0] as Host;
  otherHost = await lab.addHost({ name: 'other' });
  await api.createNode(one.name, ['10.5.1.0/24']);
  await api.createNode(otherHost.name, [`10.5.${N}.0/24`]);
  other = new OtherNode({ host: otherHost, leases: nodeLeases(api, otherHost.name), n: N, mac: MAC });
  await other.start();
  await otherHost.addPod({ subnet: { ipv4: `10.5.${N}.1/24`, mtuBytes: 1450 } });
  const daemon = await startKubeDaemon(kube, one);
  await daemon.waitUntilReady();
  await one.addPod();
  pods = [podOf(one), podOf(otherHost)];
});
afterAll(() => kube.lab.destroy());

/** What the kernel of our node holds about the other one. */
async function known(): Promise<{ fdb: string[]; neighbours: string[]; routes: string[] }> {
  const routes = (await ourRoutes(one)).map(({ dst, gateway = '' }) => `${dst} via ${gateway}`);
  return { fdb: await fdbOf(one), neighbours: await neighboursOf(one), routes };
}

function asKnown(mac: string): Awaited<ReturnType<typeof known>> {
  const subnet = `10.5.${N}.0`;
  return {
    fdb: [`${mac} ${otherHost.ipv4}`],
    neighbours: [`${subnet} ${mac}`],
    routes: [`${subnet}/24 via ${subnet}`],
  };
}

test('ours publishes exactly what flanneld would, and nothing else', async () => {
  const { metadata } = await kube.api.node(one.name);
  const published = Object.entries(metadata.annotations).filter(([name]) => name.startsWith(`${FLANNEL}/`));
  const mac = await macOf(one);
  expect(Object.fromEntries(published)).toEqual({
    [`${FLANNEL}/kube-subnet-manager`]: 'true',
    [`${FLANNEL}/backend-type`]: 'vxlan',
    [`${FLANNEL}/backend-data`]: `{"VNI":1,"VtepMAC":"${mac}"}`,
    [`${FLANNEL}/public-ip`]: one.ipv4,
  });
  // Flanneld takes its own MAC back from what stands behind `:"`, when that splits the text in two (flannel-compat 3.3).
  const parts = (metadata.annotations[`${FLANNEL}/backend-data`] ?? '').split(':"');
  expect(parts).toEqual(['{"VNI":1,"VtepMAC"', `${mac}"}`]);
});

test('pods of both reach each other in both directions, at full size and bit by bit', async () => {
  await eventuallyEqual(known, asKnown(MAC), 'what ours knows of the other node');
  await other.programPeers();
  for (const [from, to] of [pods, [pods[1], pods[0]]] as const) {
    expect(await fits(from, to, 4, 1450)).toBe(true);
    const [sent, received] = await transfer(from, to, to.ipv4, 1);
    expect(received).toBe(sent);
  }
});

test('when its MAC changes ours follows, and drops the old one', async () => {
  await other.changeMac(OTHER_MAC);
  await eventuallyEqual(known, asKnown(OTHER_MAC), 'what ours knows after the change');
  await eventually(() => pods[0].reaches(pods[1].ipv4), { what: 'ours reaches the other node' });
  expect(await pods[1].reaches(pods[0].ipv4)).toBe(true);
});

test('its address is followed as well', async () => {
  await other.publish({ PublicIP: '192.168.50.199' });
  const moved = { ...asKnown(OTHER_MAC), fdb: [`${OTHER_MAC} 192.168.50.199`] };
  await eventuallyEqual(known, moved, 'what ours knows after the move');
  await other.publish();
  await eventuallyEqual(known, asKnown(OTHER_MAC), 'what ours knows after the way back');
});

test('when its node is deleted, nothing of it stays', async () => {
  await other.leave();
  await eventuallyEqual(known, { fdb: [], neighbours: [], routes: [] }, 'what ours knows after it left');
});
