import { systemClock, type BackendNetwork } from '@tartan/core';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backend } from '../../src';
import { dropResumed, resumePacketLoop, takeResumed, type Resumption } from '../../src/resume';
import { decodeSavedLoop } from '../../src/resume/saved-loop';
import { context, networkConfig, ownLease, peer, planFor, signal } from '../support/nodes';
import { openOwnHost, type OwnHost } from '../support/own-host';

/** The file and the real loop: who may go on with which device. */
let host: OwnHost;
let folder: string;
let blocker: Socket | undefined;
let resume: { readonly path: string; readonly startedWith: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'resume-'));
  resume = { path: join(folder, 'resume-1'), startedWith: 'options' };
  host = openOwnHost(`
    link set lo up
    link add eth0 type veth peer name segment
    link set segment up
    link set eth0 up
    address add 192.168.50.1/24 dev eth0
  `);
});
afterEach(async () => {
  await dropResumed();
  blocker?.close();
  blocker = undefined;
  host.close();
  rmSync(folder, { recursive: true });
});

async function startNetwork(options = {}): Promise<BackendNetwork> {
  const { netlink } = host;
  const config = networkConfig('ipv4', options);
  const instance = backend.create(context({ netlink, config, resume, clock: systemClock }));
  await instance.prepare(signal);
  return instance.start(ownLease, signal);
}

/** A network with the peers 2 and 3 on a device as the reconciler leaves it. */
async function runningNetwork(options = {}): Promise<BackendNetwork> {
  const network = await startNetwork(options);
  await network.dataPath?.program(planFor(network, [peer(2), peer(3)]));
  host.ip('link set flannel0 up mtu 1472');
  host.ip('address add 10.5.1.0/32 dev flannel0');
  host.ip('route add 10.5.2.0/24 dev flannel0');
  return network;
}

const devices = () => host.ip('-o link show').match(/^\d+: \S+/gm);
const resumeNow = (): Resumption => resumePacketLoop({ paths: [resume.path], startedWith: 'options' });

async function bind(port: number): Promise<void> {
  blocker = createSocket('udp4');
  await new Promise<void>((resolve) => blocker?.bind(port, '192.168.50.1', resolve));
}

it('goes on with the device, and packets flow at once with the saved peers', async () => {
  await (await runningNetwork()).close();
  expect(resumeNow()).toEqual({ kind: 'resumed', path: resume.path, routes: 2 });
  const loop = takeResumed()?.loop;
  const sender = createSocket('udp4');
  await new Promise((resolve) => sender.send(Buffer.alloc(100), 9, '10.5.2.7', resolve));
  sender.close();
  // The first counter is txPackets (countNames in native/src/counters.h).
  while (loop?.stats()[0] === 0n) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(loop?.stats()[0]).toBe(1n);
  await loop?.stop();
});

it('the backend takes the loop as it is, and saves it again', async () => {
  await (await runningNetwork()).close();
  const index = host.ip('-o link show flannel0').split(':')[0];
  expect(resumeNow()).toMatchObject({ kind: 'resumed' });
  host.ip('link set flannel0 down');
  host.ip('link set flannel0 up');
  const network = await startNetwork();
  expect(network.dataPath?.status().running).toBe(true);
  await network.dataPath?.program(planFor(network, [peer(2)]));
  await network.close();
  expect(host.ip('-o link show flannel0').split(':')[0]).toBe(index);
  expect(decodeSavedLoop(readFileSync(resume.path)).routes).toHaveLength(56);
});

it.each<[what: string, change: () => void | Promise<void>, reason: string]>([
  ['is gone', () => void host.ip('link delete flannel0'), 'ENODEV from if_nametoindex'],
  [
    'is another one of the same name',
    () => {
      host.ip('link delete flannel0');
      host.ip('tuntap add dev flannel0 mode tun multi_queue');
    },
    'ENODEV from if_nametoindex',
  ],
  ['is down', () => void host.ip('link set flannel0 down'), 'ENETDOWN from SIOCGIFFLAGS'],
  ['has no port', () => bind(8285), 'EADDRINUSE from bind'],
  ['has no address', () => void host.ip('address delete 192.168.50.1/24 dev eth0'), 'EADDRNOTAVAIL from bind'],
])('leaves everything alone where the device %s', async (_, change, reason) => {
  await (await runningNetwork()).close();
  await change();
  const before = devices();
  expect(resumeNow()).toEqual({ kind: 'refused', path: resume.path, reason });
  expect(devices()).toEqual(before);
});

it('leaves a device alone that another process uses, whatever its port', async () => {
  const network = await runningNetwork({ Queues: 2 });
  // What the running one would leave if it died now.
  while (!readable()) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(resumeNow()).toEqual({ kind: 'refused', path: resume.path, reason: 'EBUSY from ETHTOOL_GLINK' });
  await network.close();
  expect(resumeNow()).toMatchObject({ kind: 'resumed' });
});

function readable(): boolean {
  try {
    return decodeSavedLoop(readFileSync(resume.path)).routes.length > 0;
  } catch {
    return false;
  }
}
