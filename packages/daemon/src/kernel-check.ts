import type { ReconcilerStatus } from '@tartan/core';

/** Findings that say that something of ours which the routes stand on is missing. */
const GROUND = ['KERNEL_REFUSED', 'INTERFACE_MISSING', 'INTERFACE_DOWN'];

/** How the way from the latest snapshot to the kernel is. */
export interface PlanState {
  /** Why the latest snapshot is not in force; null when it is. */
  readonly problem: string | null;
  /** False while the backend has a data path of its own that does not run: the routes lead nowhere. */
  readonly carries: boolean;
}

/**
 * Does the kernel hold what the plan wants? A peer that cannot be reached is degraded service and a finding; a kernel that takes
 * nothing, or that cannot be read, is not being ready. Where there are no peers, what there is to do is the device.
 */
export function judgeKernel(
  { firstPassDone, routes, findings }: ReconcilerStatus,
  { problem, carries }: PlanState = { problem: null, carries: true },
): { readonly ok: boolean; readonly message: string } {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const has = (...codes: string[]): boolean => errors.some(({ code }) => codes.includes(code));
  const standing = routes.desired > 0 ? routes.programmed > 0 : !has(...GROUND);
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const trouble = errors[0] ? [`${errors[0].subject}: ${errors[0].message}${more}`] : [];
  return {
    ok: firstPassDone && standing && carries && !has('PASS_FAILED'),
    message: [
      ...(problem === null ? [] : [problem]),
      `${routes.programmed} of ${routes.desired} routes`,
      ...trouble,
    ].join('; '),
  };
}
