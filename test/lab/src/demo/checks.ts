import { eventually } from '../eventually';
import type { Host } from '../host';
import type { Lab } from '../lab';
import { LabError } from '../lab-error';
import type { Pod } from '../pod';
import type { CrashReport, PingCell, ThroughputReport } from './report';

const PINGS_PER_PAIR = 3;
const PACKETS_PER_SECOND = 1_000;
/** The stream goes on for this many packets at least, so that "lost 0" says something. */
const MIN_PACKETS = 2_000;

/** The pod of each host. */
function podOf(host: Host): Pod {
  const [pod] = host.pods;
  if (!pod) throw new LabError(`${host.name} has no pod`);
  return pod;
}

/** Every pod pings the pods of all other hosts. */
export async function pingAll(lab: Lab): Promise<PingCell[]> {
  const rows = lab.hosts.map(async (from) => {
    const cells: PingCell[] = [];
    for (const to of lab.hosts) {
      if (to === from) continue;
      const {
        sent,
        received,
        averageMs = null,
      } = await podOf(from).ping(podOf(to).ipv4, {
        count: PINGS_PER_PAIR,
        intervalMs: 5,
      });
      cells.push({ from: from.name, to: to.name, sent, received, averageMs });
    }
    return cells;
  });
  return (await Promise.all(rows)).flat();
}

/** One second of TCP from the first host's pod to the last one's. */
export async function measure(lab: Lab): Promise<ThroughputReport> {
  const [from, to] = [lab.hosts[0] as Host, lab.hosts.at(-1) as Host];
  const { bitsPerSecond, retransmits = null } = await lab.throughput({ from: podOf(from), to: podOf(to), seconds: 1 });
  return { from: from.name, to: to.name, bitsPerSecond, retransmits };
}

/**
 * While packets flow from the first host's pod to the second one's and back, the second host's daemon is killed with SIGKILL,
 * stays away for a moment, and is started again.
 */
export async function killDaemon(lab: Lab, hitless: boolean): Promise<CrashReport> {
  const [from, to] = lab.hosts as [Host, Host];
  const daemon = to.daemons[0];
  if (!daemon) throw new LabError(`${to.name} has no daemon`);
  const stream = await lab.stream({
    from: podOf(from),
    to: podOf(to),
    packetsPerSecond: PACKETS_PER_SECOND,
    echo: true,
  });
  const flowing = performance.now();
  await daemon.kill();
  await forAtLeast(flowing, 500);
  const start = performance.now();
  await daemon.start();
  await daemon.waitUntilReady();
  const readyAgainMs = Math.round(performance.now() - start);
  await forAtLeast(flowing, (MIN_PACKETS / PACKETS_PER_SECOND) * 1000);
  const { sent, lost, back, packetsPerSecond } = await stream.stop();
  return {
    host: to.name,
    from: from.name,
    to: to.name,
    sent,
    // What is lost on the way there is lost on the way back too.
    lost: Math.max(lost, back?.lost ?? 0),
    hitless,
    packetsPerSecond: Math.round(packetsPerSecond),
    readyAgainMs,
  };
}

/** Lets the stream run until so much time has passed since `start`: it is the amount of traffic that is awaited. */
async function forAtLeast(start: number, milliseconds: number): Promise<void> {
  await eventually(() => performance.now() - start >= milliseconds, { what: 'the stream has run' });
}
