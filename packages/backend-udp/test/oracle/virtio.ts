/*
 * The virtio-net header of a TUN device: VIRTIO 1.2 section 5.1.6, include/uapi/linux/virtio_net.h (v6.12), in the byte order of the
 * machine, which is little-endian.
 */

export const HEADER_BYTES = 10;

export const NEEDS_CHECKSUM = 1;
export const DATA_VALID = 2;

export const GSO_NONE = 0;
export const GSO_TCP4 = 1;
export const GSO_TCP6 = 4;
export const GSO_UDP = 5;
export const GSO_ECN = 0x80;

export interface VirtioHeader {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerBytes: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** A packet as it is read from, or written to, a TUN device. */
export interface SuperPacket {
  readonly virtio: VirtioHeader;
  readonly packet: Buffer;
}

export function encodeSuperPacket({ virtio, packet }: SuperPacket): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = virtio.flags;
  header[1] = virtio.gsoType;
  header.writeUInt16LE(virtio.headerBytes, 2);
  header.writeUInt16LE(virtio.gsoSize, 4);
  header.writeUInt16LE(virtio.checksumStart, 6);
  header.writeUInt16LE(virtio.checksumOffset, 8);
  return Buffer.concat([header, packet]);
}

export function decodeSuperPacket(bytes: Buffer): SuperPacket {
  return {
    virtio: {
      flags: bytes[0] as number,
      gsoType: bytes[1] as number,
      headerBytes: bytes.readUInt16LE(2),
      gsoSize: bytes.readUInt16LE(4),
      checksumStart: bytes.readUInt16LE(6),
      checksumOffset: bytes.readUInt16LE(8),
    },
    packet: bytes.subarray(HEADER_BYTES),
  };
}
