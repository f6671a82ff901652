import type { LeaseAttrs, LeaseSubnets } from '../../lease/lease';

/** One entry as it stands in a file. */
export type ScannedEntry =
  ScannedLease | { readonly kind: 'skipped'; readonly identity: string; readonly reason: string };

export interface ScannedLease extends LeaseSubnets {
  readonly kind: 'lease';
  /** Equal for equal content, as far as it is visible: a renewal changes the time to live only, and not this. */
  readonly identity: string;
  readonly attrs: LeaseAttrs;
  /** Order in which the entries came to be, the same on every node. */
  readonly createRevision: bigint;
  readonly reservation: boolean;
}

/** Everything that a source held at one moment. */
export interface Scan {
  /** The network config's text; null when there is none. */
  readonly config: string | null;
  /** By key. */
  readonly entries: ReadonlyMap<string, ScannedEntry>;
}

/** Where scans come from: a nodes file, or a directory of entries. */
export interface ScanSource {
  /** Path to be watched for changes; a file's or a directory's. */
  readonly path: string;
  /** Rejects, with any error, when the source as a whole cannot be read; a single bad entry is part of the scan. */
  scan(): Promise<Scan>;
}
