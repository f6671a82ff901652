// A host of the lab: runs packet loops on command, one JSON object a line in, one out. Started inside a network namespace.
import { createInterface } from 'node:readline';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { NativePacketLoop } = require('@tartan/backend-udp');
const { parseIpAddress, parseIpPrefix } = require('@tartan/core');

let loop;
let path;

const address = (text) => (text === undefined ? undefined : parseIpAddress(text));

function make({ listen, ...options }) {
  return new NativePacketLoop({
    tunName: 'flannel0',
    mtuBytes: 1472,
    ...options,
    listen: { port: listen.port ?? 8285, ipv4: address(listen.ipv4), ipv6: address(listen.ipv6) },
  });
}

function parseRoutes(routes) {
  return routes.map(({ prefix, endpoint, port }) => ({
    prefix: parseIpPrefix(prefix),
    endpoint: { address: parseIpAddress(endpoint), port: port ?? 8285 },
    icmpSource: parseIpAddress(prefix.split('/')[0]),
  }));
}

const threads = () => readdirSync('/proc/self/task').length;
const descriptors = () => readdirSync('/proc/self/fd').length;

const commands = {
  async start({ options, routes }) {
    loop = make(options);
    loop.setRoutes(parseRoutes(routes));
    await loop.start();
    return loop.features();
  },
  routes: ({ routes }) => loop.setRoutes(parseRoutes(routes)),
  stats: () => loop.stats(),
  features: () => loop.features(),
  stop: () => loop.stop(),
  /** Loads the programs of the kernel path beside the loop, and gives them these peers. */
  async kernelPath({ place, peers }) {
    const { KernelPath } = require('../../../dist/kernel-path');
    const { createRtNetlink } = require('@tartan/netlink');
    path = new KernelPath({ netlink: createRtNetlink() });
    await path.start({ port: 8285, ...place, localAddress: address(place.localAddress) });
    await path.makeReady();
    await path.setPeers(parseRoutes(peers));
  },
  kernelPathStats: () => path.stats(),
  /** Ten thousand routes that lead nowhere, and the real ones, many times. */
  async swap({ routes, times }) {
    const real = parseRoutes(routes);
    const others = Array.from({ length: 10_000 }, (_, index) => ({
      ...real[0],
      prefix: parseIpPrefix(`11.${index >> 8}.${index & 255}.0/24`),
    }));
    for (let time = 0; time < times; time++) {
      loop.setRoutes(time % 2 === 0 ? [...others, ...real] : real);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
  /** Starts and stops `times` loops; how many threads and descriptors are left more than after the first ones. */
  async cycle({ options, routes, times }) {
    const once = async () => {
      const one = make(options);
      one.setRoutes(parseRoutes(routes));
      await one.start();
      await Promise.all([one.stop(), one.stop()]);
    };
    for (let time = 0; time < 5; time++) await once();
    const before = { threads: threads(), descriptors: descriptors() };
    for (let time = 0; time < times; time++) await once();
    return { threads: threads() - before.threads, descriptors: descriptors() - before.descriptors };
  },
  /** Starts a loop that nobody stops; true when the collector has ended its thread. */
  async forget({ options }) {
    const before = threads();
    await (async () => make(options).start())();
    const running = threads() > before;
    for (let turn = 0; turn < 500 && threads() > before; turn++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return running && threads() === before;
  },
  /** Starts a loop in a worker thread and terminates that; true when its thread has ended. */
  async terminate({ options }) {
    const source = `
      const { NativePacketLoop } = require(${JSON.stringify(require.resolve('@tartan/backend-udp'))});
      const { parseIpAddress } = require(${JSON.stringify(require.resolve('@tartan/core'))});
      const { parentPort, workerData } = require('node:worker_threads');
      const loop = new NativePacketLoop({ ...workerData, listen: { ipv4: parseIpAddress(workerData.listen.ipv4), port: 8285 } });
      loop.start().then(() => parentPort.postMessage('started'));
      setInterval(() => loop, 1000);`;
    const before = threads();
    const worker = new Worker(source, { eval: true, workerData: { tunName: 'flannel0', mtuBytes: 1472, ...options } });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const running = threads() > before;
    await worker.terminate();
    for (let turn = 0; turn < 500 && threads() > before; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    return running && threads() <= before;
  },
};

const plain = (key, value) => (typeof value === 'bigint' ? Number(value) : value);

process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await commands[command](rest)) ?? null };
  } catch (error) {
    answer = { error: { code: error.code, message: error.message } };
  }
  process.stdout.write(`${JSON.stringify(answer, plain)}\n`);
}
