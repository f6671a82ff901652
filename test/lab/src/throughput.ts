import type { Inside } from './inside';
import { LabError } from './lab-error';
import { waitUntilListening } from './listening';

export interface ThroughputOptions {
  readonly from: Inside;
  readonly to: Inside;
  /** Address of `to`. */
  readonly address: string;
  /** Default 1; at most 60. */
  readonly seconds?: number;
  readonly protocol?: 'tcp' | 'udp';
  /** Streams at once; default 1. */
  readonly parallel?: number;
  /** As iperf3 takes it: `500M`; default unlimited. */
  readonly bitrate?: string;
  readonly port?: number;
}

export interface ThroughputResult {
  /** As the receiver counted. */
  readonly bitsPerSecond: number;
  /** TCP segments that were sent again; undefined for UDP. */
  readonly retransmits: number | undefined;
  /** Datagrams lost in per cent; undefined for TCP. */
  readonly lostPercent: number | undefined;
  /** Everything that iperf3 reported at the sending side. */
  readonly report: Record<string, unknown>;
}

interface Report extends Record<string, unknown> {
  error?: string;
  end: {
    sum_received?: { bits_per_second: number };
    sum_sent?: { retransmits?: number };
    sum?: { bits_per_second: number; lost_percent?: number };
  };
}

/** One iperf3 run between two namespaces. */
export async function measureThroughput(options: ThroughputOptions): Promise<ThroughputResult> {
  const { from, to, address, seconds = 1, port = 5201 } = options;
  if (!(seconds > 0 && seconds <= 60)) throw new LabError(`an iperf3 run takes 1 to 60 seconds, not ${seconds}`);
  const server = await to.start({ name: 'iperf3', argv: ['iperf3', '--server', '--one-off', '--port', String(port)] });
  try {
    await waitUntilListening(server, port);
    const { stdout, stderr } = await from.run(clientCommand(options, address, seconds, port), {
      timeoutMs: seconds * 1000 + 15_000,
      allowFailure: true,
    });
    return readReport(stdout, stderr);
  } finally {
    await server.kill();
  }
}

function clientCommand(
  { protocol = 'tcp', parallel = 1, bitrate }: ThroughputOptions,
  address: string,
  seconds: number,
  port: number,
): string[] {
  const argv = ['iperf3', '--client', address, '--port', String(port), '--json', '--time', String(seconds)];
  argv.push('--parallel', String(parallel), '--connect-timeout', '3000');
  if (protocol === 'udp') argv.push('--udp', '--bitrate', bitrate ?? '0');
  else if (bitrate !== undefined) argv.push('--bitrate', bitrate);
  return argv;
}

function readReport(stdout: string, stderr: string): ThroughputResult {
  if (!stdout.trimStart().startsWith('{')) throw new LabError(`iperf3 said: ${stderr || stdout}`);
  const report = JSON.parse(stdout) as Report;
  if (report.error !== undefined) throw new LabError(`iperf3 said: ${report.error}`);
  const { sum_received: received, sum_sent: sent, sum } = report.end;
  return {
    bitsPerSecond: (received ?? sum)?.bits_per_second ?? 0,
    retransmits: sent?.retransmits,
    lostPercent: sum?.lost_percent,
    report,
  };
}
