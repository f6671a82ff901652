import { constants } from 'node:os';

/*
 * The lowest layer: bytes to and from the kernel. Two implementations, the native addon and the npm netlink library; nothing
 * above knows which one it is. Tests put a scripted one here.
 */

export interface SocketListener {
  /**
   * Whole datagrams behind each other, each at a multiple of four, `length` bytes in all. The view belongs to the transport
   * and is valid only during the call. Must not throw.
   */
  onMessages(view: DataView, length: number): void;
  /** The kernel dropped messages since the last call, and the queue has been read empty since. The socket goes on working. */
  onOverrun(): void;
  /** The socket is of no use any more; `errno` is positive. Whoever opened it still closes it. */
  onFailure(errno: number): void;
}

/** include/uapi/linux/netlink.h (v6.1), NETLINK_*. */
export const NETLINK_PROTOCOL = { route: 0, netfilter: 12, generic: 16 } as const;

/** One AF_NETLINK socket. It starts unreferenced. */
export interface NetlinkSocket {
  /** What the kernel reserves for answers that wait to be read, bookkeeping included (SO_RCVBUF as the kernel reports it). */
  readonly receiveBufferBytes: number;
  /** NETLINK_GET_STRICT_CHK: dumps are filtered by the kernel. */
  readonly strictCheck: boolean;
  /** Joins a multicast group of its protocol (RTNLGRP_* for NETLINK_ROUTE). Throws an error with `errno`. */
  join(group: number): void;
  /** The kernel has worked through `bytes` when this returns. Throws an error with `errno`. */
  send(bytes: Buffer): void;
  /** Keeps the event loop alive while an answer or event is awaited. */
  ref(): void;
  unref(): void;
  /** Idempotent. No callback runs after it. */
  close(): void;
}

export interface Transport {
  readonly name: 'native' | 'library' | 'scripted';
  /** Errors carry the kernel's text. */
  readonly extendedAck: boolean;
  /** `protocol` is a NETLINK_PROTOCOL value, `route` unless told. Throws an error with `errno`. */
  open(listener: SocketListener, protocol?: number): NetlinkSocket;
}

/** The positive errno of what a transport threw; EIO when it is not a system error. */
export function errnoOf(error: unknown): number {
  // Not instanceof: an addon's errors are of the realm that it was loaded in.
  const errno = typeof error === 'object' && error !== null && 'errno' in error ? error.errno : undefined;
  return typeof errno === 'number' && errno !== 0 ? Math.abs(errno) : constants.errno.EIO;
}
