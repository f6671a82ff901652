import { readFileSync } from 'node:fs';
import { isTartanError } from '@tartan/core';
import { removeKernelPath, type KernelPath } from '../../src/kernel-path';
import { objectFilePath } from '../../src/kernel-path/addon';
import { parseObjectFile } from '../../src/kernel-path/object-file';
import { bpfAllowed } from './support/bpf-allowed';
import {
  Hosts,
  kernelPathOf,
  MTU_BYTES,
  peerOf,
  ping,
  placeOf,
  TUN,
  transferBetween,
  type Host,
} from './support/hosts';

/*
 * Hosts on one switch, with real pods. On a host of the kernel path the user-space side throws everything away that it reads, and counts
 * what reaches its socket: so what arrives has come through the kernel.
 */

const describeWithBpf = bpfAllowed() ? describe : describe.skip;
const FOREIGN = 'filter add dev eth0 ingress pref 7 u32 match u32 0 0 flowid 1:1';
const MEBIBYTE = 1024 * 1024;

let hosts: Hosts;
const paths: KernelPath[] = [];

async function startPath(host: Host, peers: readonly Host[], change = {}): Promise<KernelPath> {
  const path = kernelPathOf(host, change);
  paths.push(path);
  await path.start(placeOf(host));
  await path.setPeers(peers.flatMap(peerOf));
  return path;
}

/** For conditions that only the other side can tell. */
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

function filters(host: Host): string {
  return [
    'tc filter show dev flannel0 egress',
    'tc filter show dev eth0 ingress',
    'tc filter show dev flannel0-rx ingress',
  ]
    .map((command) => host.namespace.run('sh', '-c', `${command} 2>/dev/null || true`))
    .join('');
}

function programIds(host: Host): string[] {
  return [...filters(host).matchAll(/ id (\d+)/g)].map(([, id]) => id as string);
}

afterEach(async () => {
  paths.splice(0).forEach((path) => path.stop());
  await hosts.close();
});

describeWithBpf('two hosts of the kernel path', () => {
  let one: Host;
  let two: Host;
  let path: KernelPath;

  beforeEach(async () => {
    hosts = await Hosts.start(2);
    [one, two] = [hosts.host1(), hosts.host2()];
    path = await startPath(one, [two]);
    await startPath(two, [one]);
  });

  it('carries packets of both families, up to the MTU, and counts them', () => {
    expect(ping(one, two.podAddress)).toBe(3);
    expect(ping(two, one.podAddress)).toBe(3);
    expect(ping(one, two.podAddress6)).toBe(3);
    expect(one.datagrams).toEqual([]);
    expect(two.datagrams).toEqual([]);
    const stats = path.stats();
    expect(stats.txPackets).toBeGreaterThanOrEqual(9n);
    expect(stats.rxPackets).toBeGreaterThanOrEqual(9n);
    expect(stats.txBytes).toBeGreaterThanOrEqual(9n * BigInt(MTU_BYTES));
    expect(stats).toMatchObject({ rxLeftForeign: 0n, rxLeftAggregate: 0n, droppedNoRoom: 0n, droppedForged: 0n });
  });

  it.each(['as super-packets', 'segmented at the uplink'])('carries TCP in both directions, %s', async (kind) => {
    if (kind === 'segmented at the uplink') {
      const features = ['tso', 'gso', 'tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation', 'tx-udp-segmentation'];
      for (const host of hosts.all) {
        host.namespace.run('ethtool', '-K', 'eth0', ...features.flatMap((name) => [name, 'off']));
      }
    }
    await transferBetween(hosts, one, two, 16 * MEBIBYTE);
    await transferBetween(hosts, two, one, 16 * MEBIBYTE);
    await transferBetween(hosts, one, two, 16 * MEBIBYTE, two.podAddress6);
    expect(one.datagrams).toEqual([]);
    expect(two.datagrams).toEqual([]);
  });

  it('looks on the wire as the packet loop’s datagrams do', async () => {
    const capture = await hosts.background(
      two.namespace,
      'sh',
      '-c',
      'echo ready; exec tcpdump -i eth0 -l -nn -v -c 1 udp port 8285 and src 192.168.50.1 2>/dev/null',
    );
    let text = '';
    capture.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    while (!text.includes('192.168.50.1.8285 > 192.168.50.2.8285')) {
      ping(one, two.podAddress, 1);
      await later();
    }
    expect(text).toMatch(/ttl 64, .*proto UDP \(17\), length 1500\)/);
    expect(text).toMatch(/192\.168\.50\.1\.8285 > 192\.168\.50\.2\.8285: .*UDP, length 1472/);
  });

  it('takes one off the TTL; the loop gets what it has to answer', () => {
    one.pod.run('sh', '-c', `ping -c 1 -W 1 -t 2 ${two.podAddress} || true`);
    expect(path.stats()).toMatchObject({ txPackets: 0n, txLeftTtl: 1n });
    // A router each: host 1, the tunnel, host 2.
    one.pod.run('sh', '-c', `ping -c 1 -W 1 -t 3 ${two.podAddress} || true`);
    expect(path.stats()).toMatchObject({ txPackets: 1n, txLeftTtl: 1n });
    expect(one.pod.run('ping', '-c', '1', '-W', '5', '-t', '4', two.podAddress)).toMatch(/ttl=61 /);
  });

  it('leaves to the socket what is no whole inner packet, or comes from an address that is not the peer’s', async () => {
    const send = (bytes: string): string =>
      two.namespace.run(
        'python3',
        '-c',
        `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('192.168.50.2', 0)); s.sendto(bytes.fromhex('${bytes}'), ('192.168.50.1', 8285))`,
      );
    // An ICMP packet of 28 bytes to pod 1.
    const packet = (source: string): string => `4500001c0000000040010000${source}0a0501020000000000000000`;
    send(packet('0a050902'));
    send(`${packet('0a050202')}00`);
    send('450000');
    while (one.datagrams.length < 3) await later();
    expect(one.datagrams.map((line) => line.split(' ').at(-1))).toEqual(['28', '29', '3']);
    expect(path.stats()).toMatchObject({ rxPackets: 0n });
    // The last is too short to be looked at.
    expect(path.stats()).toMatchObject({ rxLeftForeign: 1n, rxLeftAggregate: 1n });
  });

  it('drops what others write to the port of the receiving device', async () => {
    const details = one.namespace.run('ip', '-d', 'link', 'show', 'flannel0-rx');
    const [, vni, port] = /vxlan id (\d+) .*dstport (\d+)/.exec(details) ?? [];
    const [, mac] = /link\/ether (\S+)/.exec(details) ?? [];
    // A whole VXLAN frame, as somebody who knows VNI and address, but not the secret, would write it.
    const inner = '4500001c0000000040010000' + '0a050202' + '0a050102' + '0000000000000000';
    const vxlan = `08000000${Number(vni).toString(16).padStart(6, '0')}00`;
    const frame = `${vxlan}${mac?.replaceAll(':', '') ?? ''}0200000000010800${inner}`;
    two.namespace.run(
      'python3',
      '-c',
      `import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes.fromhex('${frame}'), ('192.168.50.1', ${port}))`,
    );
    while (path.stats().droppedForged === 0n) await later();
    expect(path.stats()).toMatchObject({ rxPackets: 0n, droppedForged: 1n });
  });

  it('goes on while nobody is there, and is adopted without a lost packet', async () => {
    const before = programIds(one);
    expect(before).toHaveLength(3);
    path.stop();
    expect(ping(one, two.podAddress)).toBe(3);
    const echoes = hosts.background(one.pod, 'ping', '-i', '0.01', two.podAddress);
    const pinging = await echoes;
    let text = '';
    pinging.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    for (let round = 0; round < 3; round++) {
      const next = kernelPathOf(one);
      await next.start(placeOf(one));
      expect(next.adopted).toBe(true);
      await next.setPeers(peerOf(two));
      expect(next.stats().txPackets).toBeGreaterThanOrEqual(3n);
      next.stop();
    }
    pinging.kill('SIGINT');
    await new Promise((resolve) => pinging.once('close', resolve));
    const [, sent, returned] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    // The last may be under way.
    expect(Number(sent) - Number(returned)).toBeLessThanOrEqual(1);
    expect(programIds(one)).toEqual(before);
  });

  it('goes on with the TUN’s reader dead too', async () => {
    await hosts.close();
    hosts = await Hosts.start(2);
    [one, two] = [hosts.host1(), hosts.host2()];
    (await startPath(one, [two])).stop();
    (await startPath(two, [one])).stop();
    await hosts.killUserspace();
    expect(ping(one, two.podAddress)).toBe(3);
    expect(ping(one, two.podAddress6)).toBe(3);
    await transferBetween(hosts, one, two, MEBIBYTE);
  });

  it('is replaced, peers first, when the programs are of another source', async () => {
    const before = programIds(one);
    path.stop();
    const object = { ...parseObjectFile(readFileSync(objectFilePath)), sourceHash: '0'.repeat(64) };
    const next = await startPath(one, [two], { object });
    expect(next.adopted).toBe(false);
    expect(filters(one)).toMatch(/tun_egress:0{16}/);
    expect(programIds(one)).toHaveLength(3);
    expect(programIds(one).some((id) => before.includes(id))).toBe(false);
    expect(ping(one, two.podAddress)).toBe(3);
  });

  it('mends what somebody deleted', async () => {
    expect(path.isIntact()).toBe(true);
    one.namespace.run('tc', 'filter', 'del', 'dev', 'flannel0', 'egress');
    expect(path.isIntact()).toBe(false);
    await path.setPeers(peerOf(two));
    expect(path.isIntact()).toBe(true);
    one.namespace.run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact');
    one.namespace.run('ip', 'link', 'del', 'flannel0-rx');
    expect(path.isIntact()).toBe(false);
    expect(ping(two, one.podAddress, 1)).toBe(0);
    await path.setPeers(peerOf(two));
    expect(path.isIntact()).toBe(true);
    expect(programIds(one)).toHaveLength(3);
    expect(ping(two, one.podAddress)).toBe(3);
  });

  it('forgets peers that are gone', async () => {
    await path.setPeers([]);
    expect(ping(one, two.podAddress, 1)).toBe(0);
    expect(path.stats()).toMatchObject({ txPackets: 0n });
    await path.setPeers(peerOf(two));
    expect(ping(one, two.podAddress)).toBe(3);
  });

  it('leaves nothing behind, and filters of others alone', async () => {
    one.namespace.run('tc', ...FOREIGN.split(' '));
    await path.detach();
    expect(programIds(one)).toEqual([]);
    expect(filters(one)).toContain('pref 7 u32');
    expect(one.namespace.run('tc', 'qdisc', 'show', 'dev', TUN)).not.toContain('clsact');
    expect(one.namespace.run('ip', 'link')).not.toContain('flannel0-rx');
    await removeKernelPath({ netlink: two.netlink, netns: two.netns, tunName: TUN });
    expect(programIds(two)).toEqual([]);
    expect(two.namespace.run('tc', 'qdisc', 'show', 'dev', 'eth0')).not.toContain('clsact');
    await removeKernelPath({ netlink: two.netlink, netns: two.netns, tunName: TUN });
  });
});

describeWithBpf('beside a peer in user space', () => {
  it('each is reached in its own way', async () => {
    hosts = await Hosts.start(3, { userspace: [1, 3] });
    const [one, two, three] = hosts.all as [Host, Host, Host];
    // Host 1 has both: the kernel towards host 2, its loop towards host 3.
    const path = await startPath(one, [two]);
    await startPath(two, [one]);
    expect(ping(one, two.podAddress)).toBe(3);
    expect(one.datagrams).toEqual([]);
    const through = path.stats().txPackets;
    expect(ping(one, three.podAddress)).toBe(3);
    expect(ping(three, one.podAddress)).toBe(3);
    expect(path.stats().txPackets).toBe(through);
    expect(path.stats().rxLeftForeign).toBeGreaterThanOrEqual(6n);
    await transferBetween(hosts, three, one, MEBIBYTE);
    await transferBetween(hosts, one, two, 4 * MEBIBYTE);
  });
});

describeWithBpf('what the kernel refuses', () => {
  it('is told with the verifier’s whole log, and nothing stays', async () => {
    hosts = await Hosts.start(1);
    const object = parseObjectFile(readFileSync(objectFilePath));
    const programs = object.programs.map((program) => {
      if (program.name !== 'tun_egress') return program;
      // r0 = *(u64 *)(r2 + 0), r2 never written; exit
      const instructions = Buffer.from('79200000000000009500000000000000', 'hex');
      return { ...program, instructions, relocations: [] };
    });
    const path = kernelPathOf(hosts.host1(), { object: { ...object, programs } });
    const error: unknown = await path.start(placeOf(hosts.host1())).catch((reason: unknown) => reason);
    if (!isTartanError(error, 'UDP_KERNEL_PATH_REFUSED')) throw new Error(String(error));
    expect(error.data).toMatchObject({ program: 'tun_egress', errnoName: 'EACCES' });
    expect(error.data.log).toContain('R2 !read_ok');
    expect(error.message).toContain('R2 !read_ok');
    expect(hosts.host1().namespace.run('ip', 'link')).not.toContain('flannel0-rx');
  });

  it('an uplink that is no Ethernet device', async () => {
    hosts = await Hosts.start(1);
    const host = hosts.host1();
    const path = kernelPathOf(host);
    paths.push(path);
    await path.start({ ...placeOf(host), uplinkName: TUN });
    await expect(path.setPeers([])).rejects.toMatchObject({
      code: 'UDP_KERNEL_PATH_UNAVAILABLE',
      data: { reason: 'flannel0 is no Ethernet device' },
    });
  });
});
