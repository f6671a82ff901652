import fc, { type Arbitrary } from 'fast-check';
import {
  ACK,
  CWR,
  FIN,
  PSH,
  TCP,
  UDP,
  checksumField,
  completeIpv4Checksum,
  completeLength,
  completeUpperChecksum,
  headerBytesOf,
  layoutOf,
  pseudoHeaderSum,
} from './ip-packet';
import { GSO_ECN, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_CHECKSUM, type SuperPacket } from './virtio';

/** A packet of TCP or UDP with all that the tests vary. */
export interface Shape {
  readonly version: 4 | 6;
  readonly protocol: typeof TCP | typeof UDP;
  readonly sourceHost: number;
  readonly sourcePort: number;
  readonly hops: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  /** Options of IPv4, or a header of destination options of IPv6. */
  readonly extended: boolean;
  readonly sequence: number;
  readonly flags: number;
  /** In words of 4 bytes. */
  readonly tcpOptions: number;
  readonly payloadBytes: number;
  /** Where the content starts in an endless row of bytes. */
  readonly content: number;
}

const IPV4 = Buffer.from('0a0501020a050202', 'hex');
const IPV6 = Buffer.from('fd000005000100000000000000000002fd000005000200000000000000000002', 'hex');
/** Four options that do nothing; destination options that hold only padding (RFC 8200 section 4.2). */
const IPV4_OPTIONS = Buffer.from('01010100', 'hex');
const IPV6_OPTIONS = Buffer.from('0000010400000000', 'hex');
const DESTINATION_OPTIONS = 60;

/** With right lengths and checksums. */
export function makePacket(shape: Shape): Buffer {
  const header = shape.version === 4 ? ipv4Header(shape) : ipv6Header(shape);
  const upper = shape.protocol === TCP ? tcpHeader(shape) : udpHeader(shape);
  const packet = Buffer.concat([header, upper, contentOf(shape)]);
  completeLength(packet);
  completeIpv4Checksum(packet);
  completeUpperChecksum(packet);
  return packet;
}

function ipv4Header({ hops, identification, dontFragment, protocol, sourceHost, extended }: Shape): Buffer {
  const header = Buffer.concat([Buffer.alloc(12), IPV4, extended ? IPV4_OPTIONS : Buffer.alloc(0)]);
  header[0] = 0x40 + header.length / 4;
  header.writeUInt16BE(identification, 4);
  header[6] = dontFragment ? 0x40 : 0;
  header.set([hops, protocol], 8);
  header[15] = sourceHost;
  return header;
}

function ipv6Header({ hops, protocol, sourceHost, extended }: Shape): Buffer {
  const header = Buffer.concat([Buffer.alloc(8), IPV6, extended ? IPV6_OPTIONS : Buffer.alloc(0)]);
  header[0] = 0x60;
  header.set([extended ? DESTINATION_OPTIONS : protocol, hops], 6);
  header[23] = sourceHost;
  if (extended) header[40] = protocol;
  return header;
}

function tcpHeader({ sourcePort, sequence, flags, tcpOptions }: Shape): Buffer {
  const header = Buffer.alloc(20 + tcpOptions * 4, 1);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(443, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt32BE(77, 8);
  header.set([(5 + tcpOptions) << 4, flags, 1, 245, 0, 0, 0, 0], 12);
  return header;
}

function udpHeader({ sourcePort, payloadBytes }: Shape): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(53, 2);
  header.writeUInt16BE(8 + payloadBytes, 4);
  return header;
}

/** No two pieces of it are alike. */
function contentOf({ content, payloadBytes }: Shape): Buffer {
  return Buffer.from(
    Array.from({ length: payloadBytes }, (_, at) => (Math.imul(content + at, 0x9e3779b1) >>> 11) & 0xff),
  );
}

export const shape: Arbitrary<Shape> = fc.record({
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom(TCP as typeof TCP, UDP as typeof UDP),
  sourceHost: fc.integer({ min: 1, max: 3 }),
  sourcePort: fc.integer({ min: 1, max: 3 }),
  hops: fc.integer({ min: 2, max: 255 }),
  identification: fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xfff0, max: 0xffff })),
  dontFragment: fc.boolean(),
  extended: fc.constantFrom(false, false, false, false, false, false, false, true),
  sequence: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0xffff0000, max: 0xffffffff })),
  flags: fc.constantFrom(ACK, ACK, ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN, ACK | CWR, 0xff),
  tcpOptions: fc.integer({ min: 0, max: 10 }),
  payloadBytes: fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 3000 }), weight: 7 },
    { arbitrary: fc.integer({ min: 1, max: 65_000 }), weight: 1 },
  ),
  content: fc.nat(),
});

const gsoSize = fc.oneof(fc.integer({ min: 1, max: 1460 }), fc.integer({ min: 200, max: 65_535 }));

/** What a TUN hands out: the checksum is that of the pseudo-header. Of few pieces, since the oracle is slow. */
export const superPacket: Arbitrary<SuperPacket> = fc
  .tuple(shape, gsoSize, fc.boolean(), fc.boolean())
  .map(([parts, size, single, ecn]) => {
    const packet = makePacket(parts);
    const field = checksumField(packet);
    packet.writeUInt16BE(pseudoHeaderSum(packet), field);
    const { upper } = layoutOf(packet);
    const gsoType =
      parts.protocol === UDP ? GSO_UDP : (parts.version === 4 ? GSO_TCP4 : GSO_TCP6) | (ecn ? GSO_ECN : 0);
    const virtio = {
      flags: NEEDS_CHECKSUM,
      gsoType: single ? GSO_NONE : gsoType,
      headerBytes: headerBytesOf(packet),
      gsoSize: single ? 0 : Math.max(size, Math.ceil(parts.payloadBytes / 60), 1),
      checksumStart: upper,
      checksumOffset: field - upper,
    };
    return { virtio, packet };
  });

/** The same with a virtio-net header that may not fit the packet. */
export const oddSuperPacket: Arbitrary<SuperPacket> = fc
  .tuple(
    superPacket,
    fc.record(
      {
        flags: fc.integer({ min: 0, max: 3 }),
        gsoType: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 0x80, 0x81, 0x84, 0x85, 0xff),
        gsoSize: fc.constantFrom(0, 1000, 1460, 0xffff),
        checksumStart: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 0xffff })),
        checksumOffset: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffff })),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([{ virtio, packet }, changes]) => ({ virtio: { ...virtio, ...changes }, packet }));

/** A step of a conversation: which flow goes on, by how many equal packets, and what is odd about the last of them. */
interface Step {
  readonly flow: number;
  readonly packets: number;
  readonly lastBytes: number | undefined;
  readonly push: boolean;
  readonly gap: boolean;
  readonly change: { readonly at: number; readonly bits: number; readonly keepsChecksums: boolean } | undefined;
}

const step: Arbitrary<Step> = fc.record({
  flow: fc.nat({ max: 3 }),
  packets: fc.integer({ min: 1, max: 12 }),
  lastBytes: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined, freq: 3 }),
  push: fc.constantFrom(false, false, false, true),
  gap: fc.constantFrom(false, false, false, false, false, true),
  change: fc.option(
    fc.record({
      at: fc.nat({ max: 100 }),
      bits: fc.integer({ min: 1, max: 255 }),
      keepsChecksums: fc.constantFrom(true, true, true, false),
    }),
    { nil: undefined, freq: 2 },
  ),
});

const flow = fc
  .tuple(shape, fc.integer({ min: 1, max: 120 }))
  .map(([parts, payloadBytes]) => ({ ...parts, payloadBytes, flags: ACK }));

/** Packets as they come from the network: a few flows, mixed, most of them in order, some with a changed byte. */
export const conversation: Arbitrary<Buffer[]> = fc
  .tuple(fc.array(flow, { minLength: 4, maxLength: 4 }), fc.array(step, { minLength: 1, maxLength: 12 }))
  .map(([flows, steps]) => steps.flatMap((one) => packetsOf(flows, one)));

/** Takes the flow on in `flows`. */
function packetsOf(flows: Shape[], { flow: number, packets, lastBytes, push, gap, change }: Step): Buffer[] {
  const made: Buffer[] = [];
  let next = flows[number] as Shape;
  for (let left = packets; left > 0; left--) {
    const last = left === 1;
    const payloadBytes = last ? (lastBytes ?? next.payloadBytes) : next.payloadBytes;
    const packet = makePacket({ ...next, payloadBytes, flags: last && push ? ACK | PSH : ACK });
    made.push(last && change ? changed(packet, change) : packet);
    next = follow(next, payloadBytes + (last && gap ? 1 : 0));
  }
  flows[number] = next;
  return made;
}

function follow(one: Shape, bytes: number): Shape {
  return {
    ...one,
    identification: (one.identification + 1) % 0x10000,
    sequence: (one.sequence + bytes) % 0x1_0000_0000,
    content: one.content + bytes,
  };
}

/**
 * The packet with one byte changed, still of the version and the lengths that it states: what says otherwise never gets as far as the
 * coalescer. With its checksums made right again, so that it is the change that must be seen.
 */
function changed(packet: Buffer, { at, bits, keepsChecksums }: NonNullable<Step['change']>): Buffer {
  const lengths = (packet[0] as number) >> 4 === 4 ? [0, 2, 3] : [0, 4, 5];
  if (at >= packet.length || lengths.includes(at)) return packet;
  const result = Buffer.from(packet);
  result[at] = (result[at] as number) ^ bits;
  const { protocol, fragment } = layoutOf(result);
  if (!keepsChecksums) return result;
  completeIpv4Checksum(result);
  const field = checksumField(result);
  if (!fragment && (protocol === TCP || protocol === UDP) && field + 2 <= result.length) completeUpperChecksum(result);
  return result;
}
