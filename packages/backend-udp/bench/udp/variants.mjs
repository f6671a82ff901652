// The ways from pod to pod that are compared. Every pod has an MTU of 1472 bytes, so that all carry equally many packets a byte;
// VXLAN, whose headers are larger, gets a larger underlay for it (1472 + 50), which favours it by some 1.5 % over an MTU of 1450.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Lab, startPlainUdpPeer } from '@tartan/lab';

export const POD_MTU = 1472;
const PORT = 8285;
const NETWORK = '10.42.0.0/16';
const UDP_IPV4_OVERHEAD = 20 + 8;
const VXLAN_OVERHEAD = 20 + 8 + 8 + 14;
const VXLAN_PORT = 8472;
const LOOP_PROGRAM = fileURLToPath(new globalThis.URL('run-loop.mjs', import.meta.url));

const subnetOf = (n) => `10.42.${n}`;
const other = (n) => 3 - n;

/** Name, what it is, the underlay's MTU, and how the hosts (1 and 2) are set up. */
export const VARIANTS = {
  plain: {
    title: 'plain loop: one packet per system call',
    reference: true,
    underlayMtu: POD_MTU + UDP_IPV4_OVERHEAD,
    setUp: plainLoop,
  },
  loop: { title: 'udp backend, user space', underlayMtu: POD_MTU + UDP_IPV4_OVERHEAD, setUp: ourLoop },
  kernel: {
    title: 'udp backend, kernel path',
    underlayMtu: POD_MTU + UDP_IPV4_OVERHEAD,
    setUp: (options) => ourLoop(options, { uplinkName: 'eth0' }),
    needsRoot: true,
  },
  vxlan: { title: 'kernel VXLAN', reference: true, underlayMtu: POD_MTU + VXLAN_OVERHEAD, setUp: vxlan },
  routing: {
    title: 'plain routing (host-gw)',
    reference: true,
    underlayMtu: POD_MTU + UDP_IPV4_OVERHEAD,
    setUp: routing,
  },
};

/** Two hosts with a pod each, joined in this way. */
export async function buildLab({ variant, loopOptions }) {
  const { underlayMtu, setUp } = VARIANTS[variant];
  const lab = await Lab.create({ mtuBytes: underlayMtu });
  await lab.addHosts(2);
  await Promise.all([...lab.hosts, ...lab.switches].map(withoutBridgeNetfilter));
  for (const [index, host] of lab.hosts.entries()) {
    const n = index + 1;
    await host.addPod({ subnet: { ipv4: `${subnetOf(n)}.1/24`, mtuBytes: POD_MTU } });
    await setUp({ host, peer: lab.hosts[1 - index], n, loopOptions });
  }
  return lab;
}

/** Where somebody loaded br_netfilter, bridged packets pass iptables as well, one by one; a switch has no such thing. */
async function withoutBridgeNetfilter(namespace) {
  const names = ['iptables', 'ip6tables', 'arptables'].map((name) => `net.bridge.bridge-nf-call-${name}`);
  if (!existsSync('/proc/sys/net/bridge')) return;
  await namespace.sysctl(Object.fromEntries(names.map((name) => [name, 0])));
}

function plainLoop({ host, peer, n }) {
  return startPlainUdpPeer({
    host,
    subnet: `${subnetOf(n)}.0/24`,
    network: NETWORK,
    mtuBytes: POD_MTU,
    port: PORT,
    routes: [{ prefix: `${subnetOf(other(n))}.0/24`, nextHop: peer.ipv4 }],
  });
}

async function ourLoop({ host, peer, n, loopOptions }, more = {}) {
  const options = {
    tunName: 'flannel0',
    mtuBytes: POD_MTU,
    listen: host.ipv4,
    port: PORT,
    routes: [{ prefix: `${subnetOf(other(n))}.0/24`, endpoint: peer.ipv4, icmpSource: `${subnetOf(other(n))}.0` }],
    ...loopOptions,
    ...more,
  };
  const process = await host.start({
    name: 'loop',
    stdout: 'lines',
    argv: [globalThis.process.execPath, LOOP_PROGRAM, JSON.stringify(options)],
  });
  await process.waitForLine(/^ready/);
  await configureTun(host, n);
}

function configureTun(host, n) {
  return host.ipBatch([
    `address replace ${subnetOf(n)}.0/32 dev flannel0`,
    `link set flannel0 mtu ${POD_MTU} up`,
    `route replace ${NETWORK} dev flannel0`,
  ]);
}

async function vxlan({ host, peer, n }) {
  const [mac, peerMac] = [n, other(n)].map((host) => `0a:00:00:00:00:0${host}`);
  const gateway = `${subnetOf(other(n))}.0`;
  await host.ipBatch([
    `link add flannel.1 address ${mac} mtu ${POD_MTU} type vxlan id 1 dstport ${VXLAN_PORT} local ${host.ipv4} dev eth0 nolearning`,
    `address add ${subnetOf(n)}.0/32 dev flannel.1`,
    'link set flannel.1 up',
    `neighbour add ${gateway} lladdr ${peerMac} dev flannel.1 nud permanent`,
    `route add ${subnetOf(other(n))}.0/24 via ${gateway} dev flannel.1 onlink`,
  ]);
  await host.run(['bridge', 'fdb', 'add', peerMac, 'dev', 'flannel.1', 'dst', peer.ipv4]);
}

function routing({ host, peer, n }) {
  return host.ip(`route add ${subnetOf(other(n))}.0/24 via ${peer.ipv4} dev eth0`);
}
