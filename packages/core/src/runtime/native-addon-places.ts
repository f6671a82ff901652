import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Where a package's native addon may lie: built here from source (native/build/Release), or shipped with the package for this machine
 * (prebuilds/<platform>-<arch>[-musl], made by scripts/prebuild.mjs).
 *
 * The C library has to be known beforehand, trying is not enough: musl's loader takes itself for libc.so.6 (ldso/dynlink.c, load_library)
 * and so loads many an addon that was linked against glibc, which then meets structures of another layout.
 */

/** The program header that names the loader (PT_INTERP) comes right after the ELF header; its text follows in the first page. */
const INTERPRETER_WITHIN_BYTES = 4096;

export interface NativeTarget {
  readonly platform: string;
  readonly arch: string;
  /** The running Node; its loader tells the C library. */
  readonly program: string;
}

const RUNNING: NativeTarget = { platform: process.platform, arch: process.arch, program: process.execPath };

/** The folder of prebuilds for a machine: `linux-x64`, `linux-arm64-musl`, ... A program that cannot be read counts as glibc's. */
export function prebuildTarget({ platform, arch, program }: NativeTarget = RUNNING): string {
  const musl = platform === 'linux' && usesMusl(program);
  return `${platform}-${arch}${musl ? '-musl' : ''}`;
}

/** Paths in the order in which to try them; what was built here goes before what was shipped. They need not exist. */
export function nativeAddonPlaces(packageRoot: string, file: string): readonly string[] {
  return [
    join(packageRoot, 'native', 'build', 'Release', file),
    join(packageRoot, 'prebuilds', prebuildTarget(), file),
  ];
}

function usesMusl(program: string): boolean {
  const head = Buffer.alloc(INTERPRETER_WITHIN_BYTES);
  try {
    const file = openSync(program, 'r');
    try {
      readSync(file, head);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
  return head.includes('/ld-musl-');
}
