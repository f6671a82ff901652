import type { TrafficMode } from './choose-mode';

/** While the generation of nftables tells of changes, what lives there is looked at so often all the same. */
export const SLOW_PASS_MS = 30_000;
/** In the nftables mode without it. */
const FAST_PASS_MS = 800;
/** Timers cannot wait for longer than 24 days, and nobody means more than one. */
const LONGEST_PASS_MS = 86_400_000;

export interface PassInterval {
  readonly mode: TrafficMode | null;
  /** Changes in nftables are noticed by themselves. */
  readonly noticesChanges: boolean;
  /** iptables of the legacy flavour is installed: what changes there tells nobody. */
  readonly hasLegacy: boolean;
  /** --iptables-resync in milliseconds. */
  readonly resyncMs: number;
}

/** Milliseconds until rules are looked at without a reason. */
export function passIntervalMs({ mode, noticesChanges, hasLegacy, resyncMs }: PassInterval): number {
  const resync = Math.min(resyncMs, LONGEST_PASS_MS);
  if (mode !== 'nftables') return resync;
  if (!noticesChanges) return Math.min(resync, FAST_PASS_MS);
  return hasLegacy ? resync : SLOW_PASS_MS;
}
