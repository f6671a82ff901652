/*
 * IP packets, read and completed the slow and obvious way: the oracle that the packet loop is compared with. Nothing here is shared with
 * the code under test, and nothing here is fast.
 */

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMP6 = 58;

export const FIN = 0x01;
export const PSH = 0x08;
export const ACK = 0x10;
export const CWR = 0x80;

/** Hop-by-hop, routing, destination options (RFC 8200 section 4) and authentication (RFC 4302 section 2). */
const EXTENSIONS = [0, 43, 60, 51];
const AUTHENTICATION = 51;
const FRAGMENT = 44;
/** "No next header" (RFC 8200 section 4.7): also for a chain of headers that leaves the packet. */
const NOTHING = 59;

/** Where the parts of a packet lie. The packet is whole: its length is the one that it states. */
export interface IpLayout {
  readonly version: 4 | 6;
  /** Of the upper layer. */
  readonly protocol: number;
  /** Where the upper layer begins. */
  readonly upper: number;
  /** Source and destination address, one behind the other. */
  readonly addresses: Buffer;
  /** Any fragment, the first one too. */
  readonly fragment: boolean;
  /** A fragment that begins behind the upper layer's header. */
  readonly laterFragment: boolean;
}

export function layoutOf(packet: Buffer): IpLayout {
  return (packet[0] as number) >> 4 === 4 ? layoutOfIpv4(packet) : layoutOfIpv6(packet);
}

function layoutOfIpv4(packet: Buffer): IpLayout {
  const fragment = packet.readUInt16BE(6);
  return {
    version: 4,
    protocol: packet[9] as number,
    upper: ((packet[0] as number) & 0x0f) * 4,
    addresses: packet.subarray(12, 20),
    fragment: (fragment & 0x3fff) !== 0,
    laterFragment: (fragment & 0x1fff) !== 0,
  };
}

function layoutOfIpv6(packet: Buffer): IpLayout {
  let protocol = packet[6] as number;
  let upper = 40;
  let fragment = false;
  let laterFragment = false;
  while (!laterFragment && (protocol === FRAGMENT || EXTENSIONS.includes(protocol))) {
    const bytes = extensionBytes(packet, protocol, upper);
    if (protocol === FRAGMENT && upper + bytes <= packet.length) {
      fragment = true;
      laterFragment = (packet.readUInt16BE(upper + 2) & 0xfff8) !== 0;
    }
    const left = upper + bytes > packet.length;
    protocol = left ? NOTHING : (packet[upper] as number);
    upper = left ? packet.length : upper + bytes;
  }
  return { version: 6, protocol, upper, addresses: packet.subarray(8, 40), fragment, laterFragment };
}

function extensionBytes(packet: Buffer, protocol: number, at: number): number {
  if (protocol === FRAGMENT) return 8;
  const stated = packet[at + 1] ?? Infinity;
  return protocol === AUTHENTICATION ? (stated + 2) * 4 : (stated + 1) * 8;
}

/** RFC 1071, word by word. */
export function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at] as number) * 256 + (bytes[at + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

/** Over addresses, length and protocol (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoHeaderSum(packet: Buffer): number {
  const { addresses, protocol, upper } = layoutOf(packet);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(packet.length - upper, 0);
  numbers.writeUInt32BE(protocol, 4);
  return sumOf(Buffer.concat([addresses, numbers]));
}

/** Where the upper layer keeps its checksum. */
export function checksumField(packet: Buffer): number {
  const { protocol, upper } = layoutOf(packet);
  return upper + (protocol === TCP ? 16 : protocol === UDP ? 6 : 2);
}

/** Length of the headers that a packet of TCP or UDP has before its payload. */
export function headerBytesOf(packet: Buffer): number {
  const { protocol, upper } = layoutOf(packet);
  return upper + (protocol === TCP ? ((packet[upper + 12] as number) >> 4) * 4 : 8);
}

export function completeIpv4Checksum(packet: Buffer): void {
  if (layoutOf(packet).version === 6) return;
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(0xffff ^ sumOf(packet.subarray(0, layoutOf(packet).upper)), 10);
}

/** TCP, UDP, ICMP and ICMPv6. */
export function completeUpperChecksum(packet: Buffer): void {
  const { protocol, upper } = layoutOf(packet);
  const field = checksumField(packet);
  packet.writeUInt16BE(0, field);
  const pseudo = protocol === ICMP ? 0 : pseudoHeaderSum(packet);
  const checksum = 0xffff ^ addOnes(pseudo, sumOf(packet.subarray(upper)));
  // Zero would mean "none" (RFC 768).
  packet.writeUInt16BE(protocol === UDP && checksum === 0 ? 0xffff : checksum, field);
}

export function addOnes(one: number, other: number): number {
  const sum = one + other;
  return (sum & 0xffff) + (sum >>> 16);
}

export function checksumsHold(packet: Buffer): boolean {
  const { version, protocol, upper } = layoutOf(packet);
  if (version === 4 && sumOf(packet.subarray(0, upper)) !== 0xffff) return false;
  if (protocol === UDP && packet.readUInt16BE(upper + 6) === 0) return false;
  return addOnes(pseudoHeaderSum(packet), sumOf(packet.subarray(upper))) === 0xffff;
}

/** The length that the packet states of itself, made that of its bytes. */
export function completeLength(packet: Buffer): void {
  if ((packet[0] as number) >> 4 === 4) packet.writeUInt16BE(packet.length, 2);
  else packet.writeUInt16BE(packet.length - 40, 4);
}

/** What a router does to it. */
export function oneHop(packet: Buffer): Buffer {
  const result = Buffer.from(packet);
  const ipv4 = layoutOf(packet).version === 4;
  const at = ipv4 ? 8 : 7;
  result[at] = (result[at] as number) - 1;
  completeIpv4Checksum(result);
  return result;
}
