import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { guestKernelOrSkip, isAtLeast, repositoryRoot, runInGuest, type GuestKernel } from '@tartan/lab';
import type { PacketLoopFeature } from '../../src';

/*
 * The packet loop and the kernel path on the kernel of the distribution, Linux 6.1 in Debian 12: ../support/guest/two-hosts.py does it all
 * in one boot and tells what happened.
 */

const MODULES = ['tun', 'veth', 'vxlan', 'cls_bpf', 'sch_ingress'];
const OFTEN_READ = [
  ...['core', 'netlink', 'backend-udp'].map((name) => join('packages', name, 'dist')),
  ...['@opentelemetry/api', 'ip-address', 'netlink', 'prom-client'].map((name) => join('node_modules', name)),
];
const EIGHT_TRANSFERS = Object.fromEntries(
  ['a to b', 'b to a'].flatMap((way) =>
    ['TCP', 'UDP'].flatMap((protocol) => [4, 6].map((family) => [`${protocol} ${way}, IPv${family}`, true])),
  ),
);

interface Stats {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly tunReads: number;
  readonly drops: Record<string, number>;
}

type Part<T> = { readonly error: string } | (T & { readonly arrived: Record<string, boolean> });

/** What two-hosts.py prints; all of host a. */
interface Report {
  readonly release: string;
  readonly loops: Part<{ features: PacketLoopFeature[]; stats: Stats }>;
  /** `refused`: the errno of UDP_SEGMENT on such an uplink, asked of the kernel itself. */
  readonly without_checksum_offload: Part<{ refused: string | null; features: PacketLoopFeature[]; stats: Stats }>;
  /** `loop`: what the loop counted meanwhile. */
  readonly kernel_path: Part<{ stats: Stats; loop: Pick<Stats, 'txPackets' | 'rxPackets'> }>;
}

function whole<T>(part: Part<T>): T & { readonly arrived: Record<string, boolean> } {
  if ('error' in part) throw new Error(part.error);
  return part;
}

const off = (name: string, reason: string): object => ({ name, on: false, reason });
const kernel = guestKernelOrSkip('the udp backend on the kernel of the distribution');

(kernel ? describe : describe.skip)(`on Linux ${kernel?.release ?? '(none)'}`, () => {
  let report: Report;

  beforeAll(async () => {
    const { stdout } = await runInGuest({
      kernel: kernel as GuestKernel,
      modules: MODULES,
      inMemory: [...OFTEN_READ.map((path) => join(repositoryRoot, path)), realpathSync(process.execPath)],
      command: ['python3', join(__dirname, '..', 'support', 'guest', 'two-hosts.py'), process.execPath],
      timeoutMs: 290_000,
    }).then((result) => (result.exitCode === 0 ? result : Promise.reject(new Error(result.stderr))));
    report = JSON.parse(stdout) as Report;
  }, 300_000);

  it('the loop uses what the kernel has, and says why not the rest', () => {
    const { features, arrived, stats } = whole(report.loops);
    expect(report.release).toBe(kernel?.release);
    const uso = isAtLeast(kernel as GuestKernel, [6, 2])
      ? { name: 'tunUso', on: true }
      : off('tunUso', 'EINVAL from TUNSETOFFLOAD');
    const used = ['udpSegment', 'udpGro', 'coalesce'].map((name) => ({ name, on: true }));
    expect(features).toEqual([{ name: 'tunTso', on: true }, uso, ...used]);
    expect(arrived).toEqual(EIGHT_TRANSFERS);
    expect(stats.tunReads).toBeLessThan(stats.txPackets);
  });

  it('an uplink without checksum offload costs UDP_SEGMENT where the kernel refuses it then, and no content', () => {
    const { refused, features, arrived, stats } = whole(report.without_checksum_offload);
    expect(arrived).toEqual(EIGHT_TRANSFERS);
    if (!isAtLeast(kernel as GuestKernel, [6, 2])) expect(refused).toBe('EIO');
    expect(features[2]).toEqual(
      refused === null ? { name: 'udpSegment', on: true } : off('udpSegment', 'EIO from sendmsg with UDP_SEGMENT'),
    );
    expect(stats.drops).toMatchObject({ 'send-failed': 0, unreachable: 0, malformed: 0, truncated: 0, 'too-big': 0 });
  });

  it('the programs of the kernel path are taken, and packets go through them', () => {
    const { arrived, stats, loop } = whole(report.kernel_path);
    expect(arrived).toEqual(EIGHT_TRANSFERS);
    expect(stats.txBytes).toBeGreaterThan(1_000_000);
    expect(stats.rxPackets).toBeGreaterThan(100);
    // A packet of the transfers before may still have been under way.
    expect(Math.max(loop.txPackets, loop.rxPackets)).toBeLessThan(20);
  });
});
