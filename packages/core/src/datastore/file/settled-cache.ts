import type { BigIntStats } from 'node:fs';
import type { Clock } from '../../runtime';

/** Longer than any file system's time stamps are coarse. */
const SETTLE_MS = 2_500;

interface Cached<Value> {
  readonly identity: string;
  readonly firstSeenAt: number;
  readonly readAt: number;
  readonly value: Value;
}

/**
 * Contents of files by path, read again only when the file's identity changes. Time stamps are coarse (4 ms on local disks, a
 * second and more on some shares), so that a second change may leave no trace in them: what was read soon after a change is
 * therefore read again, and only a later reading is kept.
 */
export class SettledCache<Value> {
  private readonly byPath = new Map<string, Cached<Value>>();

  constructor(private readonly clock: Clock) {}

  async get(path: string, stats: BigIntStats, read: () => Promise<Value>): Promise<Value> {
    const identity = identityOf(stats);
    const now = this.clock.monotonic();
    const cached = this.byPath.get(path);
    const same = cached?.identity === identity ? cached : null;
    if (same && same.readAt - same.firstSeenAt >= SETTLE_MS) return same.value;
    const value = await read();
    this.byPath.set(path, { identity, firstSeenAt: same?.firstSeenAt ?? now, readAt: now, value });
    return value;
  }

  /** Forgets all paths but these. */
  retain(paths: ReadonlySet<string>): void {
    for (const path of this.byPath.keys()) if (!paths.has(path)) this.byPath.delete(path);
  }
}

function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}
