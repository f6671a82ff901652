import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually';
import type { Inside } from './inside';
import { LabError } from './lab-error';
import type { LabProcess } from './lab-process';
import type { LabScope } from './lab-scope';
import { labProgram } from './programs';

const MAX_PACKETS = 100_000;

export interface CaptureOptions {
  /** Default `any`. */
  readonly ifname?: string;
  /** A pcap-filter(7) expression: `udp port 8472`. */
  readonly filter?: string;
  /** Stops by itself after so many packets (before the filter, for a plain user); default 100,000. */
  readonly maxPackets?: number;
  /** Bytes kept of each packet; default all. */
  readonly snapBytes?: number;
}

export interface CaptureSummary {
  readonly packets: number;
  /** The capture itself was too slow for these; 0 in a sound measurement. */
  readonly droppedByKernel: number;
}

/** A capture at work in a namespace, writing to a file of the lab. Filters and texts are those of tcpdump. */
export class Capture {
  private constructor(
    private readonly inside: Inside,
    private readonly recorder: LabProcess,
    /** pcap; gone with the lab. */
    readonly file: string,
    private readonly filter: string,
  ) {}

  static async start(inside: Inside, scope: LabScope, options: CaptureOptions = {}): Promise<Capture> {
    const { ifname = 'any', filter = '' } = options;
    const file = join(scope.directory, `capture-${scope.next()}.pcap`);
    const argv = groupsAreFixed() ? ownRecorder(file, options) : tcpdump(file, options);
    const recorder = await inside.start({ name: `capture-${ifname}`, argv });
    await recorder.waitForLog(/listening on/);
    return new Capture(inside, recorder, file, filter);
  }

  /** Packets so far that also match a further filter, one line of text each. */
  async lines(filter = ''): Promise<string[]> {
    const both = [this.filter, filter].filter((part) => part !== '').map((part) => `(${part})`);
    const argv = [...reader(), 'tcpdump', '-r', this.file, '-n', '-t', both.join(' and ')];
    const { stdout, stderr, exitCode } = await this.inside.run(argv, { allowFailure: true });
    // While the file is being written its last record may be half there; the others have been printed by then.
    if (exitCode !== 0 && !stderr.includes('truncated')) throw new LabError(`tcpdump -r ${this.file}: ${stderr}`);
    return stdout.split('\n').filter((line) => line !== '' && !/^\s/.test(line));
  }

  async count(filter?: string): Promise<number> {
    return (await this.lines(filter)).length;
  }

  /** Resolves once `count` packets that match were captured. */
  async atLeast(count: number, options: { readonly filter?: string; readonly timeoutMs?: number } = {}): Promise<void> {
    const { filter, timeoutMs = 5_000 } = options;
    const enough = async (): Promise<void> => {
      const seen = await this.count(filter);
      if (seen < count) throw new LabError(`${seen} of ${count} packets so far`);
    };
    await eventually(enough, { timeoutMs, intervalMs: 50, what: `capture of ${filter ?? 'packets'}` });
  }

  /** Ends the capture. The file can still be read. `packets` counts what the file holds and the filter lets through. */
  async stop(): Promise<CaptureSummary> {
    await this.recorder.stop({ signal: 'SIGINT' });
    const dropped = /(\d+) packets? dropped by kernel/.exec(await this.recorder.log());
    return { packets: await this.count(), droppedByKernel: Number(dropped?.[1] ?? 0) };
  }
}

/** True in the user namespace of a plain user, where tcpdump cannot capture; programs/capture-packets tells why. */
function groupsAreFixed(): boolean {
  return readFileSync('/proc/self/setgroups', 'utf8').trim() === 'deny';
}

function tcpdump(file: string, options: CaptureOptions): string[] {
  const { ifname = 'any', filter = '', maxPackets = MAX_PACKETS, snapBytes = 0 } = options;
  const argv = ['tcpdump', '-i', ifname, '-n', '-U', '--immediate-mode', '-w', file, '-c', String(maxPackets)];
  return [...argv, '-Z', 'root', '-s', String(snapBytes), filter];
}

function ownRecorder(file: string, options: CaptureOptions): string[] {
  const { ifname = 'any', maxPackets = MAX_PACKETS, snapBytes = 0 } = options;
  return ['perl', labProgram('capture-packets'), ifname, file, String(maxPackets), String(snapBytes)];
}

/** tcpdump changes its user also to read a file, unless it is not root; so in a user namespace it is made a nobody. */
function reader(): string[] {
  return groupsAreFixed() ? ['unshare', '--user', '--map-user=65534'] : [];
}
