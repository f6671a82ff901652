import { getSystemErrorName } from 'node:util';
import { TartanError } from '@tartan/core';
import type { BpfAddon, MapSpec } from './addon';
import { linkProgram, type ObjectFile, type ObjectProgram } from './object-file';

/** Maps of the object file, by their names there. */
export type MapName = 'config_map' | 'counters_map' | 'peers4' | 'peers6';
export type ProgramName = 'tun_egress' | 'uplink_ingress' | 'tunnel_ingress';

export interface LoadOptions {
  readonly addon: BpfAddon;
  readonly object: ObjectFile;
  /** CPUs that per-CPU maps have values for. */
  readonly cpus: number;
}

/**
 * The programs and their maps in the kernel. They stay there as long as a descriptor or a filter holds them: attached programs, and
 * the maps that they use, outlive the process without being pinned anywhere.
 */
export class ProgramSet {
  private constructor(
    private readonly addon: BpfAddon,
    private readonly maps: Map<string, { readonly descriptor: number; readonly spec: MapSpec }>,
    private readonly programs: Map<string, number>,
    private readonly cpus: number,
    readonly adopted: boolean,
  ) {}

  /** Throws UDP_KERNEL_PATH_UNAVAILABLE, or UDP_KERNEL_PATH_REFUSED with the verifier's log. Nothing is left behind then. */
  static load({ addon, object, cpus }: LoadOptions): ProgramSet {
    const opened: number[] = [];
    const keep = (descriptor: number): number => {
      opened.push(descriptor);
      return descriptor;
    };
    try {
      const maps = new Map(
        object.maps.map((spec) => [spec.name, { spec, descriptor: keep(createMap(addon, spec)) }] as const),
      );
      const descriptorOf = (name: string): number => maps.get(name)?.descriptor ?? -1;
      const programs = new Map(
        object.programs.map((program) => {
          const instructions = linkProgram(program, descriptorOf);
          return [program.name, keep(loadProgram(addon, program, instructions, object.license))] as const;
        }),
      );
      return new ProgramSet(addon, maps, programs, cpus, false);
    } catch (error) {
      opened.forEach((descriptor) => addon.closeDescriptor(descriptor));
      throw error;
    }
  }

  /**
   * The set that programs in the kernel belong to, by their ids. Undefined when they do not share the maps that the object file
   * describes, or are gone by now, or may not be opened (that takes CAP_SYS_ADMIN).
   */
  static adopt(
    { addon, object, cpus }: LoadOptions,
    programIds: ReadonlyMap<ProgramName, number>,
  ): ProgramSet | undefined {
    const opened: number[] = [];
    const keep = (descriptor: number): number => {
      opened.push(descriptor);
      return descriptor;
    };
    try {
      const programs = new Map([...programIds].map(([name, id]) => [name, keep(addon.programById(id))] as const));
      const used = [...programs.values()].map((descriptor) => new Set(addon.programMaps(descriptor)));
      const ids = [...new Set(used.flatMap((each) => [...each]))];
      const found = ids.map((id) => {
        const descriptor = keep(addon.mapById(id));
        return { id, descriptor, spec: addon.describeMap(descriptor) };
      });
      const maps = new Map(found.map(({ descriptor, spec }) => [spec.name, { descriptor, spec }] as const));
      const configId = found.find(({ spec }) => spec.name === 'config_map')?.id ?? 0;
      const shared = used.every((each) => each.has(configId)) && found.length === object.maps.length;
      if (shared && object.maps.every((spec) => isSame(spec, maps.get(spec.name)?.spec))) {
        return new ProgramSet(addon, maps, programs, cpus, true);
      }
    } catch {
      // Whatever stands in the way: a set of our own is as good.
    }
    opened.forEach((descriptor) => addon.closeDescriptor(descriptor));
    return undefined;
  }

  /** To attach. */
  descriptorOf(program: ProgramName): number {
    const descriptor = this.programs.get(program);
    if (descriptor === undefined) throw unavailableText(`there is no program ${program}`);
    return descriptor;
  }

  /** All entries, packed. Of a per-CPU map, with a value for each CPU. */
  read(name: MapName): Buffer {
    const { descriptor, spec } = this.map(name);
    const values = name === 'counters_map' ? this.cpus : 1;
    return this.addon.readElements(descriptor, spec.keyBytes, spec.valueBytes * values);
  }

  /** Throws when the table is full (ENOSPC) or memory is short (ENOMEM): UDP_KERNEL_PATH_UNAVAILABLE. */
  update(name: MapName, entries: Uint8Array): void {
    const { descriptor, spec } = this.map(name);
    try {
      this.addon.updateElements(descriptor, spec.keyBytes, spec.valueBytes, entries);
    } catch (error) {
      throw unavailable(`write to ${name}`, error);
    }
  }

  delete(name: MapName, keys: Uint8Array): void {
    const { descriptor, spec } = this.map(name);
    this.addon.deleteElements(descriptor, spec.keyBytes, keys);
  }

  /** Idempotent. What is attached stays. */
  close(): void {
    for (const { descriptor } of this.maps.values()) this.addon.closeDescriptor(descriptor);
    for (const descriptor of this.programs.values()) this.addon.closeDescriptor(descriptor);
    this.maps.clear();
    this.programs.clear();
  }

  private map(name: MapName): { readonly descriptor: number; readonly spec: MapSpec } {
    const map = this.maps.get(name);
    if (!map) throw unavailableText(`there is no table ${name}`);
    return map;
  }
}

function createMap(addon: BpfAddon, { type, keyBytes, valueBytes, entriesMax, flags, name }: MapSpec): number {
  try {
    return addon.createMap(type, keyBytes, valueBytes, entriesMax, flags, name);
  } catch (error) {
    throw unavailable(`make the table ${name}`, error);
  }
}

function loadProgram(addon: BpfAddon, { name }: ObjectProgram, instructions: Buffer, license: string): number {
  try {
    return addon.loadProgram(instructions, license, name);
  } catch (error) {
    const { errno, log } = error as { errno: number; log?: string };
    if (log === undefined) throw unavailable(`load the program ${name}`, error);
    const data = { program: name, errno, errnoName: getSystemErrorName(-errno), log };
    throw new TartanError('UDP_KERNEL_PATH_REFUSED', data, { cause: error });
  }
}

function unavailable(operation: string, cause: unknown): TartanError {
  const { errno } = cause as { errno?: number };
  const name = errno === undefined ? 'failed' : getSystemErrorName(-errno);
  const hint = name === 'EPERM' ? ' (needs root outside of user namespaces: CAP_BPF and CAP_NET_ADMIN)' : '';
  return new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason: `${operation}: ${name}${hint}` }, { cause });
}

function unavailableText(reason: string): TartanError {
  return new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason });
}

function isSame(a: MapSpec, b: MapSpec | undefined): boolean {
  const shape = (spec?: MapSpec): string => [spec?.type, spec?.keyBytes, spec?.valueBytes, spec?.entriesMax].join();
  return shape(a) === shape(b);
}
