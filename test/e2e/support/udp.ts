import { readFileSync } from 'node:fs';
import type { Host } from '@tartan/lab';

/** 10.5.91.0 and above are left to nodes and entries that a test makes up. */
export const UDP = { Network: '10.5.0.0/16', SubnetMax: '10.5.90.0', Backend: { Type: 'udp' } };
export const UDP_DUAL = { ...UDP, EnableIPv6: true, IPv6Network: 'fc00:5::/48' };
export const UDP_IPV6 = { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fc00:5::/48', Backend: { Type: 'udp' } };

/** Every packet that leaves over eth0 is then on the wire as it would be on a real one: no super-packets on the virtual cable. */
export async function segmentOnTheWire(host: Host): Promise<void> {
  await host.run(['ethtool', '-K', 'eth0', 'tso', 'off', 'gso', 'off', 'tx-udp-segmentation', 'off']);
}

/** A datagram of the tunnel as captured on a host's uplink. */
export interface Datagram {
  /** Bytes of the outer IP packet. */
  readonly outerBytes: number;
  readonly fragment: boolean;
  readonly innerVersion: number;
  /** Length that the inner packet states of itself, and the room that it has. */
  readonly innerBytes: number;
  readonly payloadBytes: number;
  /** Its TCP or UDP checksum is right; undefined for other protocols, and for fragments. */
  readonly checksumRight: boolean | undefined;
}

const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;

/** A capture file of an Ethernet interface: IPv4 and IPv6 packets with UDP to `port`, and every fragment. */
export function tunnelDatagrams(file: string, port = 8285): Datagram[] {
  const bytes = readFileSync(file);
  const found: Datagram[] = [];
  for (let at = PCAP_HEADER; at + RECORD_HEADER <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    const frame = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    const datagram = readFrame(frame, port);
    if (datagram) found.push(datagram);
    at += RECORD_HEADER + length;
  }
  return found;
}

function readFrame(frame: Buffer, port: number): Datagram | undefined {
  const type = frame.readUInt16BE(12);
  const packet = frame.subarray(ETHERNET_HEADER);
  if (type === 0x0800) return readIpv4(packet, port);
  return type === 0x86dd ? readIpv6(packet, port) : undefined;
}

function readIpv4(packet: Buffer, port: number): Datagram | undefined {
  const header = ((packet[0] ?? 0) & 0x0f) * 4;
  const fragment = (packet.readUInt16BE(6) & 0x3fff) !== 0;
  return readUdp(packet.subarray(header, packet.readUInt16BE(2)), {
    protocol: packet[9],
    outerBytes: packet.readUInt16BE(2),
    fragment,
    port,
  });
}

function readIpv6(packet: Buffer, port: number): Datagram | undefined {
  const outerBytes = 40 + packet.readUInt16BE(4);
  const next = packet[6];
  const fragment = next === 44;
  return readUdp(packet.subarray(40, outerBytes), { protocol: next, outerBytes, fragment, port });
}

interface Outer {
  readonly protocol: number | undefined;
  readonly outerBytes: number;
  readonly fragment: boolean;
  readonly port: number;
}

function readUdp(segment: Buffer, { protocol, outerBytes, fragment, port }: Outer): Datagram | undefined {
  if (fragment)
    return { outerBytes, fragment, innerVersion: 0, innerBytes: 0, payloadBytes: 0, checksumRight: undefined };
  if (protocol !== 17 || segment.readUInt16BE(2) !== port) return undefined;
  const inner = segment.subarray(8);
  const innerVersion = (inner[0] as number) >> 4;
  const innerBytes = innerVersion === 4 ? inner.readUInt16BE(2) : 40 + inner.readUInt16BE(4);
  return {
    outerBytes,
    fragment,
    innerVersion,
    innerBytes,
    payloadBytes: segment.readUInt16BE(4) - 8,
    checksumRight: checksumRight(inner.subarray(0, innerBytes), innerVersion),
  };
}

/** RFC 9293 section 3.1, RFC 768 and RFC 8200 section 8.1: the sum over pseudo-header and segment is all ones. */
function checksumRight(packet: Buffer, version: number): boolean | undefined {
  const protocol = version === 4 ? (packet[9] as number) : (packet[6] as number);
  if (protocol !== 6 && protocol !== 17) return undefined;
  if (version === 4 && (packet.readUInt16BE(6) & 0x3fff) !== 0) return undefined;
  const segment = packet.subarray(version === 4 ? ((packet[0] ?? 0) & 0x0f) * 4 : 40);
  if (protocol === 17 && version === 4 && segment.readUInt16BE(6) === 0) return true;
  const addresses = version === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  return fold(sum(addresses) + sum(segment) + protocol + segment.length) === 0xffff;
}

function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += ((bytes[at] as number) << 8) + (bytes[at + 1] ?? 0);
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}
