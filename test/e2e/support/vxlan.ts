import type { Host, Inside, Pod } from '@tartan/lab';
import { runCommand } from '@tartan/lab';

/** 10.5.91.0 and above are left to nodes and entries that a test makes up. */
export const VXLAN = { Network: '10.5.0.0/16', SubnetMax: '10.5.90.0', Backend: { Type: 'vxlan' } };
export const VXLAN_DUAL = { ...VXLAN, EnableIPv6: true, IPv6Network: 'fc00:5::/48' };
export const VXLAN_IPV6 = {
  EnableIPv4: false,
  EnableIPv6: true,
  IPv6Network: 'fc00:5::/48',
  Backend: { Type: 'vxlan' },
};

/** The device of a family, with VNI 1. */
export function deviceOf(family: 4 | 6): string {
  return family === 4 ? 'flannel.1' : 'flannel-v6.1';
}

export async function macOf(host: Host, ifname = 'flannel.1'): Promise<string> {
  const [link] = await host.ipJson<{ address: string }[]>(`link show ${ifname}`);
  return link?.address ?? '';
}

/** Forwarding entries of the device as `MAC VTEP`, sorted. */
export async function fdbOf(host: Host, ifname = 'flannel.1'): Promise<string[]> {
  const { stdout } = await host.run(['bridge', '-json', 'fdb', 'show', 'dev', ifname]);
  const entries = JSON.parse(stdout) as { mac: string; dst?: string }[];
  return entries.map(({ mac, dst }) => `${mac} ${dst ?? ''}`).sort();
}

/** Permanent neighbours on the device as `address MAC`, sorted. */
export async function neighboursOf(host: Host, ifname = 'flannel.1'): Promise<string[]> {
  const family = ifname.startsWith('flannel-v6') ? '-6' : '-4';
  const entries = await host.ipJson<{ dst: string; lladdr: string }[]>(
    `${family} neigh show dev ${ifname} nud permanent`,
  );
  return entries.map(({ dst, lladdr }) => `${dst} ${lladdr}`).sort();
}

/** One packet of the underlay that carries VXLAN. */
export interface TunnelPacket {
  readonly outerSource: string;
  readonly outerDestination: string;
  readonly udpPort: number;
  readonly vni: number;
  readonly innerSourceMac: string;
  readonly innerDestinationMac: string;
  readonly innerSource: string;
  readonly innerDestination: string;
  /** Bytes of the outer IP packet. */
  readonly length: number;
  readonly fragment: boolean;
}

/** A capture file as tshark reads it; `family` is that of the underlay and of the pods. */
export async function tunnelPackets(file: string, family: 4 | 6, port = 8472): Promise<TunnelPacket[]> {
  const ip = family === 4 ? 'ip' : 'ipv6';
  const fragment = family === 4 ? ['ip.flags.mf', 'ip.frag_offset'] : ['ipv6.fraghdr.more', 'ipv6.fraghdr.offset'];
  const length = family === 4 ? 'ip.len' : 'ipv6.plen';
  const fields = ['udp.dstport', 'vxlan.vni', 'eth.src', 'eth.dst', `${ip}.src`, `${ip}.dst`, length, ...fragment];
  const { stdout } = await runCommand([
    ...[
      'tshark',
      '-r',
      file,
      '-d',
      `udp.port==${port},vxlan`,
      '-o',
      'ip.defragment:FALSE',
      '-o',
      'ipv6.defragment:FALSE',
    ],
    ...['-Y', 'vxlan', '-T', 'fields', '-E', 'separator=|', '-E', 'occurrence=a', '-E', 'aggregator=,'],
    ...fields.flatMap((field) => ['-e', field]),
  ]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => toPacket(line.split('|').map((column) => column.split(','))));
}

/** Each column holds the outer value first, then the inner one. */
function toPacket(columns: string[][]): TunnelPacket {
  const [ports, vni, ethSource, ethDestination, source, destination, length, more, offset] = columns;
  const at = (values: string[] | undefined, place: number): string => values?.[place] ?? '';
  const set = (value: string): boolean => !['', '0', 'False', '0x0000'].includes(value);
  return {
    outerSource: at(source, 0),
    outerDestination: at(destination, 0),
    udpPort: Number(at(ports, 0)),
    vni: Number(at(vni, 0)),
    innerSourceMac: at(ethSource, 1),
    innerDestinationMac: at(ethDestination, 1),
    innerSource: at(source, 1),
    innerDestination: at(destination, 1),
    length: Number(at(length, 0)),
    fragment: set(at(more, 0)) || set(at(offset, 0)),
  };
}

const RECEIVER = `
  const hash = require('node:crypto').createHash('sha256');
  let bytes = 0;
  require('node:net').createServer((socket) => {
    socket.on('data', (data) => { bytes += data.length; hash.update(data); });
    socket.on('end', () => { console.log(bytes + ' ' + hash.digest('hex')); process.exit(); });
  }).listen(7100, '::', () => console.log('ready'));
`;
/** Each block is the hash of the one before, so no run of zeros hides a fault. */
const SENDER = `
  const { createHash } = require('node:crypto');
  const [address, blocks] = process.argv.slice(1);
  const socket = require('node:net').connect(7100, address, () => {
    let block = createHash('sha512').update('seed').digest();
    const hash = createHash('sha256');
    let left = Number(blocks);
    const write = () => {
      for (; left > 0; left--) {
        block = createHash('sha512').update(block).digest();
        const data = Buffer.alloc(65536, block);
        hash.update(data);
        if (!socket.write(data) && left-- > 1) return void socket.once('drain', write);
      }
      socket.end();
      socket.once('close', () => console.log(hash.digest('hex')));
    };
    write();
  });
`;

/** Sends so many MiB by TCP and gives both ends' SHA-256; equal when not a bit was changed on the way. */
export async function transfer(
  from: Inside,
  to: Inside,
  address: string,
  mebibytes: number,
): Promise<[string, string]> {
  const receiver = await to.start({ name: 'receiver', argv: [process.execPath, '-e', RECEIVER], stdout: 'lines' });
  try {
    await receiver.waitForLine(/^ready$/);
    const argv = [process.execPath, '-e', SENDER, address, String(mebibytes * 16)];
    const { stdout } = await from.run(argv, { timeoutMs: 30_000 });
    const received = await receiver.waitForLine(/^\d+ /);
    const [bytes, hash] = received.split(' ') as [string, string];
    if (Number(bytes) !== mebibytes * 2 ** 20) throw new Error(`${bytes} bytes arrived of ${mebibytes} MiB`);
    return [stdout.trim(), hash];
  } finally {
    await receiver.kill();
  }
}

/** True when a ping of exactly `mtuBytes` gets through without being fragmented. */
export async function fits(from: Pod, to: Pod, family: 4 | 6, mtuBytes: number): Promise<boolean> {
  const headers = family === 4 ? 20 + 8 : 40 + 8;
  const { exitCode } = await from.run(
    [
      'ping',
      `-${family}`,
      '-c',
      '1',
      '-W',
      '2',
      '-M',
      'do',
      '-s',
      String(mtuBytes - headers),
      family === 4 ? to.ipv4 : to.ipv6,
    ],
    { allowFailure: true },
  );
  return exitCode === 0;
}
