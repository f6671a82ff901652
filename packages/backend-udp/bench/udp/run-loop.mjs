// run-loop.mjs OPTIONS: the packet loop of @tartan/backend-udp in a process of its own, as in a daemon. Prints "ready" when it forwards,
// and answers each line of standard input with a line "report JSON". Ends with SIGTERM.
import { createInterface } from 'node:readline';
import { Ipv4Address, Ipv4Prefix } from '@tartan/core';
import { NativePacketLoop } from '@tartan/backend-udp';

const { tunName, mtuBytes, listen, port, queues, offloads, routes } = JSON.parse(process.argv[2]);
const loop = new NativePacketLoop({
  tunName,
  mtuBytes,
  listen: { ipv4: Ipv4Address.parse(listen), port },
  queues,
  offloads,
});
await loop.start();
loop.setRoutes(
  routes.map(({ prefix, endpoint, icmpSource }) => ({
    prefix: Ipv4Prefix.parse(prefix),
    endpoint: { address: Ipv4Address.parse(endpoint), port },
    icmpSource: Ipv4Address.parse(icmpSource),
  })),
);
console.log('ready');

const asNumber = (_key, value) => (typeof value === 'bigint' ? Number(value) : value);
createInterface({ input: process.stdin }).on('line', () => {
  console.log(`report ${JSON.stringify({ features: loop.features(), stats: loop.stats() }, asNumber)}`);
});
process.once('SIGTERM', () => void loop.stop().then(() => process.exit(0)));
