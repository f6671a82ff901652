import type { KernelOp, KernelOpResult } from '@tartan/core';
import { applyOps } from './apply';
import type { Connection } from './connection';
import type { RtnetlinkOp } from './encode-op';
import type { FeaturesOp } from './ethtool';
import type { LinkFeatures } from './link-features';

export interface ApplyTargets {
  /** For everything that rtnetlink does. */
  readonly requests: Connection;
  readonly features: LinkFeatures;
}

/**
 * Features of devices belong to another interface of the kernel, so they interrupt the batches: what stands before them is done before, what
 * stands behind them after. Rejects only when a connection is closed.
 */
export async function applyInOrder(
  { requests, features }: ApplyTargets,
  ops: readonly KernelOp[],
): Promise<KernelOpResult[]> {
  if (!ops.some(isFeaturesOp)) return applyOps(requests, ops as readonly RtnetlinkOp[]);
  const parts: (readonly KernelOpResult[])[] = [];
  for (let from = 0; from < ops.length;) {
    const op = ops[from] as KernelOp;
    const results = isFeaturesOp(op) ? [await features.apply(op)] : await applyOps(requests, runAt(ops, from));
    parts.push(results);
    from += results.length;
  }
  return parts.flat();
}

/** The ops from `from` on up to the next one that is not for rtnetlink. */
function runAt(ops: readonly KernelOp[], from: number): readonly RtnetlinkOp[] {
  const end = ops.findIndex((op, place) => place >= from && isFeaturesOp(op));
  return ops.slice(from, end === -1 ? ops.length : end) as RtnetlinkOp[];
}

function isFeaturesOp(op: KernelOp): op is FeaturesOp {
  return op.op === 'link-features';
}
