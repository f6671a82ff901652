// How long the vxlan backend takes for 5,000 peers (15,000 kernel objects) on the real kernel, through the same controller and
// reconciler as in the daemon: from an empty kernel, without a change, for one changed peer, after the device was deleted, and
// after a restart. Beside it, in the same run: `ip -batch` and `bridge -batch` for the same objects. All in a fresh network namespace.
//
// More than half of "from empty" is the kernel's: fib_find_info() (net/ipv4/fib_semantics.c, v6.1) compares a new route with all others
// over the same device, since the hash leaves out the gateway. So the cost grows with the square of the peers, for `ip -batch` as well.
//
// Needs the build (tsc -b) and root or a user namespace. Prints JSON; times are milliseconds.
//
//   node packages/backend-vxlan/bench/vxlan-scale.mjs [--peers 5000] [--rounds 5]
import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import {
  createNetworkController,
  createReconciler,
  Ipv4Address,
  Ipv4Prefix,
  selectExternalInterface,
  silentLogger,
  systemClock,
} from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { backend } from '@tartan/backend-vxlan';

const PEERS = option('peers', 5_000);
const ROUNDS = option('rounds', 5);
const INSIDE = 'TARTAN_BENCH_OWN_NETNS';
const NETWORK = Ipv4Prefix.parse('10.64.0.0/10');
const TARGETS_MS = { fromEmpty: 500, withoutChange: 150 };

if (process.env[INSIDE] !== '1') enterNamespace();
else process.stdout.write(`${JSON.stringify(await measureAll(), null, 2)}\n`);

function option(name, absent) {
  const place = process.argv.indexOf(`--${name}`);
  return place === -1 ? absent : Number(process.argv[place + 1]);
}

function enterNamespace() {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const script = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, [INSIDE]: '1' };
  const result = spawnSync('unshare', [...user, '--net', ...script], { stdio: 'inherit', env });
  process.exitCode = result.status ?? 1;
}

async function measureAll() {
  ip('link add eth0 type veth peer name segment', 'link set segment up', 'link set eth0 up');
  ip('address add 172.16.0.1/12 dev eth0');
  const results = await measure();
  const reference = measureIp();
  return {
    machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version },
    peers: PEERS,
    objects: 3 * PEERS,
    rounds: ROUNDS,
    targetsMs: TARGETS_MS,
    results: results.times,
    /** Processor time of the same, which a busy machine changes less: JavaScript and, for the most part, the kernel's. */
    cpu: results.cpuTimes,
    dumpsForOneChangedPeer: results.dumps,
    reference,
    ratioToIpBatch: Math.round((results.times.fromEmpty.median / reference.ipBatch.median) * 100) / 100,
  };
}

async function measure() {
  const times = {};
  const cpuTimes = {};
  const dumps = new Set();
  const timed = async (name, work) => {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    await work();
    (times[name] ??= []).push(performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    (cpuTimes[name] ??= []).push((user + system) / 1000);
  };
  const before = allPeers();
  const changed = [changedPeer(), ...before.slice(1)];
  for (let round = 0; round < ROUNDS; round++) {
    let node = await startNode();
    await timed('fromEmpty', () => node.setPeers(before));
    await node.whenQuiet();
    await timed('withoutChange', () => node.fullPass());
    const dumpsBefore = node.dumps();
    await timed('onePeerChanged', () => node.setPeers(changed));
    dumps.add(node.dumps() - dumpsBefore);
    await timed('onePeerBack', () => node.setPeers(before));
    await timed('onePeerLeaves', () => node.setPeers(before.slice(1)));
    await timed('onePeerJoins', () => node.setPeers(before));
    await timed('plan', () => node.plan(before));
    await timed('deviceDeleted', () => {
      const replayed = node.passThatApplies(3 * PEERS);
      ip('link delete flannel.1');
      return replayed;
    });
    if (linesOf('bridge', ['fdb', 'show', 'dev', 'flannel.1']) !== PEERS) throw new Error('not all is back');
    await node.stop();
    node = await startNode();
    await timed('restartOverAll', () => node.setPeers(before));
    await node.stop();
    ip('link delete flannel.1');
    check(round);
  }
  return { times: summary(times), cpuTimes: summary(cpuTimes), dumps: [...dumps] };
}

/** Nothing of a round may be left for the next. */
function check(round) {
  const left = run('ip', ['route', 'show', 'proto', '158']);
  if (left !== '') throw new Error(`routes left after round ${round}: ${left.slice(0, 200)}`);
}

async function startNode() {
  const counted = countDumps(createRtNetlink());
  const { netlink } = counted;
  const stopping = new globalThis.AbortController();
  const { signal } = stopping;
  const waiting = new Set();
  const common = { netlink, networks: [NETWORK], clock: systemClock, logger: silentLogger };
  const reconciler = createReconciler({
    ...common,
    fights: { limit: 1e6 },
    fullPassIntervalMs: 1e9,
    onPass: () => waiting.forEach((look) => look()),
  });
  const controller = createNetworkController({ ...common, reconciler });
  const parts = [reconciler.run(signal), controller.run(signal)];
  const network = await startBackend(netlink, signal);
  controller.setNetwork({ network, capabilities: backend.capabilities });
  const nextPass = (condition) =>
    new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
    });
  return {
    setPeers: async (leases) => {
      controller.setSnapshot({ revision: String(performance.now()), leases });
      await controller.whenPlanned(signal);
      await reconciler.whenSynced(signal);
    },
    fullPass: () => {
      const { passes } = reconciler.status();
      const done = nextPass(() => reconciler.status().passes > passes);
      reconciler.requestPass();
      return done;
    },
    /** The echo of our own changes has been judged. */
    whenQuiet: async () => {
      for (let passes = -1; passes !== reconciler.status().passes;) {
        ({ passes } = reconciler.status());
        await systemClock.sleep(100);
      }
    },
    plan: async (leases) => {
      network.plan({ snapshot: { revision: 'x', leases }, underlay: { routeTo: () => undefined } });
    },
    passThatApplies: (objects) => {
      const { passes } = reconciler.status();
      return nextPass(() => reconciler.status().passes > passes && reconciler.status().lastPass.applied >= objects);
    },
    dumps: counted.dumps,
    stop: async () => {
      stopping.abort();
      await Promise.all(parts);
      netlink.close();
    },
  };
}

/** Reads of tables that hold an entry for each peer. */
function countDumps(inner) {
  let count = 0;
  const netlink = new Proxy(inner, {
    get: (target, name) => {
      const member = target[name];
      if (typeof member !== 'function') return member;
      return (...args) => {
        if (['listRoutes', 'listNeighbours', 'listFdb'].includes(name)) count++;
        return member.apply(target, args);
      };
    },
  });
  return { netlink, dumps: () => count };
}

async function startBackend(netlink, signal) {
  const families = { ipv4: true, ipv6: false };
  const options = { iface: ['eth0'], ifaceRegex: [] };
  const externalInterface = await selectExternalInterface({ netlink, logger: silentLogger, families, options });
  const instance = backend.create({
    config: {
      ipv4: { network: NETWORK, subnetLength: 24, subnetMin: NETWORK.address, subnetMax: NETWORK.last },
      ipv6: null,
      enableNFTables: false,
      backendType: 'vxlan',
      backend: { Type: 'vxlan' },
    },
    externalInterface,
    netlink,
    identity: { node: 'bench' },
    clock: systemClock,
    logger: silentLogger,
  });
  await instance.prepare(signal);
  return instance.start(leaseOf(0), signal);
}

function allPeers() {
  return Array.from({ length: PEERS }, (_, n) => leaseOf(n + 1));
}

function changedPeer() {
  const lease = leaseOf(1);
  return { ...lease, attrs: { ...lease.attrs, backendData: { VNI: 1, VtepMAC: '0a:ff:00:00:00:01' } } };
}

function macOf(n) {
  return `0a:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
}

function leaseOf(n) {
  return {
    subnet: Ipv4Prefix.of(NETWORK.address.add(n * 256), 24),
    ipv6Subnet: null,
    attrs: {
      publicIP: Ipv4Address.parse('172.16.0.1').add(n),
      publicIPv6: null,
      backendType: 'vxlan',
      backendData: { VNI: 1, VtepMAC: macOf(n) },
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

function measureIp() {
  const times = {};
  const peers = allPeers().map(({ subnet, attrs }) => ({
    subnet: subnet.toString(),
    address: subnet.address.toString(),
    mac: attrs.backendData.VtepMAC,
    remote: attrs.publicIP.toString(),
  }));
  const batch = (line) => `${peers.map(line).join('\n')}\n`;
  for (let round = 0; round < ROUNDS; round++) {
    ip('link add vx0 type vxlan id 7 dstport 8473 local 172.16.0.1 dev eth0 nolearning', 'link set vx0 up');
    const start = performance.now();
    run(
      'ip',
      ['-batch', '-'],
      batch(({ address, mac }) => `neigh replace ${address} lladdr ${mac} dev vx0 nud permanent`),
    );
    run(
      'bridge',
      ['-batch', '-'],
      batch(({ mac, remote }) => `fdb replace ${mac} dev vx0 dst ${remote} self permanent`),
    );
    run(
      'ip',
      ['-batch', '-'],
      batch(({ subnet, address }) => `route replace ${subnet} via ${address} dev vx0 onlink`),
    );
    (times.ipBatch ??= []).push(performance.now() - start);
    ip('link delete vx0');
  }
  return summary(times);
}

function linesOf(program, args) {
  return run(program, args).trim().split('\n').length;
}

function ip(...commands) {
  for (const command of commands) run('ip', command.split(' '));
}

function run(program, args, input) {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    ...(input === undefined ? {} : { input }),
  });
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** Median and best of the rounds. */
function summary(times) {
  return Object.fromEntries(
    Object.entries(times).map(([name, values]) => {
      const sorted = [...values].sort((a, b) => a - b);
      const round = (value) => Math.round(value * 10) / 10;
      return [name, { median: round(sorted[sorted.length >> 1]), best: round(sorted[0]) }];
    }),
  );
}
