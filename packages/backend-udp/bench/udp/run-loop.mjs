// run-loop.mjs OPTIONS: the packet loop of @tartan/backend-udp in a process of its own, as in a daemon. Prints "ready" when it forwards,
// and answers each line of standard input with a line "report JSON". Ends with SIGTERM.
import { createInterface } from 'node:readline';
import { Ipv4Address, Ipv4Prefix } from '@tartan/core';
import { KernelPath, NativePacketLoop } from '@tartan/backend-udp';
import { createRtNetlink } from '@tartan/netlink';

const { tunName, mtuBytes, listen, port, queues, offloads, routes, uplinkName } = JSON.parse(process.argv[2]);
const loop = new NativePacketLoop({
  tunName,
  mtuBytes,
  listen: { ipv4: Ipv4Address.parse(listen), port },
  queues,
  offloads,
});
await loop.start();
const table = routes.map(({ prefix, endpoint, icmpSource }) => ({
  prefix: Ipv4Prefix.parse(prefix),
  endpoint: { address: Ipv4Address.parse(endpoint), port },
  icmpSource: Ipv4Address.parse(icmpSource),
}));
loop.setRoutes(table);
// With an uplink: the kernel path beside the loop, towards the same peers.
if (uplinkName !== undefined) {
  const path = new KernelPath({ netlink: createRtNetlink() });
  await path.start({ tunName, uplinkName, localAddress: Ipv4Address.parse(listen), port });
  await path.setPeers(table);
}
console.log('ready');

const asNumber = (_key, value) => (typeof value === 'bigint' ? Number(value) : value);
createInterface({ input: process.stdin }).on('line', () => {
  console.log(`report ${JSON.stringify({ features: loop.features(), stats: loop.stats() }, asNumber)}`);
});
process.once('SIGTERM', () => void loop.stop().then(() => process.exit(0)));
