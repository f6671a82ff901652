import type { Ipv4Address, IpPrefix, MacAddress } from '@tartan/core';

/* What the programs read and count, in the layouts of native/bpf/kernel-path.bpf.c: host order is little-endian, the rest network order. */

export const CONFIG_BYTES = 52;
export const PEER_BYTES = 8;
export const KEY_BYTES = { 4: 4 + 4, 6: 4 + 16 } as const;
const SECRET_OFFSET = 42;
const SECRET_BYTES = 6;
/** The I flag: the VNI is valid (RFC 7348 section 5). */
const VXLAN_FLAGS = 0x08;

export interface PathConfig {
  readonly uplinkIndex: number;
  readonly tunIndex: number;
  readonly localAddress: Ipv4Address;
  readonly port: number;
  /** Of inner packets; larger ones that are no super-packets go to the loop. */
  readonly mtuBytes: number;
  readonly vxlan: { readonly port: number; readonly vni: number; readonly mac: MacAddress };
  /** 6 bytes, which datagrams that were checked carry to the VXLAN device. */
  readonly secret: Uint8Array;
}

export function encodeConfig({
  uplinkIndex,
  tunIndex,
  localAddress,
  port,
  mtuBytes,
  vxlan,
  secret,
}: PathConfig): Buffer {
  const bytes = Buffer.alloc(CONFIG_BYTES);
  bytes.writeUInt32LE(uplinkIndex, 0);
  localAddress.toBytes().copy(bytes, 4);
  bytes.writeUInt16BE(port, 8);
  bytes.writeUInt32LE(mtuBytes, 12);
  bytes.writeUInt32LE(tunIndex, 16);
  bytes.writeUInt16BE(vxlan.port, 22);
  bytes.writeUInt8(VXLAN_FLAGS, 28);
  bytes.writeUIntBE(vxlan.vni, 32, 3);
  vxlan.mac.toBytes().copy(bytes, 36);
  bytes.set(secret, SECRET_OFFSET);
  return bytes;
}

export function secretOf(config: Buffer): Buffer {
  return config.subarray(SECRET_OFFSET, SECRET_OFFSET + SECRET_BYTES);
}

/** A peer that is reached through the kernel, and one of its prefixes. */
export interface KernelPathPeer {
  readonly prefix: IpPrefix;
  readonly endpoint: { readonly address: Ipv4Address; readonly port: number };
}

/** Key of the longest-prefix tables: struct bpf_lpm_trie_key (include/uapi/linux/bpf.h, v6.1). */
export function encodePrefix({ address, length }: IpPrefix): Buffer {
  const bytes = address.toBytes();
  const key = Buffer.alloc(4 + bytes.length);
  key.writeUInt32LE(length, 0);
  bytes.copy(key, 4);
  return key;
}

export function encodeEndpoint({ address, port }: KernelPathPeer['endpoint']): Buffer {
  const bytes = Buffer.alloc(PEER_BYTES);
  address.toBytes().copy(bytes, 0);
  bytes.writeUInt16BE(port, 4);
  return bytes;
}

export interface TableDelta {
  /** Entries, key and value behind each other. */
  readonly upserts: Buffer;
  readonly deletes: Buffer;
}

/** What turns the entries `current`, packed, into `wanted`; of two peers with one prefix the last counts. Pure. */
export function tableDelta(current: Buffer, wanted: readonly KernelPathPeer[], keyBytes: number): TableDelta {
  const left = new Map<string, string>();
  for (let at = 0; at < current.length; at += keyBytes + PEER_BYTES) {
    const value = at + keyBytes;
    left.set(current.toString('hex', at, value), current.toString('hex', value, value + PEER_BYTES));
  }
  const entries = wanted.map(
    ({ prefix, endpoint }) => [encodePrefix(prefix).toString('hex'), encodeEndpoint(endpoint).toString('hex')] as const,
  );
  const last = new Map(entries);
  const upserts = [...last].filter(([key, value]) => left.get(key) !== value).flat();
  const deletes = [...left.keys()].filter((key) => !last.has(key));
  return { upserts: Buffer.from(upserts.join(''), 'hex'), deletes: Buffer.from(deletes.join(''), 'hex') };
}

/** enum counter of the source, in its order. */
const COUNTERS = [
  'txPackets',
  'txBytes',
  'rxPackets',
  'rxBytes',
  'txLeftTtl',
  'txLeftTooBig',
  'txLeftUnsuitable',
  'rxLeftAggregate',
  'rxLeftForeign',
  'droppedNoRoom',
  'droppedForged',
] as const;

export const COUNTER_BYTES = COUNTERS.length * 8;

/**
 * Counters since the programs were loaded; they only grow. A super-packet counts as the packets that it becomes, its bytes once.
 *
 * - `txLeft...`: packets to a peer in the tables that went on to the loop: it answers (TTL, too big), or only it can carry them.
 * - `rxLeftAggregate`: the datagram is not exactly one inner packet; `rxLeftForeign`: no peer of the tables sent it. The socket gets both.
 * - `droppedNoRoom`: memory was short; `droppedForged`: somebody wrote to the VXLAN device's port.
 */
export type KernelPathStats = Readonly<Record<(typeof COUNTERS)[number], bigint>>;

/** Adds up the values of all CPUs, `cpus` times COUNTER_BYTES behind a key. */
export function decodeCounters(entry: Buffer, keyBytes: number): KernelPathStats {
  const sums = COUNTERS.map((name, place) => {
    let sum = 0n;
    for (let at = keyBytes + place * 8; at < entry.length; at += COUNTER_BYTES) sum += entry.readBigUInt64LE(at);
    return [name, sum] as const;
  });
  return Object.fromEntries(sums) as KernelPathStats;
}

/** The number of CPUs that per-CPU maps have values for, from /sys/devices/system/cpu/possible: `0-3` or `0,2-5`. */
export function countCpus(list: string): number {
  const last = list.trim().split(/[,-]/).map(Number).at(-1) ?? 0;
  return last + 1;
}
