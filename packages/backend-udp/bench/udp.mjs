// The udp backend's data path against a plain read/sendto loop (the method of flanneld's udp proxy), kernel VXLAN and plain routing,
// all in the same run, interleaved, on two hosts in network namespaces. Medians over the rounds; ratios are what counts, since
// absolute figures change with the machine by the hour. How the underlay's two modes differ: udp/underlay.mjs.
//
//   node packages/backend-udp/bench/udp.mjs [--quick] [--rounds 5] [--variants plain,loop,kernel,vxlan,routing] [--modes veth,wire]
//                                           [--offloads '{"udpGro":false}'] [--queues 1]
//                                           [--pause SECONDS between measurements, for others on the machine]
//
// Needs the build (tsc -b), cc, iperf3, ethtool, tcpdump, and root or a user namespace. Prints JSON; progress goes to stderr.
// A target that is missed is told in the result and fails nothing.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileProgram } from '@tartan/lab';
import { chartsOf } from './udp/charts.mjs';
import {
  CONGESTION_CONTROL,
  median,
  packetRate,
  roundTripMs,
  roundTripUnderLoadMs,
  startServers,
  tcp,
} from './udp/measures.mjs';
import { ratiosOf, targetsOf } from './udp/targets.mjs';
import { MODES, offloadState, provenFrames, setMode, whenReachable } from './udp/underlay.mjs';
import { buildLab, POD_MTU, VARIANTS } from './udp/variants.mjs';

const here = (path) => fileURLToPath(new globalThis.URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    variants: { type: 'string' },
    modes: { type: 'string' },
    offloads: { type: 'string', default: '{}' },
    queues: { type: 'string' },
    pause: { type: 'string', default: '0' },
  },
});

/** How long each measure takes; a full run takes some ten minutes, a quick one near two. */
const EFFORT = options.quick
  ? { rounds: 1, tcpSeconds: 1, stepMs: 150, halvings: 3, pings: 200, loadedPings: 50 }
  : { rounds: 5, tcpSeconds: 2, stepMs: 150, halvings: 4, pings: 400, loadedPings: 120 };
const ROUNDS = Number(options.rounds ?? EFFORT.rounds);
const LOADED_PING_INTERVAL_MS = 8;

const variants = chosen('variants', possibleVariants());
const modes = chosen('modes', MODES);
if (process.exitCode !== undefined) {
  // A wrong name was told.
} else if (process.env.TARTAN_IN_NAMESPACE !== '1') enterNamespace();
else process.stdout.write(`${JSON.stringify(await measureAll(), null, 2)}\n`);

function enterNamespace() {
  const argv = [process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync(here('../../../scripts/in-namespace'), argv, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

async function measureAll() {
  const started = Date.now();
  const program = await compileProgram('packet-rate', tmpdir(), here('udp/packet-rate.c'));
  const programs = { packetRate: program };
  const loopOptions = { offloads: JSON.parse(options.offloads), queues: Number(options.queues ?? 1) };
  const labs = await buildLabs({ variants, programs, loopOptions });
  try {
    const proof = await prove(labs, modes);
    const { samples, loads } = await sampleAll({ labs, modes, programs });
    const loops = await loopReports(labs);
    const results = summarise(samples);
    const ratios = ratiosOf(results);
    return {
      machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version },
      date: new Date().toISOString().slice(0, 10),
      rounds: ROUNDS,
      durationSeconds: Math.round((Date.now() - started) / 1000),
      /** One-minute load average at the start of each round; the bench itself makes 2 to 3. */
      loadAverages: loads,
      podMtuBytes: POD_MTU,
      tcpCongestionControl: CONGESTION_CONTROL,
      cpuSeconds: 'whole machine, both hosts and both pods, from /proc/stat',
      offloads: proof.offloads,
      /** Largest and mean IP packet on the switch during a TCP stream. */
      framesOnTheWire: proof.frames,
      ...(loops === undefined ? {} : { loop: loops }),
      results,
      ratios,
      targets: targetsOf(ratios),
      samples,
      charts: chartsOf(results),
    };
  } finally {
    await Promise.all(Object.values(labs).map((lab) => lab.destroy()));
  }
}

/** bpf(2) asks for root outside of user namespaces, in whose map all numbers stand for themselves. */
function possibleVariants() {
  const [, , range] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
  const isRoot = process.getuid() === 0 && range === '4294967295';
  return Object.keys(VARIANTS).filter((name) => isRoot || !VARIANTS[name].needsRoot);
}

/** The names that an option lists. One that is not among `known` is told on standard error, and ends this with status 2. */
function chosen(option, known) {
  const names = options[option]?.split(',') ?? known;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`udp: --${option}: ${unknown.join(', ')}: there are ${known.join(', ')} here\n`);
    process.exitCode = 2;
  }
  return names;
}

async function buildLabs({ variants, programs, loopOptions }) {
  const labs = {};
  for (const variant of variants) {
    const lab = await buildLab({ variant, loopOptions });
    labs[variant] = lab;
    const [from, to] = lab.pods;
    await startServers(to, programs);
    await whenReachable(from, to);
  }
  return labs;
}

function podsOf({ pods: [from, to] }) {
  return { from, to };
}

async function prove(labs, modes) {
  const proof = { offloads: {}, frames: {} };
  for (const mode of modes) {
    for (const [variant, lab] of Object.entries(labs)) {
      await setMode(lab, mode);
      proof.offloads[mode] ??= await offloadState(lab);
      const frames = await provenFrames(lab, () => tcp({ ...podsOf(lab), streams: 1, seconds: 1 }));
      (proof.frames[mode] ??= {})[variant] = frames;
      if (mode === 'wire' && frames.largestBytes > VARIANTS[variant].underlayMtu)
        throw new Error(
          `${variant}: a packet of ${frames.largestBytes} bytes on a wire of ${VARIANTS[variant].underlayMtu}`,
        );
    }
  }
  return proof;
}

/** Variants take turns within a round, and begin with another one each time, so that a busy minute hurts all alike. */
async function sampleAll({ labs, modes, programs }) {
  const samples = {};
  const loads = [];
  for (let round = 0; round < ROUNDS; round++) {
    loads.push(Math.round(loadavg()[0] * 100) / 100);
    for (const mode of modes) {
      for (const [variant, lab] of rotate(Object.entries(labs), round)) {
        await sleep(Number(options.pause) * 1000);
        await setMode(lab, mode);
        const sample = await measureOne({ ...podsOf(lab), programs });
        process.stderr.write(`round ${round + 1} ${mode} ${variant}: ${describe(sample)}\n`);
        const place = ((samples[mode] ??= {})[variant] ??= {});
        for (const [name, value] of Object.entries(sample)) (place[name] ??= []).push(value);
      }
    }
  }
  return { samples, loads };
}

function rotate(list, by) {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

async function measureOne({ from, to, programs }) {
  const { tcpSeconds, stepMs, halvings, pings, loadedPings } = EFFORT;
  const idle = await roundTripMs({ from, to, count: pings });
  const one = await tcp({ from, to, streams: 1, seconds: tcpSeconds });
  const four = await tcp({ from, to, streams: 4, seconds: tcpSeconds });
  const singly = await packetRate({ from, to, programs, how: 'singly', stepMs, halvings });
  const batched = await packetRate({ from, to, programs, how: 'batched', stepMs, halvings });
  const loaded = await roundTripUnderLoadMs({
    from,
    to,
    count: loadedPings,
    intervalMs: LOADED_PING_INTERVAL_MS,
    seconds: Math.ceil((loadedPings * LOADED_PING_INTERVAL_MS) / 1000),
  });
  return {
    tcp1Gbps: round3(one.gbitPerSecond),
    tcp4Gbps: round3(four.gbitPerSecond),
    udp64Kpps: kpps(singly),
    udp64SenderLimited: singly.senderLimited,
    udp64BatchedKpps: kpps(batched),
    udp64BatchedSenderLimited: batched.senderLimited,
    rttMs: round3(idle),
    rttLoadedMs: round3(loaded),
    cpuSecondsPerGB: round3(one.cpuSecondsPerGigabyte),
  };
}

function kpps({ packetsPerSecond }) {
  return Math.round(packetsPerSecond / 100) / 10;
}

function round3(value) {
  return Math.round(value * 1000) / 1000;
}

function describe(sample) {
  return Object.entries(sample)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function summarise(samples) {
  const summary = (values) =>
    typeof values[0] === 'boolean'
      ? values.filter((value) => value).length
      : { median: round3(median(values)), min: Math.min(...values), max: Math.max(...values) };
  const inner = (measures) =>
    Object.fromEntries(Object.entries(measures).map(([name, values]) => [name, summary(values)]));
  return Object.fromEntries(
    Object.entries(samples).map(([mode, variants]) => [
      mode,
      Object.fromEntries(Object.entries(variants).map(([variant, measures]) => [variant, inner(measures)])),
    ]),
  );
}

/** What the loops tell of themselves at the end: features in use, counters. */
async function loopReports(labs) {
  const loops = labs.loop?.processes.filter(({ name }) => name.endsWith('-loop')) ?? [];
  if (loops.length === 0) return undefined;
  return Promise.all(
    loops.map(async (loop) => {
      loop.write('report\n');
      return JSON.parse((await loop.waitForLine(/^report /)).slice('report '.length));
    }),
  );
}
