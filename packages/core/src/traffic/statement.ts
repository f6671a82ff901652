import { SLOW_PASS_MS } from './pass-intervals';
import type { PassTasks } from './pass-tasks';
import type { FamilyRules } from './rules/traffic-rule';
import type { DesiredTraffic } from './traffic-manager';
import type { PassResult } from './traffic-pass';

/** What was stated last, and how far it came. */
export class Statement {
  /** Names of tasks whose rules are known to have been right once. */
  readonly settled = new Set<string>();
  /** Nothing of ours is left where it does not belong. */
  swept: boolean;
  /** When the host was looked at last, Clock.monotonic(). */
  inspectedAt: number;
  /** The generation of nftables in which all that lives there was right, and when that was seen. */
  private right: { readonly generation: number; readonly at: number } | undefined;

  constructor(
    readonly desired: DesiredTraffic,
    readonly rules: readonly FamilyRules[],
    before: Statement | undefined,
  ) {
    const same = before?.isSamePlace(desired) === true;
    this.swept = same && before.swept;
    this.inspectedAt = same && before.hasSameDevices(desired) ? before.inspectedAt : -Infinity;
  }

  /** Everything has to be looked at again, because it is now done in another way. */
  startAnew(): void {
    this.swept = false;
    this.settled.clear();
    this.right = undefined;
  }

  /** Nothing has changed in nftables since all that lives there was seen to be right, and that is not long ago. */
  isStillRight(generation: number | undefined, now: number): boolean {
    if (this.right === undefined || this.right.generation !== generation) return false;
    return now - this.right.at < SLOW_PASS_MS;
  }

  /** After a pass that looked at everything; `generation` is that of before. */
  remember(tasks: PassTasks, result: PassResult, generation: number | undefined, at: number): void {
    const done = [...result.rules, ...result.guards, ...result.sweeps];
    const untouched = done.every(({ written, error }) => written.length === 0 && !error);
    const complete = result.rules.length === tasks.rules.length && result.guards.length === tasks.guards.length;
    const isRight = this.swept && untouched && complete;
    this.right = isRight && generation !== undefined ? { generation, at } : undefined;
  }

  /** Only the list of nodes differs, which changes with every node that comes or goes, or what no rule follows from. */
  private isSamePlace(desired: DesiredTraffic): boolean {
    const place = (traffic: DesiredTraffic): string => JSON.stringify({ ...traffic, nodeAddresses: [], devices: [] });
    return place(this.desired) === place(desired);
  }

  private hasSameDevices({ devices }: DesiredTraffic): boolean {
    return String(this.desired.devices) === String(devices);
  }
}
