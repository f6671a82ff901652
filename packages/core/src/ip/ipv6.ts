import { Address6 } from 'ip-address';
import { TartanError } from '../errors';

const BITS = 128;
const SIZE = 1n << 128n;

/** An IPv6 address as an unsigned 128-bit bigint. Immutable; text form is RFC 5952. */
export class Ipv6Address {
  readonly family = 6;
  /** Cached text; a true private field, so that equal addresses compare equal whether it is filled in or not. */
  #text: string | undefined;

  private constructor(readonly value: bigint) {}

  /** Any RFC 4291 section 2.2 text form, without zone or prefix length. Throws ADDRESS_INVALID. */
  static parse(text: string): Ipv6Address {
    if (/[/%]/.test(text) || !Address6.isValid(text)) {
      throw new TartanError('ADDRESS_INVALID', { text, expected: 'an IPv6 address' });
    }
    return new Ipv6Address(new Address6(text).bigInt());
  }

  /** `value` in 0 .. 2^128-1. Throws ADDRESS_INVALID outside of it. */
  static fromBigInt(value: bigint): Ipv6Address {
    if (value < 0n || value >= SIZE) {
      throw new TartanError('ADDRESS_INVALID', { text: value.toString(16), expected: 'an unsigned 128-bit number' });
    }
    return new Ipv6Address(value);
  }

  /** Sixteen bytes in network order. */
  static fromBytes(bytes: Uint8Array): Ipv6Address {
    if (bytes.length !== 16) {
      throw new TartanError('ADDRESS_INVALID', {
        text: Buffer.from(bytes).toString('hex'),
        expected: 'an IPv6 address of 16 bytes',
      });
    }
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, 16);
    return new Ipv6Address((view.readBigUInt64BE(0) << 64n) | view.readBigUInt64BE(8));
  }

  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafe(16);
    bytes.writeBigUInt64BE(this.value >> 64n, 0);
    bytes.writeBigUInt64BE(this.value & 0xffff_ffff_ffff_ffffn, 8);
    return bytes;
  }

  /** The address `offset` places further (or back when negative). Throws ADDRESS_INVALID past either end. */
  add(offset: bigint): Ipv6Address {
    return Ipv6Address.fromBigInt(this.value + offset);
  }

  get isUnspecified(): boolean {
    return this.value === 0n;
  }

  /** ::1, RFC 4291 section 2.5.3. */
  get isLoopback(): boolean {
    return this.value === 1n;
  }

  /** ff00::/8, RFC 4291 section 2.7. */
  get isMulticast(): boolean {
    return this.value >> 120n === 0xffn;
  }

  /** fe80::/10, RFC 4291 section 2.5.6. */
  get isLinkLocal(): boolean {
    return this.value >> 118n === 0x3fan;
  }

  equals(other: { readonly family: number; readonly value: number | bigint }): boolean {
    return other.family === 6 && other.value === this.value;
  }

  /** RFC 5952 text, the same as Go's net.IP.String() prints for addresses outside ::ffff:0:0/96. */
  toString(): string {
    return (this.#text ??= Address6.fromBigInt(this.value).correctForm());
  }

  toJSON(): string {
    return this.toString();
  }
}

/** An IPv6 network: host bits are always zero. Immutable. */
export class Ipv6Prefix {
  readonly family = 6;

  private constructor(
    readonly address: Ipv6Address,
    /** Prefix length, 0 .. 128. */
    readonly length: number,
  ) {}

  /** `address/len`; host bits are masked off. Throws ADDRESS_INVALID. */
  static parse(text: string): Ipv6Prefix {
    const match = /^([^/%]+)\/(\d{1,3})$/.exec(text);
    if (!match || !Address6.isValid(match[1] as string) || Number(match[2]) > BITS) {
      throw new TartanError('ADDRESS_INVALID', { text, expected: 'an IPv6 prefix such as fc00::/48' });
    }
    return Ipv6Prefix.of(Ipv6Address.parse(match[1] as string), Number(match[2]));
  }

  /** The network of `length` that holds `address`. Throws ADDRESS_INVALID when `length` is not in 0 .. 128. */
  static of(address: Ipv6Address, length: number): Ipv6Prefix {
    if (!Number.isInteger(length) || length < 0 || length > BITS) {
      throw new TartanError('ADDRESS_INVALID', {
        text: `${address.toString()}/${length}`,
        expected: 'an IPv6 prefix with length 0 to 128',
      });
    }
    const shift = BigInt(BITS - length);
    return new Ipv6Prefix(Ipv6Address.fromBigInt((address.value >> shift) << shift), length);
  }

  /** Number of addresses, 1 .. 2^128. */
  get size(): bigint {
    return 1n << BigInt(BITS - this.length);
  }

  /** Highest address of the network. */
  get last(): Ipv6Address {
    return Ipv6Address.fromBigInt(this.address.value + this.size - 1n);
  }

  /** True when `other`, an address or a whole prefix, lies inside; always false for the other family. */
  contains(other: { readonly family: number }): boolean {
    if (other instanceof Ipv6Address) {
      const shift = BigInt(BITS - this.length);
      return other.value >> shift === this.address.value >> shift;
    }
    return other instanceof Ipv6Prefix && other.length >= this.length && this.contains(other.address);
  }

  /** True when both share at least one address. */
  overlaps(other: { readonly family: number }): boolean {
    return other instanceof Ipv6Prefix && (this.contains(other) || other.contains(this));
  }

  equals(other: { readonly family: number }): boolean {
    return other instanceof Ipv6Prefix && other.length === this.length && other.address.value === this.address.value;
  }

  toString(): string {
    return `${this.address.toString()}/${this.length}`;
  }

  toJSON(): string {
    return this.toString();
  }
}
