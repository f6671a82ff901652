import type { DataPathCounters } from '@tartan/core';
import type { PacketLoopStats } from './packet-loop';

export const noCounters: DataPathCounters = {
  txPackets: 0n,
  txBytes: 0n,
  rxPackets: 0n,
  rxBytes: 0n,
  operations: {},
  drops: {},
};

/** What a loop has counted, on top of what the loops before it had: counters never go back. */
export function addCounters(
  before: DataPathCounters,
  { tunReads, tunWrites, udpSends, udpReceives, drops, ...packets }: PacketLoopStats,
): DataPathCounters {
  const operations = { tunReads, tunWrites, udpSends, udpReceives };
  return {
    txPackets: before.txPackets + packets.txPackets,
    txBytes: before.txBytes + packets.txBytes,
    rxPackets: before.rxPackets + packets.rxPackets,
    rxBytes: before.rxBytes + packets.rxBytes,
    operations: sum(before.operations, operations),
    drops: sum(before.drops, drops),
  };
}

type Counts = Readonly<Record<string, bigint>>;

function sum(a: Counts, b: Counts): Counts {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0n) + (b[name] ?? 0n)]));
}
