import type { BackendNetwork } from '@tartan/core';
import { createSocket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { backend } from '../src';
import { networkConfig, peer, planFor, signal, context, ownLease } from './support/nodes';
import { openOwnHost, type OwnHost } from './support/own-host';

/** The native loop through the backend's data path: what of it only a kernel can show. */
let host: OwnHost;

beforeEach(() => {
  host = openOwnHost(`
    link add eth0 type veth peer name segment
    link set segment up
    link set eth0 up
    address add 192.168.50.1/24 dev eth0
  `);
});
afterEach(() => host.close());

async function start(options = {}): Promise<BackendNetwork> {
  const { netlink } = host;
  const instance = backend.create(context({ netlink, config: networkConfig('ipv4', options) }));
  await instance.prepare(signal);
  return instance.start(ownLease, signal);
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const threads = (): number => readdirSync('/proc/self/task').length;

it('leaves the device, and no descriptor and no thread, however often it starts and stops', async () => {
  const network = await start();
  await network.dataPath?.program(planFor(network, [peer(2)]));
  await network.close();
  const [files, tasks] = [openFiles(), threads()];
  const index = host.ip('-o link show flannel0').split(':')[0];
  for (let round = 0; round < 10; round++) {
    const again = await start({ Queues: 2 });
    await again.dataPath?.program(planFor(again, [peer(2)]));
    await again.close();
  }
  expect([openFiles(), threads()]).toEqual([files, tasks]);
  expect(host.ip('-o link show flannel0').split(':')[0]).toBe(index);
});

it('carries a packet of this host as one datagram, counted', async () => {
  const network = await start();
  await network.dataPath?.program(planFor(network, [peer(2)]));
  host.ip('link set flannel0 up mtu 1472');
  host.ip('address add 10.5.1.0/32 dev flannel0');
  host.ip('route add 10.5.2.0/24 dev flannel0');
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.alloc(100), 9, '10.5.2.7', (error) => (error ? reject(error) : resolve()));
  });
  socket.close();
  const sent = async (): Promise<bigint> => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return network.dataPath?.status().counters.txPackets ?? 0n;
  };
  while ((await sent()) === 0n);
  expect(network.dataPath?.status().counters).toMatchObject({ txPackets: 1n, txBytes: 128n });
  await network.close();
});

it('another program on the port is told before the lease', async () => {
  const network = await start();
  await network.dataPath?.program(planFor(network, [peer(2)]));
  const second = openOwnHost('link set lo up');
  const other = backend.create(context({ netlink: second.netlink, config: networkConfig('ipv4') }));
  await expect(other.prepare(signal)).rejects.toMatchObject({ code: 'PACKET_LOOP_PORT_IN_USE' });
  await network.close();
  await expect(other.prepare(signal)).resolves.toBeDefined();
  second.netlink.close();
});
