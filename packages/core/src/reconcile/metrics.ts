import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Finding } from './kernel-state';
import type { FailedOp, OpRecord } from './op-record';
import type { PassTrigger } from './pass-schedule';

/** How many routes are in which state. */
export interface RouteCounts {
  readonly desired: number;
  readonly programmed: number;
  readonly waiting: number;
  readonly blocked: number;
  readonly failed: number;
}

/** What the reconciler reports to; the registry is the caller's. */
export interface ReconcileMetrics {
  pass(trigger: PassTrigger, durationSeconds: number, succeeded: boolean): void;
  /** Put right although the plan had not changed. */
  repaired(record: OpRecord): void;
  /** Deleted because no plan wants it. */
  staleRemoved(record: OpRecord): void;
  kernelError(failed: FailedOp): void;
  findings(findings: readonly Finding[]): void;
  routes(counts: RouteCounts): void;
  /** A backend's plan() threw, or its facts could not be gathered. */
  planError(): void;
}

export function createReconcileMetrics(registry: Registry): ReconcileMetrics {
  const registers = [registry];
  const passes = new Counter({
    name: 'tartan_reconcile_passes_total',
    help: 'Passes of the reconciler by what started them and how they ended',
    labelNames: ['trigger', 'result'],
    registers,
  });
  const duration = new Histogram({
    name: 'tartan_reconcile_duration_seconds',
    help: 'How long a pass took, from the first read to the last answer',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const repairs = new Counter({
    name: 'tartan_repairs_total',
    help: 'Kernel objects put right although the plan had not changed: somebody else had changed or removed them',
    labelNames: ['kind'],
    registers,
  });
  const stale = new Counter({
    name: 'tartan_stale_entries_removed_total',
    help: 'Kernel objects of ours removed because no peer needs them any more',
    labelNames: ['kind'],
    registers,
  });
  const kernelErrors = new Counter({
    name: 'tartan_kernel_errors_total',
    help: 'Operations that the kernel refused',
    labelNames: ['op', 'errno'],
    registers,
  });
  const findings = new Gauge({
    name: 'tartan_findings',
    help: 'Conditions that an operator should know about, as of the last pass',
    labelNames: ['code', 'severity'],
    registers,
  });
  const routes = new Gauge({
    name: 'tartan_routes',
    help: 'Routes to peers by state, as of the last pass',
    labelNames: ['state'],
    registers,
  });
  const planErrors = new Counter({
    name: 'tartan_plan_errors_total',
    help: 'Plans that could not be made; the last good plan stays in force',
    registers,
  });
  return {
    pass: (trigger, durationSeconds, succeeded) => {
      passes.inc({ trigger, result: succeeded ? 'ok' : 'error' });
      duration.observe(durationSeconds);
    },
    repaired: ({ kind }) => repairs.inc({ kind }),
    staleRemoved: ({ kind }) => stale.inc({ kind }),
    kernelError: ({ operation, error }) => kernelErrors.inc({ op: operation, errno: error.data.errnoName }),
    findings: (current) => {
      findings.reset();
      for (const { code, severity } of current) findings.inc({ code, severity });
    },
    routes: (counts) => {
      for (const [state, count] of Object.entries(counts)) routes.set({ state }, count as number);
    },
    planError: () => planErrors.inc(),
  };
}

/** For whoever does not care. */
export const noReconcileMetrics: ReconcileMetrics = {
  pass: () => undefined,
  repaired: () => undefined,
  staleRemoved: () => undefined,
  kernelError: () => undefined,
  findings: () => undefined,
  routes: () => undefined,
  planError: () => undefined,
};
