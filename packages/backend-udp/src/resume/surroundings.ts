import { readFileSync, readlinkSync } from 'node:fs';

/** Where a loop runs, as far as a later process must be in the same place to go on with it. */
export interface Surroundings {
  /** proc(5), /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** `net:[4026531840]`, namespaces(7). Unique among the namespaces that exist. */
  readonly networkNamespace: string;
}

/** Throws what the file system says. */
export function readSurroundings(): Surroundings {
  return {
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    networkNamespace: readlinkSync('/proc/self/ns/net'),
  };
}
