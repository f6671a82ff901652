import { join } from 'node:path';
import { prebuildTarget, TartanError } from '@tartan/core';
import { requireFirst } from '../native/require-first';

/** A map as the kernel knows it: include/uapi/linux/bpf.h (v6.1), bpf_map_info. */
export interface MapSpec {
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
  readonly flags: number;
  /** Up to 15 characters. */
  readonly name: string;
}

/**
 * The functions of native/bpf. Descriptors are the caller's to close. Each throws an error with `errno` (positive) and `syscall`;
 * loadProgram's also has the verifier's `log`.
 */
export interface BpfAddon {
  createMap(
    type: number,
    keyBytes: number,
    valueBytes: number,
    entriesMax: number,
    flags: number,
    name: string,
  ): number;
  loadProgram(instructions: Uint8Array, license: string, name: string): number;
  programById(id: number): number;
  mapById(id: number): number;
  /** Ids of the maps that a program uses. */
  programMaps(descriptor: number): number[];
  describeMap(descriptor: number): MapSpec;
  /** `entries`: key and value, one behind the other. */
  updateElements(descriptor: number, keyBytes: number, valueBytes: number, entries: Uint8Array): void;
  /** What is gone already is no error. */
  deleteElements(descriptor: number, keyBytes: number, keys: Uint8Array): void;
  readElements(descriptor: number, keyBytes: number, valueBytes: number): Buffer;
  closeDescriptor(descriptor: number): void;
  /** One rtnetlink request in the namespace at the path `netns` ('': that of the process), and all of its answer. */
  routeRequest(netns: string, request: Uint8Array): Buffer;
}

const FILE = 'tartan_udp_bpf.node';
/** From src/kernel-path as well as from dist/kernel-path. */
const packageRoot = join(__dirname, '..', '..');

/** What was built here goes before what was shipped. */
const places = [
  join(packageRoot, 'native', 'bpf', 'build', 'Release', FILE),
  join(packageRoot, 'prebuilds', prebuildTarget(), FILE),
];

/** The object file with the programs, shipped as it is: it is the same for all little-endian machines. */
export const objectFilePath = join(packageRoot, 'native', 'bpf', 'kernel-path.bpf.o');

let loaded: BpfAddon | undefined;

/**
 * Loads the addon when it is asked for first. Throws UDP_KERNEL_PATH_UNAVAILABLE when it is neither built nor shipped for this machine,
 * or does not load.
 */
export function loadBpfAddon(): BpfAddon {
  loaded ??= loadBpfAddonFrom(places);
  return loaded;
}

/** The first of `candidates` that exists and loads. Throws as loadBpfAddon does. */
export function loadBpfAddonFrom(candidates: readonly string[]): BpfAddon {
  return requireFirst(candidates, (cause) => {
    const problem = cause?.message ?? 'it is neither built nor shipped for this machine';
    const reason = `the addon ${FILE} does not load: ${problem} (node scripts/build-native.mjs builds it)`;
    return new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason }, { cause });
  }) as BpfAddon;
}
