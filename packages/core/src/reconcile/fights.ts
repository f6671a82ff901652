import type { Finding } from './kernel-state';
import type { Clock, Random } from '../runtime';
import { BackOff } from '../runtime';

/*
 * Somebody undoes our work: a network manager that owns the interface, a second daemon, a script. Repairing at once each time
 * would burn both sides' CPU for ever, and nobody would learn of it. So repairs are counted per object; past a limit the
 * object rests between repairs for longer and longer, and a finding says so. After a quiet time all is forgotten.
 *
 * Not counted are repairs that follow from an interface going down or away: the kernel drops what hangs on it.
 */

export interface FightOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Repairs of one object within `windowMs` that are still no fight. */
  readonly limit?: number;
  readonly windowMs?: number;
  /** Longest rest between two repairs. */
  readonly maxRestMs?: number;
}

interface Contested {
  readonly subject: string;
  /** monotonic() of the latest repairs, oldest first, `limit + 1` of them at most. */
  repairs: number[];
  readonly backOff: BackOff;
  restsUntil: number;
  suspect: string | undefined;
  fighting: boolean;
}

const INITIAL_REST_MS = 2_000;

export class FightWatch {
  private readonly contested = new Map<string, Contested>();
  private readonly limit: number;
  private readonly windowMs: number;

  constructor(private readonly options: FightOptions) {
    this.limit = options.limit ?? 5;
    this.windowMs = options.windowMs ?? 60_000;
  }

  /** One object had to be repaired. `suspect` says who may have changed it, where that is known. */
  repaired(key: string, subject: string, suspect?: string): void {
    const now = this.options.clock.monotonic();
    const entry = this.contested.get(key) ?? this.open(key, subject);
    entry.repairs = [...entry.repairs.filter((at) => now - at < this.windowMs), now].slice(-this.limit - 1);
    entry.suspect = suspect ?? entry.suspect;
    if (entry.fighting || entry.repairs.length > this.limit) {
      entry.fighting = true;
      entry.restsUntil = now + entry.backOff.next();
    }
  }

  /** True while the object must be left as it is. */
  resting(key: string): boolean {
    const entry = this.contested.get(key);
    return entry !== undefined && entry.restsUntil > this.options.clock.monotonic();
  }

  /** Milliseconds until the first of `keys` has rested; undefined when none of them rests. */
  nextReleaseMs(keys: readonly string[]): number | undefined {
    const now = this.options.clock.monotonic();
    const rests = keys.map((key) => (this.contested.get(key)?.restsUntil ?? now) - now).filter((rest) => rest > 0);
    return rests.length === 0 ? undefined : Math.min(...rests);
  }

  /** Fights going on; forgets what has been quiet for twice the window. */
  findings(): Finding[] {
    const now = this.options.clock.monotonic();
    for (const [key, entry] of this.contested) {
      if (now - (entry.repairs.at(-1) ?? 0) > 2 * this.windowMs) this.contested.delete(key);
    }
    return [...this.contested.values()].filter((entry) => entry.fighting).map((entry) => this.finding(entry));
  }

  private open(key: string, subject: string): Contested {
    const { random, maxRestMs = 60_000 } = this.options;
    const entry: Contested = {
      subject,
      repairs: [],
      backOff: new BackOff({ initialMs: INITIAL_REST_MS, maxMs: maxRestMs, random }),
      restsUntil: 0,
      suspect: undefined,
      fighting: false,
    };
    this.contested.set(key, entry);
    return entry;
  }

  private finding({ subject, suspect }: Contested): Finding {
    const who = suspect === undefined ? 'something on this host' : `something on this host (last seen: ${suspect})`;
    return {
      severity: 'error',
      code: 'FIGHT',
      subject,
      message: `${who} keeps changing or deleting it; more than ${this.limit} repairs within ${this.windowMs / 1000} s`,
      cure: 'Find out who: "ip -ts monitor route link address neigh" shows the changes. Repairs go on, at longer intervals.',
    };
  }
}
