#!/usr/bin/env node
/*
 * What does it cost to follow a cluster of thousands of nodes? A simulated API server (the test API server, in a process of its
 * own) holds them, each about as large as a real one, and updates their status as kubelets do; a reader, in another process, runs the
 * Kubernetes datastore under the lease manager as the daemon does. Measured of the reader: time from the start of the process to the first complete
 * snapshot of peers, memory, and CPU while only heartbeats arrive. The programming of the kernel is not part of it
 * (packages/backend-vxlan/bench).
 *
 *   node packages/datastore-kube/bench/kube-watch.mjs [--nodes 5000] [--images 40] [--seconds 20]
 *
 * Needs the build (tsc -b). Prints JSON.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, tmpdir } from 'node:os';
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const here = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5000' },
    images: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '20' },
    role: { type: 'string', default: 'parent' },
    url: { type: 'string', default: '' },
    directory: { type: 'string', default: '' },
  },
});
const nodes = Number(values.nodes);
/** Status updates of one kubelet: each 5 minutes while nothing changes, each 10 s at worst (nodeStatusReportFrequency, nodeStatusUpdateFrequency). */
const RATES = [
  { name: 'heartbeats every 5 min', perSecond: nodes / 300 },
  { name: 'heartbeats every 10 s', perSecond: nodes / 10 },
];

if (values.role === 'server') await serve();
else if (values.role === 'reader') await read();
else await measure();

async function serve() {
  const { TestApiServer, sampleNode, flannelAnnotations } = require('@tartan/datastore-kube/testing');
  const server = await new TestApiServer({ bookmarkMs: 60_000 }).start();
  for (let n = 0; n < nodes; n++) {
    const annotations = flannelAnnotations({
      'backend-type': 'vxlan',
      'backend-data': JSON.stringify({ VNI: 1, VtepMAC: `02:00:00:00:${hex(n >> 8)}:${hex(n & 255)}` }),
      'public-ip': `10.200.${n >> 8}.${n & 255}`,
    });
    server.nodes.create(
      sampleNode({
        name: `node-${n}`,
        podCIDRs: [`10.${n >> 8}.${n & 255}.0/24`],
        annotations,
        images: Number(values.images),
      }),
    );
  }
  let timer;
  let next = 0;
  process.on('message', ({ perSecond }) => {
    clearInterval(timer);
    let owed = 0;
    timer = setInterval(() => {
      for (owed += perSecond / 20; owed >= 1; owed--) server.heartbeat(`node-${next++ % nodes}`);
    }, 50);
  });
  process.send({ url: server.url, nodeBytes: JSON.stringify(server.nodes.get('node-0')).length });
}

async function read() {
  const { createLeaseManager, silentLogger, systemClock } = require('@tartan/core');
  const { KubeCluster } = require('@tartan/datastore-kube');
  const cluster = new KubeCluster({
    apiUrls: [values.url],
    kubeconfigFile: '',
    annotationPrefix: 'flannel.alpha.coreos.com',
    env: {},
    clock: systemClock,
    logger: silentLogger,
  });
  const identity = { node: 'node-0' };
  const configPath = join(values.directory, 'net-conf.json');
  const datastore = cluster.openDatastore({ identity, configPath });
  const manager = createLeaseManager({ datastore, identity });
  void manager.watchPeers(({ leases }) => {
    process.send({ snapshot: leases.length, atMs: performance.timeOrigin + performance.now(), ...usage() });
  }, new globalThis.AbortController().signal);
  process.on('message', () => process.send({ sample: true, ...usage() }));
}

function usage() {
  const { user, system } = process.cpuUsage();
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)[1]) / 1024;
  return { cpuMs: (user + system) / 1000, rssMiB: field('VmRSS'), peakRssMiB: field('VmHWM') };
}

async function measure() {
  const directory = mkdtempSync(join(tmpdir(), 'kube-watch-'));
  const children = [];
  try {
    writeFileSync(join(directory, 'net-conf.json'), '{"Network":"10.0.0.0/8","Backend":{"Type":"vxlan"}}');
    const args = ['--nodes', values.nodes, '--images', values.images, '--directory', directory];
    const server = fork(here, [...args, '--role', 'server']);
    children.push(server);
    const { url, nodeBytes } = await message(server, (data) => data.url);
    const startedAt = performance.timeOrigin + performance.now();
    const reader = fork(here, [...args, '--role', 'reader', '--url', url]);
    children.push(reader);
    const first = await message(reader, (data) => data.snapshot === nodes - 1);
    const phases = [];
    for (const { name, perSecond } of RATES) {
      server.send({ perSecond });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const before = await sample(reader);
      await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1_000));
      const after = await sample(reader);
      const cpuPercent = (after.cpuMs - before.cpuMs) / (Number(values.seconds) * 10);
      phases.push({ name, perSecond, cpuPercent: round(cpuPercent), rssMiB: round(after.rssMiB) });
    }
    const result = {
      nodes,
      nodeBytes,
      firstSnapshotMs: round(first.atMs - startedAt),
      cpuUntilFirstSnapshotMs: round(first.cpuMs),
      rssAtFirstSnapshotMiB: round(first.rssMiB),
      peakRssMiB: round((await sample(reader)).peakRssMiB),
      phases,
      node: process.version,
      kernel: release(),
      cpu: `${cpus().length} × ${cpus()[0].model}`,
    };
    console.log(JSON.stringify(result, null, 2));
  } finally {
    for (const child of children) child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

function sample(reader) {
  const answer = message(reader, (data) => data.sample);
  reader.send({});
  return answer;
}

function message(child, wanted) {
  return new Promise((resolve, reject) => {
    const hear = (data) => {
      if (!wanted(data)) return;
      child.off('message', hear);
      resolve(data);
    };
    child.on('message', hear);
    child.once('exit', (code) => reject(new Error(`a process ended with ${code}`)));
  });
}

function hex(byte) {
  return byte.toString(16).padStart(2, '0');
}

function round(value) {
  return Math.round(value * 10) / 10;
}
