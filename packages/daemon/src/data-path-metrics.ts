import type { DataPathStatus } from '@tartan/core';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Where the status comes from; null until there is a backend with a data path of its own. */
export interface DataPathSource {
  status: (() => DataPathStatus | null) | null;
}

/** Counters of a backend's own data path, such as the packet loop of udp. Read at each scrape, nothing is counted in between. */
export function createDataPathMetrics(registry: Registry): DataPathSource {
  const source: DataPathSource = { status: null };
  const registers = [registry];
  const counter: AddCounter = (name, help, label, read) => {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        const status = source.status?.() ?? null;
        for (const [value, count] of Object.entries(status ? read(status) : {})) {
          this.inc({ [label]: value }, Number(count));
        }
      },
    });
  };
  counter('tartan_data_path_packets_total', 'Packets of pods carried in user space', 'direction', ({ counters }) => ({
    tx: counters.txPackets,
    rx: counters.rxPackets,
  }));
  counter('tartan_data_path_bytes_total', 'Bytes of those packets, without encapsulation', 'direction', (status) => ({
    tx: status.counters.txBytes,
    rx: status.counters.rxBytes,
  }));
  counter('tartan_data_path_drops_total', 'Packets dropped in user space, by cause', 'cause', (status) => {
    return status.counters.drops;
  });
  counter('tartan_data_path_operations_total', 'System calls that moved packets, by kind', 'operation', (status) => {
    return status.counters.operations;
  });
  addBypassMetrics(source, registers, counter);
  new Gauge({
    name: 'tartan_data_path_feature',
    help: '1 while the named offload of the data path is in use, 0 while it is not',
    labelNames: ['feature'],
    registers,
    collect() {
      this.reset();
      for (const { name, on } of source.status?.()?.features ?? []) this.set({ feature: name }, on ? 1 : 0);
    },
  });
  return source;
}

function addBypassMetrics(source: DataPathSource, registers: Registry[], counter: AddCounter): void {
  const name = (suffix: string): string => `tartan_data_path_bypass_${suffix}`;
  const directions = (tx: bigint | undefined, rx: bigint | undefined): Counts =>
    tx === undefined || rx === undefined ? {} : { tx, rx };
  counter(name('packets_total'), 'Packets of pods that went past user space', 'direction', ({ bypass }) =>
    directions(bypass?.txPackets, bypass?.rxPackets),
  );
  counter(name('bytes_total'), 'Bytes of those packets, without encapsulation', 'direction', ({ bypass }) =>
    directions(bypass?.txBytes, bypass?.rxBytes),
  );
  counter(name('left_total'), 'Packets left to user space after all, by cause', 'cause', ({ bypass }) => {
    return bypass?.left ?? {};
  });
  counter(name('drops_total'), 'Packets dropped by what goes past user space, by cause', 'cause', ({ bypass }) => {
    return bypass?.drops ?? {};
  });
  new Gauge({
    name: name('peers'),
    help: 'Prefixes of peers that are reached past user space',
    registers,
    collect() {
      this.set(source.status?.()?.bypass?.peers.length ?? 0);
    },
  });
}

type AddCounter = (name: string, help: string, label: string, read: (status: DataPathStatus) => Counts) => void;

type Counts = Readonly<Record<string, bigint>>;
