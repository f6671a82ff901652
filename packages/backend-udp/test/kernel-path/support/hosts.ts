import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Ipv4Address, parseIpPrefix, type RtNetlink } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace, type TestNamespace } from '../../../../netlink/test/support/namespaces';
import { KernelPath, type KernelPathPeer } from '../../../src/kernel-path';

/*
 * Hosts on one switch, each with a pod behind it:
 *
 *   pod 10.5.N.2 ── host N ── eth0 192.168.50.N ── switch
 */

export const TUN = 'flannel0';
export const PORT = 8285;
/** Of the underlay less IPv4 and UDP header. */
export const MTU_BYTES = 1500 - 28;

export interface Host {
  readonly number: number;
  readonly namespace: TestNamespace;
  readonly pod: TestNamespace;
  readonly netlink: RtNetlink;
  readonly podAddress: string;
  readonly podAddress6: string;
  readonly netns: string;
  /** Lines that the user-space side wrote: one for each datagram that reached the socket. */
  readonly datagrams: string[];
}

export class Hosts {
  private readonly closing: (() => unknown)[] = [];
  private readonly userspace: ChildProcess[] = [];
  private constructor(readonly all: readonly Host[]) {}

  /** `userspace`: numbers of hosts whose TUN is served by the plain loop; the others throw away what is not for the kernel. */
  static async start(count: number, options: { readonly userspace?: readonly number[] } = {}): Promise<Hosts> {
    const network = await createNamespace();
    network.run('ip', 'link', 'add', 'switch', 'type', 'bridge');
    network.run('ip', 'link', 'set', 'switch', 'up');
    const hosts: Host[] = [];
    const set = new Hosts(hosts);
    set.closing.push(() => network.close());
    for (let number = 1; number <= count; number++) hosts.push(await set.host(number, network));
    for (const host of hosts) await set.serve(host, options.userspace?.includes(host.number) ?? false, count);
    return set;
  }

  host1(): Host {
    return this.all[0] as Host;
  }

  host2(): Host {
    return this.all[1] as Host;
  }

  async close(): Promise<void> {
    for (const close of this.closing.reverse()) await close();
  }

  /** A program that prints "ready" once it is. */
  async background(namespace: TestNamespace, program: string, ...args: string[]): Promise<ChildProcess> {
    const child = spawn('nsenter', ['-t', String(namespace.pid), '-n', '-m', program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.closing.push(() => stopped(child));
    await once(child.stdout, 'data');
    return child;
  }

  /** As after SIGKILL to the daemon: nobody holds a TUN or a socket any more. */
  async killUserspace(): Promise<void> {
    await Promise.all(this.userspace.map(stopped));
  }

  private async host(number: number, network: TestNamespace): Promise<Host> {
    const namespace = await createNamespace();
    const pod = await createNamespace();
    const ip = (text: string): string => namespace.run('ip', ...text.split(' '));
    const inPod = (text: string): string => pod.run('ip', ...text.split(' '));
    network.run('ip', ...`link add port${number} type veth peer name eth0 netns ${namespace.pid}`.split(' '));
    network.run('ip', ...`link set port${number} master switch up`.split(' '));
    for (const key of ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.all.rp_filter=1']) {
      namespace.run('sysctl', '-qw', key);
    }
    ip('link set lo up');
    ip(`address add 192.168.50.${number}/24 dev eth0`);
    ip('link set eth0 up');
    ip(`link add pod type veth peer name eth0 netns ${pod.pid}`);
    ip(`address add 10.5.${number}.1/24 dev pod`);
    ip(`address add fc00:0:0:${number}::1/64 dev pod nodad`);
    ip('link set pod up');
    inPod('link set lo up');
    inPod(`address add 10.5.${number}.2/24 dev eth0`);
    inPod(`address add fc00:0:0:${number}::2/64 dev eth0 nodad`);
    inPod(`link set eth0 mtu ${MTU_BYTES} up`);
    inPod(`route add default via 10.5.${number}.1`);
    inPod(`route add default via fc00:0:0:${number}::1`);
    const netlink = createRtNetlink({ netns: namespace.pid });
    this.closing.push(async () => {
      netlink.close();
      await pod.close();
      await namespace.close();
    });
    return {
      number,
      namespace,
      pod,
      netlink,
      podAddress: `10.5.${number}.2`,
      podAddress6: `fc00:0:0:${number}::2`,
      netns: `/proc/${namespace.pid}/ns/net`,
      datagrams: [],
    };
  }

  private async serve(host: Host, userspace: boolean, count: number): Promise<void> {
    await this.startUserspace(host, userspace, count);
    const ip = (text: string): string => host.namespace.run('ip', ...text.split(' '));
    ip(`link set ${TUN} mtu ${MTU_BYTES} up`);
    ip(`route add 10.5.0.0/16 dev ${TUN}`);
    ip(`-6 route add fc00::/48 dev ${TUN}`);
  }

  /** What holds the TUN and the socket. */
  async startUserspace(host: Host, userspace: boolean, count: number): Promise<ChildProcess> {
    const { number, namespace, datagrams } = host;
    const others = Array.from({ length: count }, (_, place) => place + 1).filter((other) => other !== number);
    const routes = others.flatMap((other) => [
      `10.5.${other}.0/24=192.168.50.${other}`,
      `fc00:0:0:${other}::/64=192.168.50.${other}`,
    ]);
    const args = [TUN, `192.168.50.${number}`, String(PORT), ...routes, ...(userspace ? [] : ['--offloads'])];
    const child = await this.background(namespace, 'python3', join(__dirname, 'plain-peer.py'), ...args);
    this.userspace.push(child);
    child.stdout?.on('data', (chunk: Buffer) =>
      datagrams.push(
        ...chunk
          .toString()
          .split('\n')
          .filter((line) => line.startsWith('datagram')),
      ),
    );
    return child;
  }
}

export async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

export function kernelPathOf(
  host: Host,
  change: Partial<ConstructorParameters<typeof KernelPath>[0]> = {},
): KernelPath {
  return new KernelPath({ netlink: host.netlink, netns: host.netns, ...change });
}

export function placeOf({ number }: Host): Parameters<KernelPath['start']>[0] {
  return { tunName: TUN, uplinkName: 'eth0', localAddress: Ipv4Address.parse(`192.168.50.${number}`), port: PORT };
}

export function peerOf({ number }: Host): KernelPathPeer[] {
  const endpoint = { address: Ipv4Address.parse(`192.168.50.${number}`), port: PORT };
  return [`10.5.${number}.0/24`, `fc00:0:0:${number}::/64`].map((text) => ({ prefix: parseIpPrefix(text), endpoint }));
}

const transfer = join(__dirname, 'transfer.py');

/** Sends `bytes` random bytes from pod to pod; rejects unless what arrived is what was sent. Runs beside the test. */
export async function transferBetween(
  hosts: Hosts,
  from: Host,
  to: Host,
  bytes: number,
  address = to.podAddress,
): Promise<void> {
  const port = String(9000 + from.number);
  const receiver = await hosts.background(to.pod, 'python3', transfer, 'receive', address, port);
  const sender = spawn('nsenter', [
    '-t',
    String(from.pod.pid),
    '-n',
    '-m',
    'python3',
    transfer,
    'send',
    address,
    port,
    String(bytes),
  ]);
  let text = '';
  sender.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  sender.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(sender, 'close');
  await stopped(receiver);
  const [sent, received] = text.trim().split(' ');
  if (sent === undefined || !/^[0-9a-f]{64}$/.test(sent) || sent !== received)
    throw new Error(`transfer failed: ${text}`);
}

/** `count` echoes of `size` bytes of IP packet, never fragmented; the number that came back. */
export function ping(from: Host, address: string, count = 3, size = MTU_BYTES): number {
  const headers = address.includes(':') ? 48 : 28;
  const args = ['-c', String(count), '-i', '0.05', '-W', '2', '-M', 'do', '-s', String(size - headers), address];
  try {
    return received(from.pod.run('ping', ...args));
  } catch (error) {
    return received(String((error as { stdout?: unknown }).stdout));
  }
}

function received(text: string): number {
  return Number(/(\d+) received/.exec(text)?.[1] ?? 0);
}
