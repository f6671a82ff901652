import type { TartanError } from '../errors';
import type { ObjectKind, PlannedOp } from './delta-parts';

/** What was done, or tried, to one object. */
export interface OpRecord {
  readonly kind: ObjectKind | 'sysctl';
  readonly key: string;
  readonly subject: string;
  /** `route-add`, `fdb-delete`, `sysctl-write`, ... */
  readonly operation: string;
  readonly ifname?: string;
}

export interface FailedOp extends OpRecord {
  readonly error: TartanError<'KERNEL_REFUSED' | 'KERNEL_SOCKET'>;
}

export function recordOf({ op, kind, key, subject, ifname }: PlannedOp): OpRecord {
  return { kind, key, subject, operation: op.op, ...(ifname !== undefined && { ifname }) };
}

/** What operations came to. */
export interface OpOutcome {
  readonly applied: readonly OpRecord[];
  readonly failed: readonly FailedOp[];
  /** Keys of objects whose operations were left out because they rest. */
  readonly rested: readonly string[];
}

export function mergeOutcomes(...outcomes: readonly OpOutcome[]): OpOutcome {
  return {
    applied: outcomes.flatMap((outcome) => outcome.applied),
    failed: outcomes.flatMap((outcome) => outcome.failed),
    rested: outcomes.flatMap((outcome) => outcome.rested),
  };
}
