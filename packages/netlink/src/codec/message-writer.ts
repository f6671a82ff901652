import type { IpAddress, MacAddress } from '@tartan/core';
import { NLA_F_NESTED, SIZE } from './constants';
import { align4, HOST_ORDER, NETWORK_ORDER } from './byte-order';

/*
 * Writes netlink messages one behind the other into one growing buffer, so that thousands go out in a single send and nothing
 * is allocated per message. include/uapi/linux/netlink.h (v6.1), struct nlmsghdr and struct nlattr:
 *
 *    0               2               4               6               8               12              16
 *   +---------------+---------------+---------------+---------------+---------------+---------------+
 *   |          nlmsg_len            |  nlmsg_type   |  nlmsg_flags  |   nlmsg_seq   |   nlmsg_pid   |
 *   +-------------------------------+---------------+---------------+---------------+---------------+
 *   | fixed part (ifinfomsg, ifaddrmsg, rtmsg, ndmsg), then attributes:                              |
 *   |   nla_len u16, nla_type u16, payload, zero bytes up to a multiple of four (not in nla_len)     |
 *   +------------------------------------------------------------------------------------------------+
 */
export class MessageWriter {
  private buffer: Buffer;
  private view: DataView;
  private position = 0;
  private messageStart = 0;

  constructor(initialBytes = 16_384) {
    this.buffer = Buffer.alloc(initialBytes);
    this.view = viewOf(this.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.position;
  }

  /** What was written; valid until the next write or reset. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.position);
  }

  reset(): void {
    this.position = 0;
  }

  startMessage(type: number, flags: number, sequence: number): void {
    this.reserve(SIZE.nlmsghdr);
    this.messageStart = this.position;
    this.view.setUint32(this.position, 0, HOST_ORDER);
    this.view.setUint16(this.position + 4, type, HOST_ORDER);
    this.view.setUint16(this.position + 6, flags, HOST_ORDER);
    this.view.setUint32(this.position + 8, sequence, HOST_ORDER);
    // nlmsg_pid 0: from user space, the kernel fills in the socket's own.
    this.view.setUint32(this.position + 12, 0, HOST_ORDER);
    this.position += SIZE.nlmsghdr;
  }

  /** Fills in nlmsg_len of the message that was started last. */
  endMessage(): void {
    this.view.setUint32(this.messageStart, this.position - this.messageStart, HOST_ORDER);
  }

  /** Sets further nlmsg_flags of the message that was started last. */
  addFlags(flags: number): void {
    const at = this.messageStart + 6;
    this.view.setUint16(at, this.view.getUint16(at, HOST_ORDER) | flags, HOST_ORDER);
  }

  u8(value: number): void {
    this.reserve(1);
    this.view.setUint8(this.position, value);
    this.position += 1;
  }

  u16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.position, value, HOST_ORDER);
    this.position += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.position, value, HOST_ORDER);
    this.position += 4;
  }

  /** An attribute without payload: being there is its meaning. */
  flag(type: number): void {
    this.attribute(type, 0);
  }

  attributeU8(type: number, value: number): void {
    const at = this.attribute(type, 1);
    this.view.setUint8(at, value);
  }

  attributeU32(type: number, value: number): void {
    const at = this.attribute(type, 4);
    this.view.setUint32(at, value, HOST_ORDER);
  }

  /** A u16 in network order, as UDP ports are. */
  attributePort(type: number, value: number): void {
    const at = this.attribute(type, 2);
    this.view.setUint16(at, value, NETWORK_ORDER);
  }

  attributeAddress(type: number, address: IpAddress): void {
    const at = this.attribute(type, address.family === 4 ? 4 : 16);
    this.putAddress(at, address);
  }

  attributeMac(type: number, mac: MacAddress): void {
    const at = this.attribute(type, 6);
    mac.toBytes().copy(this.buffer, at);
  }

  /** Text with its terminating zero (NLA_NUL_STRING). */
  attributeText(type: number, text: string): void {
    const bytes = Buffer.byteLength(text, 'utf8');
    const at = this.attribute(type, bytes + 1);
    this.buffer.write(text, at, 'utf8');
    this.buffer[at + bytes] = 0;
  }

  /** ASCII text without terminating zero (NLA_STRING). */
  attributeString(type: number, text: string): void {
    const at = this.attribute(type, text.length);
    this.buffer.write(text, at, 'latin1');
  }

  /** struct rtvia: address family, then the address. For a gateway of the other family (RFC 5549). */
  attributeVia(type: number, family: number, address: IpAddress): void {
    const at = this.attribute(type, 2 + (address.family === 4 ? 4 : 16));
    this.view.setUint16(at, family, HOST_ORDER);
    this.putAddress(at + 2, address);
  }

  /** Starts an attribute that holds attributes; give what it returns to endNest. */
  startNest(type: number): number {
    return this.startBlock(type | NLA_F_NESTED);
  }

  /** Starts an attribute that holds a fixed part and then attributes; give what it returns to endNest. */
  startBlock(type: number): number {
    const start = this.position;
    this.attribute(type, 0);
    return start;
  }

  endNest(start: number): void {
    this.view.setUint16(start, this.position - start, HOST_ORDER);
  }

  /** Header and zeroed room for `bytes`; returns where the payload goes. */
  private attribute(type: number, bytes: number): number {
    const padded = align4(bytes);
    this.reserve(SIZE.rtattr + padded);
    const payload = this.position + SIZE.rtattr;
    this.view.setUint16(this.position, SIZE.rtattr + bytes, HOST_ORDER);
    this.view.setUint16(this.position + 2, type, HOST_ORDER);
    if (padded !== bytes) this.view.setUint32(payload + padded - 4, 0, HOST_ORDER);
    this.position = payload + padded;
    return payload;
  }

  private putAddress(at: number, address: IpAddress): void {
    if (address.family === 4) {
      this.view.setUint32(at, address.value, NETWORK_ORDER);
    } else {
      this.view.setBigUint64(at, address.value >> 64n, NETWORK_ORDER);
      this.view.setBigUint64(at + 8, BigInt.asUintN(64, address.value), NETWORK_ORDER);
    }
  }

  private reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.buffer.length * 2, this.position + bytes));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
    this.view = viewOf(larger);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
