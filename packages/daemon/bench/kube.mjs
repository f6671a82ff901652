#!/usr/bin/env node
/*
 * What does it cost a node to be one of thousands? The whole daemon, started as its DaemonSet does, in a network namespace of its own;
 * a simulated API server (the test API server, a process of its own in the same namespace) holds the nodes, each about as large as a
 * real one, and updates their status as kubelets do. Measured of the daemon's process, from outside: time and CPU from its start until
 * every peer is in the kernel, memory, and CPU while only heartbeats arrive. Reference in the same run: the same daemon with one peer.
 * Two times 30 seconds are the least that shows what a daemon costs for ever: each half minute everything is compared with the kernel,
 * and for some 20 seconds after its start V8 still gives back what the start took.
 *
 *   node packages/daemon/bench/kube.mjs [--nodes 5000] [--images 40] [--settle 30] [--seconds 60] [--backend vxlan]
 *        [--node-option=--cpu-prof]...
 *
 * Needs the build (tsc -b) and root or a user namespace. Prints JSON. --node-option is for the daemon.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const here = fileURLToPath(import.meta.url);
const tartand = join(here, '../../bin/tartand');
const INSIDE = 'TARTAN_BENCH_OWN_NETNS';
const HEALTH_PORT = 8081;
/** Of /proc/PID/stat: USER_HZ, which the kernel tells to user space as 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5000' },
    images: { type: 'string', default: '40' },
    settle: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '60' },
    backend: { type: 'string', default: 'vxlan' },
    'node-option': { type: 'string', multiple: true, default: [] },
    role: { type: 'string', default: 'parent' },
  },
});
/**
 * A kubelet writes the status of its Node every 5 minutes while nothing changes (nodeStatusReportFrequency), and at most every 10 s
 * (nodeStatusUpdateFrequency); the heartbeat of every 10 s is a Lease, which is another object.
 */
const RATES = [
  { name: 'no heartbeats', everySeconds: null },
  { name: 'status updates every 5 min', everySeconds: 300 },
  { name: 'status updates every 10 s', everySeconds: 10 },
];

// With it every start of Node reads all certificates that it knows, which takes longer than the rest of Node's start.
delete process.env.NODE_EXTRA_CA_CERTS;

if (values.role === 'server') await serve();
else if (process.env[INSIDE] !== '1') enterNamespace();
else console.log(JSON.stringify(await measureAll(), null, 2));

function enterNamespace() {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const env = { ...process.env, [INSIDE]: '1' };
  const script = [process.execPath, here, ...process.argv.slice(2)];
  const { status } = spawnSync('unshare', [...user, '--net', ...script], { stdio: 'inherit', env });
  process.exitCode = status ?? 1;
}

async function serve() {
  const { TestApiServer, sampleNode, flannelAnnotations } = require('@tartan/datastore-kube/testing');
  const server = await new TestApiServer({ bookmarkMs: 60_000 }).start();
  const nodes = Number(values.nodes);
  for (let n = 0; n < nodes; n++) {
    const [high, low] = [n >> 8, n & 255];
    const annotations = flannelAnnotations({
      'backend-type': values.backend,
      'backend-data':
        values.backend === 'vxlan' ? `{"VNI":1,"VtepMAC":"02:00:00:00:${hex(high)}:${hex(low)}"}` : 'null',
      'public-ip': `172.17.${high}.${low}`,
    });
    const podCIDRs = [`10.${64 + high}.${low}.0/24`];
    server.nodes.create(sampleNode({ name: `node-${n}`, podCIDRs, annotations, images: Number(values.images) }));
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
  process.send({ url: server.url, nodeBytes: JSON.stringify(server.nodes.get('node-1')).length });
}

async function measureAll() {
  for (const line of ['link set lo up', 'link add eth0 type veth peer name segment', 'link set segment up']) ip(line);
  ip('link set eth0 up');
  ip('address add 172.16.0.1/12 dev eth0');
  ip('route add default via 172.31.255.254');
  const reference = await measure(2, RATES.slice(0, 1));
  const measured = await measure(Number(values.nodes), RATES);
  return {
    machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version, load: loadavg() },
    backend: values.backend,
    budgets: { firstProgrammingMs: 3_000, rssMiB: 110, cpuPercent: 2 },
    measured,
    reference,
  };
}

async function measure(nodes, rates) {
  const directory = mkdtempSync(join(tmpdir(), 'kube-bench-'));
  const children = [];
  try {
    const server = fork(here, [...process.argv.slice(2), '--role', 'server', '--nodes', String(nodes)]);
    children.push(server);
    const { url, nodeBytes } = await message(server);
    const startedAt = performance.now();
    const daemon = startDaemon(url, directory);
    children.push(daemon);
    await ready(daemon);
    const firstProgrammingMs = Math.round(performance.now() - startedAt);
    const first = usage(daemon);
    const routes = run('ip', ['-4', 'route', 'show', 'proto', '158']).trim().split('\n').length;
    if (routes !== nodes - 1) throw new Error(`${routes} routes, wanted ${nodes - 1}`);
    await pause(Number(values.settle) * 1_000);
    const phases = [];
    for (const { name, everySeconds } of rates)
      phases.push(await phase(server, daemon, name, everySeconds === null ? 0 : nodes / everySeconds));
    const { peakRssMiB } = usage(daemon);
    const firstProgramming = { ms: firstProgrammingMs, cpuMs: first.cpuMs, rssMiB: first.rssMiB };
    await ended(daemon);
    return { nodes, nodeBytes, firstProgramming, peakRssMiB, phases };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    spawnSync('ip', ['link', 'delete', 'flannel.1'], { stdio: 'ignore' });
    spawnSync('ip', ['route', 'flush', 'proto', '158'], { stdio: 'ignore' });
    rmSync(directory, { recursive: true, force: true });
  }
}

function startDaemon(url, directory) {
  const config = { Network: '10.64.0.0/10', EnableNFTables: true, Backend: { Type: values.backend } };
  writeFileSync(join(directory, 'net-conf.json'), JSON.stringify(config));
  const log = openSync(join(directory, 'log'), 'w');
  const args = [
    '--kube-subnet-mgr',
    '--ip-masq',
    `--healthz-port=${HEALTH_PORT}`,
    `--kube-api-url=${url}`,
    `--net-config-path=${join(directory, 'net-conf.json')}`,
    `--subnet-file=${join(directory, 'subnet.env')}`,
    `--state-dir=${join(directory, 'state')}`,
    '--log-format=json',
  ];
  const env = { ...process.env, NODE_NAME: 'node-0' };
  const daemon = spawn(process.execPath, [...values['node-option'], tartand, ...args], {
    env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  daemon.logFile = join(directory, 'log');
  return daemon;
}

async function phase(server, daemon, name, perSecond) {
  server.send({ perSecond });
  await pause(3_000);
  const before = usage(daemon);
  const startedAt = performance.now();
  await pause(Number(values.seconds) * 1_000);
  const after = usage(daemon);
  const cpuPercent = ((after.cpuMs - before.cpuMs) / (performance.now() - startedAt)) * 100;
  return { name, perSecond: round(perSecond), cpuPercent: round(cpuPercent), rssMiB: after.rssMiB };
}

/** Of a process, by the kernel: all threads, also those that ended. */
function usage({ pid }) {
  const [, stat] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const [user, system] = stat.split(' ').slice(11, 13).map(Number);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)[1]) / 1024);
  return { cpuMs: (user + system) * MS_PER_TICK, rssMiB: field('VmRSS'), peakRssMiB: field('VmHWM') };
}

/** Until /readyz says so: lease, subnet file, devices, rules, and every peer in the kernel. */
async function ready(daemon) {
  const deadline = performance.now() + 60_000;
  while ((await healthStatus()) !== 200) {
    if (daemon.exitCode !== null || performance.now() > deadline)
      throw new Error(`not ready:\n${readFileSync(daemon.logFile, 'utf8').slice(-3_000)}`);
    await pause(20);
  }
}

function healthStatus() {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port: HEALTH_PORT, path: '/readyz', agent: false }, (response) => {
      response.resume();
      response.on('close', () => resolve(response.statusCode));
    });
    request.on('error', () => resolve(0));
  });
}

function ended(child) {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return exit;
}

function message(child) {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`a process ended with ${code}`)));
  });
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function ip(line) {
  run('ip', line.split(' '));
}

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function hex(byte) {
  return byte.toString(16).padStart(2, '0');
}

function round(value) {
  return Math.round(value * 10) / 10;
}
