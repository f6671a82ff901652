import type { Inside } from './inside';
import { LabError } from './lab-error';
import type { LabProcess } from './lab-process';
import { labProgram } from './programs';

/*
 * Counting lost packets. A sender and a receiver of numbered UDP datagrams run in two namespaces; at the end the receiver knows
 * which numbers never came. The count is exact as long as the tool itself loses nothing, and that is checked: the kernel
 * counts datagrams that did not fit into a socket's buffer, and a stream with such a datagram is refused as a measurement.
 * One sender of 1,000 packets/s takes about a tenth of a core.
 */

/** Every stream ends by itself after this, whatever the test forgot. */
const MAX_SECONDS = 120;

export interface StreamOptions {
  readonly from: Inside;
  readonly to: Inside;
  /** Address of `to`. */
  readonly address: string;
  /** Default 1,000; at most 5,000. */
  readonly packetsPerSecond?: number;
  /** Ends after so many packets by itself; default 120 seconds' worth, which is also the limit. */
  readonly maxPackets?: number;
  /** UDP payload; default 64, at least 4. */
  readonly payloadBytes?: number;
  /** The receiver sends each datagram back and the sender counts those too, so that both directions are proven. */
  readonly echo?: boolean;
  /** Two streams to one namespace need two ports; default 7000. */
  readonly port?: number;
}

export interface DirectionReport {
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly reordered: number;
  /** Longest time between two arrivals. A busy machine alone can make this some ten milliseconds. */
  readonly longestGapMs: number;
  /** Runs of lost numbers in order, at most 20. */
  readonly lostRuns: readonly { readonly first: number; readonly count: number }[];
}

export interface StreamReport extends DirectionReport {
  /** What the stream had to offer, also when the kernel refused some of it (`sendErrors`), for instance without a route. */
  readonly sent: number;
  readonly sendErrors: number;
  /** What was reached; compare with what was asked for. */
  readonly packetsPerSecond: number;
  /** The way back; with `echo` only. What was lost on the way there is lost here too. */
  readonly back?: DirectionReport;
}

interface ArrivalsJson {
  received: number;
  duplicates: number;
  reordered: number;
  longestGapMs: number;
  missing: [first: number, count: number][];
  overflows: number;
}
type SenderJson = { sent: number; sendErrors: number; elapsedMs: number } & Partial<ArrivalsJson>;

/** A stream under way. Call `stop` to have the report. */
export class PacketStream {
  private stopping: Promise<StreamReport> | undefined;

  private constructor(
    private readonly sender: LabProcess,
    private readonly receiver: LabProcess,
  ) {}

  /** Resolves once the first packets flow. */
  static async start(options: StreamOptions): Promise<PacketStream> {
    const settings = check(options);
    const receiver = await startRole(options.to, 'receive', settings);
    try {
      const sender = await startRole(options.from, 'send', settings);
      return new PacketStream(sender, receiver);
    } catch (error) {
      await receiver.kill();
      throw error;
    }
  }

  /** True until `maxPackets` were sent or it was stopped. */
  get running(): boolean {
    return this.sender.running;
  }

  /** Ends the stream, waits for late packets and reports. Rejects when the tool itself was too slow. Repeatable. */
  stop(): Promise<StreamReport> {
    return (this.stopping ??= this.finish());
  }

  private async finish(): Promise<StreamReport> {
    try {
      this.sender.closeInput();
      const sent = await reportOf<SenderJson>(this.sender);
      this.receiver.write(`finish ${sent.sent}\n`);
      return combine(sent, await reportOf<ArrivalsJson>(this.receiver));
    } finally {
      await Promise.all([this.sender.kill(), this.receiver.kill()]);
    }
  }
}

type Settings = ReturnType<typeof check>;

function check(options: StreamOptions) {
  const { address, packetsPerSecond = 1_000, payloadBytes = 64, echo = false, port = 7_000 } = options;
  const limit = packetsPerSecond * MAX_SECONDS;
  const maxPackets = options.maxPackets ?? limit;
  if (!(packetsPerSecond > 0 && packetsPerSecond <= 5_000)) throw new LabError('packetsPerSecond is 1 to 5,000');
  if (!(maxPackets > 0 && maxPackets <= limit)) throw new LabError(`a stream lasts at most ${MAX_SECONDS} seconds`);
  if (!(payloadBytes >= 4 && payloadBytes <= 65_000)) throw new LabError('payloadBytes is 4 to 65,000');
  return { address, packetsPerSecond, payloadBytes, echo, port, maxPackets };
}

async function startRole(inside: Inside, role: 'send' | 'receive', settings: Settings): Promise<LabProcess> {
  const program = await inside.start({
    name: `stream-${role}`,
    argv: [process.execPath, labProgram('udp-stream.mjs'), role, JSON.stringify(settings)],
    stdout: 'lines',
  });
  await program.waitForLine(/^ready$/);
  return program;
}

async function reportOf<T>(program: LabProcess): Promise<T> {
  return JSON.parse(await program.waitForLine(/^\{/)) as T;
}

function combine(sender: SenderJson, receiver: ArrivalsJson): StreamReport {
  const { sent, sendErrors, elapsedMs } = sender;
  const overflows = receiver.overflows + (sender.overflows ?? 0);
  if (overflows > 0)
    throw new LabError(`not a measurement: the stream's own sockets overflowed by ${overflows} packets`);
  const back = sender.missing ? direction(sent, sender as SenderJson & ArrivalsJson) : undefined;
  return {
    sent,
    sendErrors,
    packetsPerSecond: elapsedMs > 0 ? (sent * 1000) / elapsedMs : 0,
    ...direction(sent, receiver),
    ...(back && { back }),
  };
}

function direction(sent: number, json: ArrivalsJson): DirectionReport {
  const { received, duplicates, reordered, longestGapMs, missing } = json;
  const lostRuns = missing.slice(0, 20).map(([first, count]) => ({ first, count }));
  return { received, lost: sent - received, duplicates, reordered, longestGapMs, lostRuns };
}
