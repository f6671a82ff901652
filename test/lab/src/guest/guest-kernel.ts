import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { missingTools } from '../tools';
import { repositoryRoot } from '../programs';

/** Where scripts/guest-kernel unpacks Debian's kernel: one folder per release. */
const cache = join(repositoryRoot, 'node_modules', '.cache', 'guest-kernel');

/** An unpacked kernel, with modules.dep beside its modules. */
export interface GuestKernel {
  /** What `uname -r` says: `6.1.0-56-amd64`. */
  readonly release: string;
  /** The file to boot. */
  readonly image: string;
  /** The folder of modules.dep. */
  readonly modules: string;
}

/** `folder` holds what the package of a kernel holds, with depmod run over it. An unpacked vmlinux is preferred: it starts sooner. */
export function guestKernelIn(folder: string, release: string): GuestKernel {
  const images = ['vmlinux', 'vmlinuz'].map((name) => join(folder, 'boot', `${name}-${release}`));
  const image = images.find((path) => existsSync(path)) ?? join(folder, 'boot', `vmlinuz-${release}`);
  return { release, image, modules: join(folder, 'lib', 'modules', release) };
}

/** The kernel that scripts/setup has fetched, or, where guests cannot run, the reason in a line. */
export function findGuestKernel(): GuestKernel | string {
  const missing = missingTools(['qemu-system-x86_64', 'busybox', 'setpriv']);
  if (missing.length > 0) return `${missing.join(', ')} missing; run scripts/setup`;
  const releases = existsSync(cache) ? readdirSync(cache).filter((name) => !name.startsWith('.')) : [];
  const [release] = releases.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return release === undefined
    ? 'no kernel was fetched; run scripts/guest-kernel'
    : guestKernelIn(join(cache, release), release);
}

/** True for `6.1.0-56-amd64` and [6, 1], not for [6, 2]. */
export function isAtLeast({ release }: GuestKernel, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, below = 0] = release.split('.').map((part) => parseInt(part, 10));
  return ours > major || (ours === major && below >= minor);
}

/** The kernel to test with; undefined, said aloud, where guests cannot run. With CI=true that is an error instead. */
export function guestKernelOrSkip(what: string): GuestKernel | undefined {
  const found = findGuestKernel();
  if (typeof found !== 'string') return found;
  if (process.env['CI'] === 'true') throw new Error(`${what} cannot be tested: ${found}`);
  console.warn(`SKIPPED: ${what}: ${found}`);
  return undefined;
}
