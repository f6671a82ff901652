import type { Clock } from '../runtime';

/** Times to live by id, as etcd's leases are: a key refers to one, several keys may, and it outlives them. */
export class MemoryLeases {
  /** Id to the monotonic time at which it ends. */
  private ends = new Map<number, number>();
  private last = 0;

  constructor(private readonly clock: Clock) {}

  /** Null for a key that never expires. */
  grant(ttlSeconds: number | null): number | null {
    if (ttlSeconds === null) return null;
    this.extend(++this.last, ttlSeconds);
    return this.last;
  }

  extend(id: number, ttlSeconds: number): void {
    this.ends.set(id, this.clock.monotonic() + ttlSeconds * 1000);
  }

  revoke(id: number | null): void {
    if (id !== null) this.ends.delete(id);
  }

  isLive(id: number): boolean {
    return this.ends.has(id);
  }

  /** Milliseconds since the epoch, null for no lease. */
  expiresAt(id: number | null): number | null {
    return id === null ? null : this.clock.now() + (this.ends.get(id) ?? 0) - this.clock.monotonic();
  }

  /** Ids whose time is up; they are not live any more. */
  takeExpired(): number[] {
    const now = this.clock.monotonic();
    const expired = [...this.ends].filter(([, end]) => end <= now).map(([id]) => id);
    for (const id of expired) this.ends.delete(id);
    return expired;
  }

  /** Milliseconds until the next one ends, null when there is none. */
  nextEndMs(): number | null {
    if (this.ends.size === 0) return null;
    return Math.max(0, Math.min(...this.ends.values()) - this.clock.monotonic());
  }

  backup(): ReadonlyMap<number, number> {
    return new Map(this.ends);
  }

  /** No id is ever used twice, also not after going back. */
  restore(backup: ReadonlyMap<number, number>): void {
    this.ends = new Map(backup);
  }
}
