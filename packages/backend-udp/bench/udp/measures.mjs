// What is measured between two pods. Every function gives plain numbers in the unit that its name says.
import { readFileSync } from 'node:fs';

const IPERF_PORT = 5201;
/** How packet-rate sends and receives, and where its sinks listen. */
const RATE_PORTS = { singly: 5202, batched: 5203 };
/**
 * The default of Linux, whatever this machine's is: BBR sends at the pace that it estimates, timer by timer, which holds the fastest
 * variants back to half of what they carry.
 */
export const CONGESTION_CONTROL = 'cubic';
const USER_HZ = 100;
const BITS_PER_GBIT = 1e9;

/** Servers in the receiving pod, kept for all rounds. */
export async function startServers(pod, programs) {
  await pod.start({ name: 'iperf3', argv: ['iperf3', '--server', '--port', String(IPERF_PORT)] });
  for (const [how, port] of Object.entries(RATE_PORTS)) {
    const argv = [programs.packetRate, 'sink', String(port), how];
    const sink = await pod.start({ name: `sink-${how}`, stdout: 'lines', argv });
    await sink.waitForLine(/^ready/);
  }
}

/** TCP by iperf3: what the receiver got, and the processor time of the whole machine for it. */
export async function tcp({ from, to, streams, seconds }) {
  const before = busySeconds();
  const argv = ['iperf3', '--client', to.ipv4, '--port', String(IPERF_PORT), '--json', '--connect-timeout', '3000'];
  const load = ['--time', String(seconds), '--parallel', String(streams), '--congestion', CONGESTION_CONTROL];
  const run = await from.run([...argv, ...load], {
    timeoutMs: 30_000,
    allowFailure: true,
  });
  const cpu = busySeconds() - before;
  const report = JSON.parse(run.stdout);
  if (report.error !== undefined) throw new Error(`iperf3 from ${from.netns}: ${report.error}`);
  const { sum_received: received } = report.end;
  return {
    gbitPerSecond: received.bits_per_second / BITS_PER_GBIT,
    cpuSecondsPerGigabyte: cpu / (received.bytes / 1e9),
  };
}

/** 64-byte UDP payloads per second at a loss of at most 1 %; `how` as in packet-rate.c. */
export async function packetRate({ from, to, programs, how, stepMs, halvings }) {
  const place = [to.ipv4, String(RATE_PORTS[how])];
  const argv = [programs.packetRate, 'search', ...place, how, String(stepMs), String(halvings)];
  return JSON.parse((await from.run(argv, { timeoutMs: 60_000 })).stdout);
}

/** Median of `count` echo requests, one each millisecond (or `intervalMs`). */
export async function roundTripMs({ from, to, count, intervalMs = 1 }) {
  const argv = ['ping', '-n', '-c', String(count), '-i', String(intervalMs / 1000), '-W', '1', to.ipv4];
  const { stdout } = await from.run(argv, { timeoutMs: 30_000, allowFailure: true });
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  if (times.length < count / 2) throw new Error(`${times.length} of ${count} pings came back`);
  return median(times);
}

/** The same while one TCP stream takes all it can get. */
export async function roundTripUnderLoadMs({ from, to, count, intervalMs, seconds }) {
  const load = tcp({ from, to, streams: 1, seconds });
  const [time] = await Promise.all([roundTripMs({ from, to, count, intervalMs }), load]);
  return time;
}

/** User, nice, system, irq and softirq time of all processors since boot: proc_stat(5). */
function busySeconds() {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq) / USER_HZ;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
