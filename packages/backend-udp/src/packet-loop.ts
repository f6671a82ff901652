import type { IpAddress, IpPrefix } from '@tartan/core';

/*
 * The contract of the packet loop: native threads that move packets between a TUN device and UDP sockets. JavaScript gives it
 * tables and reads counters; it never touches a packet.
 *
 *   pod ─▶ kernel route ─▶ TUN ─▶ loop ─▶ UDP datagram to the endpoint whose prefix matches ─▶ loop of the peer ─▶ TUN ─▶ pod
 *
 * On the wire one UDP datagram is one raw inner IP packet, without any header of ours (flanneld's udp backend).
 */

/** What the loop may use of the kernel; a switch that is off is never tried. All on unless told. */
export interface PacketLoopOffloads {
  /** TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6: super-packets out of the TUN. */
  readonly tunTso?: boolean;
  /** TUN_F_USO4 and TUN_F_USO6 (Linux 6.2). */
  readonly tunUso?: boolean;
  /** UDP_SEGMENT on send (Linux 4.18). */
  readonly udpSegment?: boolean;
  /** UDP_GRO on receive (Linux 5.0). */
  readonly udpGro?: boolean;
  /** Coalescing of received packets into one write to the TUN. Needs tunTso. */
  readonly coalesce?: boolean;
}

export interface PacketLoopOptions {
  /** The TUN: made persistent and multi-queue if absent, adopted if it is there. It stays when the loop stops. */
  readonly tunName: string;
  /** MTU of the TUN, bytes, without any encapsulation. */
  readonly mtuBytes: number;
  /** Addresses to bind to, at most one of each family, and the one port of all. */
  readonly listen: { readonly ipv4?: IpAddress; readonly ipv6?: IpAddress; readonly port: number };
  /** Threads, each with a TUN queue and a socket of its own and moving both directions. 1 unless told. */
  readonly queues?: number;
  readonly offloads?: PacketLoopOffloads;
  /** Seconds between keep-alives to peers, and learning of their real source addresses; 0 (default): off. */
  readonly keepaliveSeconds?: number;
}

/** Where packets to a prefix go. */
export interface PacketRoute {
  readonly prefix: IpPrefix;
  readonly endpoint: { readonly address: IpAddress; readonly port: number };
  /**
   * Source address of ICMP errors about packets to this prefix: inside the prefix, so that the kernel, whose route to it leads
   * into the TUN, does not drop the error as martian.
   */
  readonly icmpSource: IpAddress;
}

/** One feature, whether it is in use, and why not. */
export interface PacketLoopFeature {
  readonly name: keyof PacketLoopOffloads;
  readonly on: boolean;
  /** Why it is off: `switched off`, `EINVAL from TUNSETOFFLOAD`, ... Absent while on. */
  readonly reason?: string;
}

/** Counters since start; they only grow. Packets are inner IP packets, bytes are inner bytes. */
export interface PacketLoopStats {
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  /** System calls that moved them: how well packets were carried together. */
  readonly tunReads: bigint;
  readonly tunWrites: bigint;
  readonly udpSends: bigint;
  readonly udpReceives: bigint;
  /** Dropped packets by cause, e.g. `no-route`, `multicast`, `unknown-peer`, `spoofed-source`, `malformed`, `truncated`, `ttl`, `too-big`, `tun-full`, `send-buffer`. */
  readonly drops: Readonly<Record<string, bigint>>;
}

/** Errors: PACKET_LOOP_* of the package's table, with the errno in `data`. */
export interface PacketLoop {
  /** Opens TUN and sockets and starts the threads. Rejects with everything released. Once per loop. */
  start(): Promise<void>;
  /** The whole table; packets see either the old or the new one. Cheap enough for every snapshot (10,000 routes). */
  setRoutes(routes: readonly PacketRoute[]): void;
  /** What is in use now; features can be given up while running (EIO from UDP_SEGMENT, for example). */
  features(): readonly PacketLoopFeature[];
  stats(): PacketLoopStats;
  /** Resolves when all threads have ended and all descriptors are closed; the TUN stays. Idempotent. */
  stop(): Promise<void>;
}

/** Makes a loop; nothing is opened before start(). */
export type CreatePacketLoop = (options: PacketLoopOptions) => PacketLoop;
