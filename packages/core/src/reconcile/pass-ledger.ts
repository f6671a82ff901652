import type { Plan } from '../backend';
import type { DesiredIndex } from './desired-index';
import type { DriftWatch } from './drift-watch';
import type { FightWatch } from './fights';
import type { ReconcileMetrics, RouteCounts } from './metrics';
import type { OpRecord } from './op-record';
import type { PassOutcome } from './pass';

/** A plan in force, and what the last pass over it left undone. */
export interface Installed {
  readonly plan: Plan;
  readonly index: DesiredIndex;
  /** Keys that the last pass over this plan could not settle; null before its first pass. */
  undone: ReadonlySet<string> | null;
}

export interface PassLedgerOptions {
  readonly metrics: ReconcileMetrics;
  readonly drift: DriftWatch;
  readonly fights: FightWatch;
}

/**
 * Tells repairs from ordinary work: what a second pass over the same plan has to do, although the first had settled it, was
 * undone by somebody else.
 */
export class PassLedger {
  constructor(private readonly options: PassLedgerOptions) {}

  enter(installed: Installed, outcome: PassOutcome): void {
    const { metrics, drift } = this.options;
    const unsteady = drift.takeUnsteady();
    for (const failed of outcome.failed) metrics.kernelError(failed);
    for (const record of outcome.applied) {
      if (installed.undone === null) this.enterFirst(record);
      else if (!installed.undone.has(record.key)) this.enterRepair(record, unsteady);
    }
    installed.undone = undoneKeys(outcome);
  }

  private enterFirst(record: OpRecord): void {
    if (record.operation.endsWith('-delete') && record.kind !== 'link') this.options.metrics.staleRemoved(record);
  }

  /** What hung on an interface that went down was dropped by the kernel; nobody fights us over that. */
  private enterRepair(record: OpRecord, unsteady: ReadonlySet<string>): void {
    const { metrics, drift, fights } = this.options;
    metrics.repaired(record);
    const dropped = record.kind !== 'link' && record.ifname !== undefined && unsteady.has(record.ifname);
    if (!dropped) fights.repaired(record.key, record.subject, drift.takeSuspect(record.key));
  }
}

/** What rests was undone by somebody else, and its repair after the rest is one more round of the fight. */
function undoneKeys({ failed, waiting, blocked }: PassOutcome): Set<string> {
  return new Set([...failed.map(({ key }) => key), ...waiting.map(({ key }) => key), ...blocked]);
}

/** Each desired route is in exactly one of the states; resting ones count as failed. */
export function routeCounts({ routes }: DesiredIndex, outcome: PassOutcome): RouteCounts {
  const isDesired = (key: string): boolean => key.startsWith('route ') && routes.has(key.slice('route '.length));
  const waiting = outcome.waiting.filter(({ key }) => isDesired(key)).length;
  const blocked = outcome.blocked.filter(isDesired).length;
  const failed = new Set([...outcome.failed.map(({ key }) => key), ...outcome.rested].filter(isDesired)).size;
  return { desired: routes.size, programmed: routes.size - waiting - blocked - failed, waiting, blocked, failed };
}
