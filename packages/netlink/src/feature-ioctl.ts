import { isTartanError, type KernelOpResult, type LinkFeature } from '@tartan/core';
import { describeOp } from './describe-op';
import { errnoNumber, kernelRefused } from './errno';
import type { FeaturesOp } from './ethtool';
import { loadNativeAddon, type NativeFeatures } from './transport/native-addon';
import { errnoOf } from './transport/transport';

/*
 * Device features through the SIOCETHTOOL ioctl, which every kernel has: ETHTOOL_GFEATURES and ETHTOOL_SFEATURES in
 * net/ethtool/ioctl.c, v6.1 (net/core/ethtool.c before 5.6). It knows the same features as ethtool's netlink interface, as numbered bits
 * that have names; 32 of them are a block, of four words when read and of two when written. The kernel leaves out silently what it
 * cannot change, so what is refused is decided here, in the same way as over netlink.
 */

/** The ioctl in one network namespace. Both throw an error with `errno`. */
export interface FeatureIoctl {
  read(ifindex: number): NativeFeatures;
  /** As many blocks as read() gives, each `valid` and `requested`. */
  write(ifindex: number, blocks: Uint32Array): void;
}

/** Undefined without the native addon. `netns` is a path, '' for the process's own. */
export function nativeFeatureIoctl(netns: string): FeatureIoctl | undefined {
  const addon = loadNativeAddon();
  return (
    addon && {
      read: (ifindex) => addon.readFeatures(netns, ifindex),
      write: (ifindex, blocks) => addon.writeFeatures(netns, ifindex, blocks),
    }
  );
}

const BITS_PER_BLOCK = 32;
/** Words of a block that is read, and of one that is written. */
const READ = { available: 0, requested: 1, active: 2, neverChanged: 3, words: 4 } as const;
const WRITE = { valid: 0, requested: 1, words: 2 } as const;

/** Features of devices over the ioctl. */
export class IoctlFeatures {
  constructor(private readonly ioctl: FeatureIoctl) {}

  /** Throws KERNEL_REFUSED (ENODEV). */
  list(ifindex: number): ReadonlyMap<string, LinkFeature> {
    return decode(this.read(`list features of dev ${ifindex}`, ifindex));
  }

  /** What is unknown spoils the whole op, what is fixed only itself. Throws nothing. */
  apply(op: FeaturesOp): KernelOpResult {
    try {
      this.write(describeOp(op), op);
      return { ok: true };
    } catch (error) {
      if (!isTartanError(error, 'KERNEL_REFUSED')) throw error;
      return { ok: false, error };
    }
  }

  private write(operation: string, { ifindex, features }: FeaturesOp): void {
    const found = this.read(operation, ifindex);
    const known = decode(found);
    const unknown = Object.keys(features).filter((name) => !known.has(name));
    if (unknown.length > 0) throw notPossible(operation, 'bit name not found', unknown);
    const changes = Object.entries(features).filter(([name]) => known.get(name)?.changeable === true);
    refusing(operation, () => this.ioctl.write(ifindex, encode(found, new Map(changes))));
    const fixed = Object.entries(features).filter(([name, on]) => isFixedOtherwise(known.get(name), on));
    if (fixed.length > 0) throw notPossible(operation, 'fixed on this device', fixed.map(nameOf));
  }

  private read(operation: string, ifindex: number): NativeFeatures {
    return refusing(operation, () => this.ioctl.read(ifindex));
  }
}

function decode({ names, blocks }: NativeFeatures): Map<string, LinkFeature> {
  const features = new Map<string, LinkFeature>();
  names.forEach((name, bit) => {
    const has = (word: number): boolean => ((blocks[place(bit, READ.words) + word] ?? 0) & mask(bit)) !== 0;
    const changeable = has(READ.available) && !has(READ.neverChanged);
    // A number that this kernel does not use has no name.
    if (name !== '') features.set(name, { active: has(READ.active), wanted: has(READ.requested), changeable });
  });
  return features;
}

function encode({ names, blocks }: NativeFeatures, changes: ReadonlyMap<string, boolean>): Uint32Array {
  const written = new Uint32Array((blocks.length / READ.words) * WRITE.words);
  const set = (word: number, bit: number): void => {
    const index = place(bit, WRITE.words) + word;
    written[index] = (written[index] ?? 0) | mask(bit);
  };
  names.forEach((name, bit) => {
    const on = changes.get(name);
    if (on !== undefined) set(WRITE.valid, bit);
    if (on === true) set(WRITE.requested, bit);
  });
  return written;
}

/** First word of the block that a bit is in. */
function place(bit: number, wordsPerBlock: number): number {
  return Math.floor(bit / BITS_PER_BLOCK) * wordsPerBlock;
}

function mask(bit: number): number {
  return 1 << (bit % BITS_PER_BLOCK);
}

function isFixedOtherwise(feature: LinkFeature | undefined, on: boolean): boolean {
  return feature?.changeable !== true && feature?.active !== on;
}

function nameOf([name]: readonly [string, boolean]): string {
  return name;
}

function notPossible(operation: string, why: string, names: readonly string[]): ReturnType<typeof kernelRefused> {
  return kernelRefused(operation, errnoNumber('EOPNOTSUPP'), `${why}: ${names.join(', ')}`);
}

function refusing<Result>(operation: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw kernelRefused(operation, errnoOf(error));
  }
}
