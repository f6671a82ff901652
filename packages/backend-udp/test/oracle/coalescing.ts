import { isDeepStrictEqual } from 'node:util';
import {
  FIN,
  PSH,
  TCP,
  UDP,
  checksumField,
  checksumsHold,
  completeIpv4Checksum,
  completeLength,
  headerBytesOf,
  layoutOf,
  pseudoHeaderSum,
} from './ip-packet';
import { segment } from './segmentation';
import { DATA_VALID, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_CHECKSUM, type SuperPacket } from './virtio';

/*
 * What may be joined is defined by what comes out again: packets may travel as one super-packet when cutting that up gives exactly these
 * packets, in this order. From this alone follow the rules of the coalescer: next sequence number, same size, same everything else.
 * One flag may move: PSH of any packet becomes PSH of the last (RFC 9293 section 3.9.1.2: it is no record marker, successive ones SHOULD
 * be collapsed).
 */

/** `packets` of the network were written together as `written`. */
export interface Write {
  readonly packets: number;
  readonly written: SuperPacket;
}

/** More segments than that are refused by kernels (UDP_MAX_SEGMENTS, include/linux/udp.h, v6.1). */
const UDP_SEGMENTS_MAX = 64;
const IP_PACKET_MAX = 0xffff;

/** The super-packet for a run of packets, whether they may be joined or not. */
export function join(run: readonly Buffer[]): SuperPacket {
  const first = run[0] as Buffer;
  const headers = headerBytesOf(first);
  const { version, protocol, upper } = layoutOf(first);
  const packet = Buffer.concat([first.subarray(0, headers), ...run.map((one) => one.subarray(headerBytesOf(one)))]);
  completeLength(packet);
  if (protocol === TCP) {
    const ends = ((run.at(-1) as Buffer)[upper + 13] as number) & (FIN | PSH);
    packet[upper + 13] = (packet[upper + 13] as number) | ends;
  } else packet.writeUInt16BE((packet.length - upper) & 0xffff, upper + 4);
  completeIpv4Checksum(packet);
  packet.writeUInt16BE(pseudoHeaderSum(packet), checksumField(packet));
  const virtio = {
    flags: NEEDS_CHECKSUM,
    gsoType: protocol === UDP ? GSO_UDP : version === 4 ? GSO_TCP4 : GSO_TCP6,
    headerBytes: headers,
    gsoSize: first.length - headers,
    checksumStart: upper,
    checksumOffset: checksumField(packet) - upper,
  };
  return { virtio, packet };
}

/** Everything about `writes` that the network's packets `received` do not allow; empty: all is well. */
export function faultsOf(received: readonly Buffer[], writes: readonly Write[]): string[] {
  const faults: string[] = [];
  const handedOn: HandedOn[] = [];
  for (const [index, { packets, written }] of writes.entries()) {
    const pieces = packets === 1 ? single(written, faults, index) : segment(written);
    if (pieces?.length !== packets) faults.push(`write ${index} does not fall into its ${packets} packets`);
    else handedOn.push(...pieces.map((packet, place) => ({ packet, write: index, last: place === packets - 1 })));
    if (packets > 1) faults.push(...faultsOfJoined(written, pieces ?? []).map((fault) => `write ${index}: ${fault}`));
  }
  return [...faults, ...faultsOfOrder(received, handedOn)];
}

function single({ virtio, packet }: SuperPacket, faults: string[], index: number): Buffer[] {
  if (virtio.gsoType !== GSO_NONE || (virtio.flags & ~DATA_VALID) !== 0) faults.push(`write ${index}: no plain packet`);
  if ((virtio.flags & DATA_VALID) !== 0 && !checksumsHold(packet)) {
    faults.push(`write ${index}: says that a wrong checksum is right`);
  }
  return [packet];
}

function faultsOfJoined(written: SuperPacket, pieces: readonly Buffer[]): string[] {
  const faults: string[] = [];
  const { protocol } = layoutOf(written.packet);
  if (written.packet.length > IP_PACKET_MAX) faults.push('longer than an IP packet');
  if (protocol === UDP && pieces.length > UDP_SEGMENTS_MAX) faults.push('too many datagrams');
  if (pieces.length > 0 && !isDeepStrictEqual(join(pieces), written))
    faults.push('other headers than these packets give');
  return faults;
}

/** A piece of the write with this number. */
interface HandedOn {
  readonly packet: Buffer;
  readonly write: number;
  readonly last: boolean;
}

/** Every packet is handed on once, those of one flow in their order, and no PSH is lost or made up. */
function faultsOfOrder(received: readonly Buffer[], handedOn: readonly HandedOn[]): string[] {
  const waiting = received.map((packet, index) => ({ packet, index, text: comparable(packet) }));
  const faults: string[] = [];
  let pushed = false;
  for (const { packet, write, last } of handedOn) {
    const text = comparable(packet);
    const place = waiting.findIndex((candidate) => candidate.text === text);
    if (place === -1) {
      faults.push(`a packet that nobody sent: ${packet.toString('hex')}`);
      continue;
    }
    const [found] = waiting.splice(place, 1) as [(typeof waiting)[0]];
    const overtaken = waiting.find((earlier) => earlier.index < found.index && sameFlow(earlier.packet, packet));
    if (overtaken) faults.push(`packet ${found.index} overtook packet ${overtaken.index} of its flow`);
    pushed ||= pushFieldOf(found.packet).pushes;
    if (last && pushed !== pushFieldOf(packet).pushes)
      faults.push(`write ${write} ${pushed ? 'loses' : 'makes up'} a PSH`);
    if (last) pushed = false;
  }
  return [...faults, ...waiting.map(({ index }) => `packet ${index} is lost`)];
}

/**
 * Hexadecimal, without what means nothing: the identification of an IPv4 packet that is neither a fragment nor may become one (RFC 6864
 * section 4.1), in which of its two forms a checksum holds a zero, as long as it holds, and PSH, which may move.
 */
function comparable(packet: Buffer): string {
  const { version, protocol, fragment } = layoutOf(packet);
  const result = Buffer.from(packet);
  if (version === 4 && ((packet[6] as number) & 0x40) !== 0 && !fragment) {
    const right = holds(packet);
    result.writeUInt16BE(0, 4);
    if (right) completeIpv4Checksum(result);
  }
  if (protocol === TCP && !fragment && packet.length >= checksumField(packet) + 2) {
    const field = checksumField(packet);
    const { at, pushes } = pushFieldOf(packet);
    if (pushes) result[at] = (packet[at] as number) & ~PSH;
    // So that a wrong checksum stays wrong (RFC 1624).
    const checksum = packet.readUInt16BE(field) + (pushes ? PSH : 0);
    result.writeUInt16BE(checksum % 0xffff, field);
  }
  return result.toString('hex');
}

/** Where a packet has its TCP flags, and whether it has them and PSH is set. */
function pushFieldOf(packet: Buffer): { at: number; pushes: boolean } {
  const { protocol, upper, fragment } = layoutOf(packet);
  const at = upper + 13;
  const readable = protocol === TCP && !fragment && packet.length >= checksumField(packet) + 2;
  return { at, pushes: readable && ((packet[at] as number) & PSH) !== 0 };
}

function holds(packet: Buffer): boolean {
  const again = Buffer.from(packet);
  completeIpv4Checksum(again);
  return again.equals(packet);
}

/** Of packets without ports, or without readable ones, the flow is all that its hosts send each other. */
function sameFlow(one: Buffer, other: Buffer): boolean {
  const [a, b] = [layoutOf(one), layoutOf(other)];
  if (a.version !== b.version || !a.addresses.equals(b.addresses)) return false;
  return [one, other].some((packet) => portsOf(packet) === undefined) || portsOf(one) === portsOf(other);
}

function portsOf(packet: Buffer): string | undefined {
  const { protocol, upper, laterFragment, fragment } = layoutOf(packet);
  if (fragment || laterFragment || (protocol !== TCP && protocol !== UDP) || packet.length < upper + 4)
    return undefined;
  return `${protocol} ${packet.toString('hex', upper, upper + 4)}`;
}
