import type { PacketLoopOffloads, PacketLoopOptions } from '../packet-loop';

/** PacketLoopOptions with nothing left to a default, and nothing in them but texts and numbers: they can be written down and compared as JSON. */
export interface PlainLoopOptions {
  readonly tunName: string;
  readonly mtuBytes: number;
  /** Addresses as hexadecimal digits. */
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly port: number;
  readonly queues: number;
  readonly keepaliveSeconds: number;
  readonly offloads: PacketLoopOffloads;
}

export function plainOptions(options: PacketLoopOptions): PlainLoopOptions {
  const { tunName, mtuBytes, listen, queues = 1, keepaliveSeconds = 0, offloads = {} } = options;
  const { tunTso = true, tunUso = true, udpSegment = true, udpGro = true, coalesce = true } = offloads;
  return {
    tunName,
    mtuBytes,
    ...(listen.ipv4 && { ipv4: hex(listen.ipv4.toBytes()) }),
    ...(listen.ipv6 && { ipv6: hex(listen.ipv6.toBytes()) }),
    port: listen.port,
    queues,
    keepaliveSeconds,
    offloads: { tunTso, tunUso, udpSegment, udpGro, coalesce },
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
