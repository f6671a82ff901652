import {
  CWR,
  FIN,
  PSH,
  TCP,
  UDP,
  completeIpv4Checksum,
  completeLength,
  completeUpperChecksum,
  headerBytesOf,
  layoutOf,
  sumOf,
} from './ip-packet';
import { GSO_ECN, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_CHECKSUM, type SuperPacket } from './virtio';

/** Headers of more bytes are not split: a limit of the packet loop's buffers. */
const HEADERS_MAX = 192;

/**
 * The packets on a wire that a packet with a virtio-net header stands for (VIRTIO 1.2 section 5.1.6.2), or undefined when the header does
 * not fit the packet.
 */
export function segment({ virtio, packet }: SuperPacket): Buffer[] | undefined {
  if (!fits({ virtio, packet })) return undefined;
  if ((virtio.gsoType & ~GSO_ECN) !== GSO_NONE) return cut(packet, virtio.gsoSize);
  if ((virtio.flags & NEEDS_CHECKSUM) === 0) return [packet];
  return [completed(packet, virtio.checksumStart, virtio.checksumStart + virtio.checksumOffset)];
}

function fits({ virtio, packet }: SuperPacket): boolean {
  const type = virtio.gsoType & ~GSO_ECN;
  if (type === GSO_NONE) {
    if ((virtio.flags & NEEDS_CHECKSUM) === 0) return true;
    return virtio.checksumStart >= 20 && virtio.checksumStart + virtio.checksumOffset + 2 <= packet.length;
  }
  const { version, protocol, fragment, upper } = layoutOf(packet);
  const tcp = type === (version === 4 ? GSO_TCP4 : GSO_TCP6) && protocol === TCP;
  const udp = type === GSO_UDP && protocol === UDP;
  if (fragment || virtio.gsoSize === 0 || (!tcp && !udp)) return false;
  if (packet.length < upper + (tcp ? 20 : 8)) return false;
  const headers = headerBytesOf(packet);
  return headers >= upper + (tcp ? 20 : 8) && headers <= HEADERS_MAX && headers < packet.length;
}

/** The field holds the sum over the pseudo-header already. */
function completed(packet: Buffer, start: number, field: number): Buffer {
  const result = Buffer.from(packet);
  const checksum = 0xffff ^ sumOf(packet.subarray(start));
  result.writeUInt16BE(checksum === 0 && layoutOf(packet).protocol === UDP ? 0xffff : checksum, field);
  return result;
}

function cut(packet: Buffer, size: number): Buffer[] {
  const headers = headerBytesOf(packet);
  const count = Math.ceil((packet.length - headers) / size);
  return Array.from({ length: count }, (_, index) => {
    const from = headers + index * size;
    const piece = Buffer.concat([packet.subarray(0, headers), packet.subarray(from, from + size)]);
    completeLength(piece);
    numberPiece(piece, { index, size, last: index === count - 1 });
    completeIpv4Checksum(piece);
    completeUpperChecksum(piece);
    return piece;
  });
}

interface Place {
  readonly index: number;
  /** Payload bytes of the pieces before the last. */
  readonly size: number;
  readonly last: boolean;
}

function numberPiece(piece: Buffer, { index, size, last }: Place): void {
  const { version, protocol, upper } = layoutOf(piece);
  if (version === 4) piece.writeUInt16BE((piece.readUInt16BE(4) + index) % 0x10000, 4);
  if (protocol === UDP) {
    piece.writeUInt16BE(piece.length - upper, upper + 4);
    return;
  }
  piece.writeUInt32BE((piece.readUInt32BE(upper + 4) + index * size) % 0x1_0000_0000, upper + 4);
  let flags = piece[upper + 13] as number;
  // The end of the data is the end of the last piece; a reduced window is told once (RFC 3168 section 6.1.2).
  if (!last) flags &= ~(FIN | PSH);
  if (index > 0) flags &= ~CWR;
  piece[upper + 13] = flags;
}
