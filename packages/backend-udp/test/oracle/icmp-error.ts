import { ICMP, ICMP6, completeIpv4Checksum, completeLength, completeUpperChecksum, layoutOf } from './ip-packet';

export type IcmpError = { readonly kind: 'time-exceeded' } | { readonly kind: 'too-big'; readonly mtuBytes: number };

/** Of the whole error: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c). */
const IPV4_MAX = 576;
const IPV6_MAX = 1280;

/** Errors and redirects: RFC 792; what RFC 4443 section 2.1 numbers below 128, and redirects (RFC 4861 section 4.5). */
const IPV4_ERRORS = [3, 4, 5, 11, 12];
const IPV6_REDIRECT = 137;

/** The error about a packet, from `source` to its sender; undefined: none may be sent (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)). */
export function icmpError(packet: Buffer, source: Buffer, error: IcmpError): Buffer | undefined {
  const layout = layoutOf(packet);
  const addressBytes = layout.addresses.length / 2;
  const [sender, receiver] = [layout.addresses.subarray(0, addressBytes), layout.addresses.subarray(addressBytes)];
  if (layout.laterFragment || isError(packet) || !isOneHost(sender) || !isOneHost(receiver)) return undefined;
  const message = layout.version === 4 ? ipv4Message(packet, error) : ipv6Message(packet, error);
  const header = layout.version === 4 ? Buffer.alloc(20) : Buffer.alloc(40);
  if (layout.version === 4) header.set([0x45, 0xc0, 0, 0, 0, 0, 0, 0, 64, ICMP, 0, 0, ...source, ...sender]);
  else header.set([0x60, 0, 0, 0, 0, 0, ICMP6, 64, ...source, ...sender]);
  const result = Buffer.concat([header, message]);
  completeLength(result);
  completeIpv4Checksum(result);
  completeUpperChecksum(result);
  return result;
}

function ipv4Message(packet: Buffer, error: IcmpError): Buffer {
  const header = Buffer.alloc(8);
  header[0] = error.kind === 'time-exceeded' ? 11 : 3;
  if (error.kind === 'too-big') {
    header[1] = 4;
    header.writeUInt16BE(error.mtuBytes, 6);
  }
  return Buffer.concat([header, packet.subarray(0, IPV4_MAX - 20 - 8)]);
}

function ipv6Message(packet: Buffer, error: IcmpError): Buffer {
  const header = Buffer.alloc(8);
  header[0] = error.kind === 'time-exceeded' ? 3 : 2;
  if (error.kind === 'too-big') header.writeUInt32BE(error.mtuBytes, 4);
  return Buffer.concat([header, packet.subarray(0, IPV6_MAX - 40 - 8)]);
}

/** An ICMP packet too short to say what it is counts as one. */
function isError(packet: Buffer): boolean {
  const { version, protocol, upper } = layoutOf(packet);
  const type = packet[upper];
  if (version === 4) return protocol === ICMP && (type === undefined || IPV4_ERRORS.includes(type));
  return protocol === ICMP6 && (type === undefined || type < 128 || type === IPV6_REDIRECT);
}

/** No network of zeros, loopback, group or reserved address; of IPv6 neither the unspecified address nor a group. */
function isOneHost(address: Buffer): boolean {
  const first = address[0] as number;
  if (address.length === 4) return first !== 0 && first !== 127 && first < 224;
  return first !== 0xff && address.some((byte) => byte !== 0);
}
