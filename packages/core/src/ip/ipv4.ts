import { Address4 } from 'ip-address';
import { TartanError } from '../errors';

const BITS = 32;
const SIZE = 2 ** BITS;

/** An IPv4 address as an unsigned 32-bit number. Immutable; text is parsed once, at the edge. */
export class Ipv4Address {
  readonly family = 4;

  private constructor(readonly value: number) {}

  /** Dotted quad without leading zeros or prefix length. Throws ADDRESS_INVALID. */
  static parse(text: string): Ipv4Address {
    if (text.includes('/') || !Address4.isValid(text)) {
      throw new TartanError('ADDRESS_INVALID', { text, expected: 'an IPv4 address' });
    }
    return new Ipv4Address(Number(new Address4(text).bigInt()));
  }

  /** `value` is an integer in 0 .. 2^32-1. Throws ADDRESS_INVALID outside of it. */
  static fromNumber(value: number): Ipv4Address {
    if (!Number.isInteger(value) || value < 0 || value >= SIZE) {
      throw new TartanError('ADDRESS_INVALID', { text: String(value), expected: 'an unsigned 32-bit number' });
    }
    return new Ipv4Address(value);
  }

  /** Four bytes in network order. */
  static fromBytes(bytes: Uint8Array): Ipv4Address {
    if (bytes.length !== 4) {
      throw new TartanError('ADDRESS_INVALID', {
        text: Buffer.from(bytes).toString('hex'),
        expected: 'an IPv4 address of 4 bytes',
      });
    }
    return new Ipv4Address(Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE());
  }

  toBytes(): Buffer {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(this.value);
    return bytes;
  }

  /** The address `offset` places further (or back when negative). Throws ADDRESS_INVALID past either end. */
  add(offset: number): Ipv4Address {
    return Ipv4Address.fromNumber(this.value + offset);
  }

  get isUnspecified(): boolean {
    return this.value === 0;
  }

  /** 127.0.0.0/8, RFC 1122 section 3.2.1.3. */
  get isLoopback(): boolean {
    return this.value >>> 24 === 127;
  }

  /** 224.0.0.0/4, RFC 5771. */
  get isMulticast(): boolean {
    return this.value >>> 28 === 0xe;
  }

  /** 169.254.0.0/16, RFC 3927. */
  get isLinkLocal(): boolean {
    return this.value >>> 16 === 0xa9fe;
  }

  equals(other: { readonly family: number; readonly value: number | bigint }): boolean {
    return other.family === 4 && other.value === this.value;
  }

  toString(): string {
    const value = this.value;
    return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** An IPv4 network: host bits are always zero. Immutable. */
export class Ipv4Prefix {
  readonly family = 4;

  private constructor(
    /** Network address. */
    readonly address: Ipv4Address,
    /** Prefix length, 0 .. 32. */
    readonly length: number,
  ) {}

  /** `a.b.c.d/len`; host bits are masked off, as the original does. Throws ADDRESS_INVALID. */
  static parse(text: string): Ipv4Prefix {
    if (!/^[^/]+\/\d{1,2}$/.test(text) || !Address4.isValid(text)) {
      throw new TartanError('ADDRESS_INVALID', { text, expected: 'an IPv4 prefix such as 10.5.0.0/16' });
    }
    const [address, length] = text.split('/') as [string, string];
    return Ipv4Prefix.of(Ipv4Address.parse(address), Number(length));
  }

  /** The network of `length` that holds `address`. Throws ADDRESS_INVALID when `length` is not in 0 .. 32. */
  static of(address: Ipv4Address, length: number): Ipv4Prefix {
    if (!Number.isInteger(length) || length < 0 || length > BITS) {
      throw new TartanError('ADDRESS_INVALID', {
        text: `${address.toString()}/${length}`,
        expected: 'an IPv4 prefix with length 0 to 32',
      });
    }
    const size = 2 ** (BITS - length);
    return new Ipv4Prefix(Ipv4Address.fromNumber(address.value - (address.value % size)), length);
  }

  /** Number of addresses, 1 .. 2^32. */
  get size(): number {
    return 2 ** (BITS - this.length);
  }

  /** Highest address of the network. */
  get last(): Ipv4Address {
    return Ipv4Address.fromNumber(this.address.value + this.size - 1);
  }

  /** True when `other`, an address or a whole prefix, lies inside; always false for the other family. */
  contains(other: { readonly family: number }): boolean {
    if (other instanceof Ipv4Address) return other.value >= this.address.value && other.value <= this.last.value;
    return other instanceof Ipv4Prefix && other.length >= this.length && this.contains(other.address);
  }

  /** True when both share at least one address. */
  overlaps(other: { readonly family: number }): boolean {
    return other instanceof Ipv4Prefix && (this.contains(other) || other.contains(this));
  }

  equals(other: { readonly family: number }): boolean {
    return other instanceof Ipv4Prefix && other.length === this.length && other.address.value === this.address.value;
  }

  toString(): string {
    return `${this.address.toString()}/${this.length}`;
  }

  toJSON(): string {
    return this.toString();
  }
}
