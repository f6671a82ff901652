import { Ipv4Address, Ipv6Address, MacAddress, type IpAddress } from '@tartan/core';
import { NLA_TYPE_MASK, SIZE } from './constants';
import { align4, HOST_ORDER, NETWORK_ORDER } from './byte-order';

/*
 * Cursors over what the kernel sent; the layout is drawn in message-writer.ts. They never read outside of the bounds they were
 * given and always move forward, so that malformed bytes end a walk early instead of crashing or looping. Nothing is copied:
 * what a cursor shows is valid as long as the bytes below it.
 */

/** Walks the messages of one or more datagrams that lie behind each other, each at a multiple of four. */
export class MessageCursor {
  type = 0;
  flags = 0;
  sequence = 0;
  /** Where the fixed part starts. */
  start = 0;
  /** First byte behind the message. */
  end = 0;
  private following = 0;

  constructor(
    readonly view: DataView,
    private readonly limit = view.byteLength,
  ) {}

  /** Moves to the next message; false at the end, or where the rest is no message. */
  next(): boolean {
    const at = this.following;
    if (at + SIZE.nlmsghdr > this.limit) return false;
    const length = this.view.getUint32(at, HOST_ORDER);
    if (length < SIZE.nlmsghdr || at + length > this.limit) return false;
    this.type = this.view.getUint16(at + 4, HOST_ORDER);
    this.flags = this.view.getUint16(at + 6, HOST_ORDER);
    this.sequence = this.view.getUint32(at + 8, HOST_ORDER);
    this.start = at + SIZE.nlmsghdr;
    this.end = at + length;
    this.following = at + align4(length);
    return true;
  }
}

/** Walks attributes between two offsets. Typed getters give undefined when the payload has not the size of the type. */
export class AttributeCursor {
  /** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
  type = 0;
  start = 0;
  end = 0;
  private following: number;

  constructor(
    readonly view: DataView,
    start: number,
    private readonly limit: number,
  ) {
    this.following = start;
  }

  next(): boolean {
    const at = this.following;
    if (at + SIZE.rtattr > this.limit) return false;
    const length = this.view.getUint16(at, HOST_ORDER);
    if (length < SIZE.rtattr || at + length > this.limit) return false;
    this.type = this.view.getUint16(at + 2, HOST_ORDER) & NLA_TYPE_MASK;
    this.start = at + SIZE.rtattr;
    this.end = at + length;
    this.following = at + align4(length);
    return true;
  }

  /** The attributes inside of this one. */
  nested(): AttributeCursor {
    return new AttributeCursor(this.view, this.start, this.end);
  }

  u8(): number | undefined {
    return this.size >= 1 ? this.view.getUint8(this.start) : undefined;
  }

  u16(): number | undefined {
    return this.size >= 2 ? this.view.getUint16(this.start, HOST_ORDER) : undefined;
  }

  u32(): number | undefined {
    return this.size >= 4 ? this.view.getUint32(this.start, HOST_ORDER) : undefined;
  }

  /** A u16 in network order. */
  port(): number | undefined {
    return this.size >= 2 ? this.view.getUint16(this.start, NETWORK_ORDER) : undefined;
  }

  /** 4 bytes are IPv4, 16 are IPv6, anything else is no address. */
  address(): IpAddress | undefined {
    return addressAt(this.view, this.start, this.size);
  }

  mac(): MacAddress | undefined {
    if (this.size !== 6) return undefined;
    return MacAddress.fromBytes(new Uint8Array(this.view.buffer, this.view.byteOffset + this.start, 6));
  }

  /** Up to the first zero byte, or all of it. */
  text(): string {
    const bytes = Buffer.from(this.view.buffer, this.view.byteOffset + this.start, this.size);
    const zero = bytes.indexOf(0);
    return bytes.toString('utf8', 0, zero === -1 ? bytes.length : zero);
  }

  get size(): number {
    return this.end - this.start;
  }
}

/** The address of `size` bytes at `at`, which the caller has checked to lie inside of the view. */
export function addressAt(view: DataView, at: number, size: number): IpAddress | undefined {
  if (size === 4) return Ipv4Address.fromNumber(view.getUint32(at, NETWORK_ORDER));
  if (size !== 16) return undefined;
  const high = view.getBigUint64(at, NETWORK_ORDER);
  return Ipv6Address.fromBigInt((high << 64n) | view.getBigUint64(at + 8, NETWORK_ORDER));
}
