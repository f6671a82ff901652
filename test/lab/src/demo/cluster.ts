import { bareAddress } from '../addressing';
import type { Host } from '../host';
import { Lab } from '../lab';
import { LabError } from '../lab-error';
import type { LabDaemon } from '../daemon';
import { demoBackends } from './backends';
import type { DemoDatastore } from './datastore';
import type { HostReport } from './report';

export const NETWORK = '10.42.0.0/16';
export const UNDERLAY = '192.168.50.0/24';
/** Registered in deploy/iproute2; written as a number since the name may not be installed here. */
const ROUTE_PROTOCOL = '158';
const READY_TIMEOUT_MS = 20_000;

/** Namespaces carry plain names, since the demo has the whole of its /run to itself: `ip netns exec host1 …`. */
export async function makeHosts(count: number): Promise<Lab> {
  const lab = await Lab.create({ prefix: '', underlayIpv4: UNDERLAY });
  await lab.addHosts(count);
  return lab;
}

export async function writeNetworkConfig(datastore: DemoDatastore, backend: string): Promise<void> {
  await datastore.writeConfig({ Network: NETWORK, Backend: demoBackends[backend]?.config });
}

/** Starts a tartand on every host at once and waits until all are ready. */
export async function startDaemons(lab: Lab, datastore: DemoDatastore): Promise<void> {
  const daemons = await Promise.all(lab.hosts.map((host) => host.startDaemon(datastore.daemonOptions)));
  await Promise.all(daemons.map((daemon) => daemon.waitUntilReady({ timeoutMs: READY_TIMEOUT_MS })));
}

export async function addPods(lab: Lab): Promise<void> {
  await Promise.all(lab.hosts.map((host) => host.addPod()));
}

export function describeHosts(lab: Lab): Promise<HostReport[]> {
  return Promise.all(lab.hosts.map(describeHost));
}

async function describeHost(host: Host): Promise<HostReport> {
  const [daemon, pod] = [host.daemons[0] as LabDaemon, host.pods[0]];
  if (!pod) throw new LabError(`${host.name} has no pod`);
  const { subnet = '', mtuBytes } = await daemon.subnetEnv();
  const text = await host.ip(`-4 route show proto ${ROUTE_PROTOCOL}`);
  const routes = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('unreachable '));
  return {
    name: host.name,
    address: host.ipv4,
    subnet: subnet.replace(/\.\d+\//, '.0/'),
    gateway: bareAddress(subnet),
    mtuBytes,
    tunnel: await describeTunnel(host, routes),
    pod: { name: pod.name, address: pod.ipv4 },
    routes,
  };
}

/** What routes leave by, when that is not the host's own card. */
async function describeTunnel(host: Host, routes: readonly string[]): Promise<HostReport['tunnel']> {
  const ifname = /\bdev (\S+)/.exec(routes[0] ?? '')?.[1];
  if (ifname === undefined || ifname === host.uplink.ifname) return null;
  const [link] = await host.ipJson<{ addr_info: { local: string }[] }[]>(`-4 address show dev ${ifname}`);
  return { ifname, address: link?.addr_info[0]?.local ?? '' };
}
