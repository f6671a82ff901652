import { isTartanError } from '../errors';
import type { KernelOp, KernelOpResult, Link, RtNetlink } from '../netlink';
import { readActualState, type ActualState } from './actual-state';
import { deviceOps, indexedDelta, recreationOps } from './delta';
import type { PlannedOp, WaitingObject } from './delta-parts';
import type { DesiredIndex } from './desired-index';
import type { Finding } from './kernel-state';
import { planFeatures } from './link-features';
import { mergeOutcomes, recordOf, type FailedOp, type OpOutcome, type OpRecord } from './op-record';
import type { PlanDiff } from './plan-diff';
import { planSieve, type InPlace } from './plan-sieve';
import type { ProtocolName } from './route-protocol';
import { applySysctls } from './sysctls';

/*
 * One pass: read what the kernel holds, apply the difference. Devices and their features first, alone, and only then everything else is
 * read, since a new device has a new index and a device made anew has lost all that was on it. A failing operation is remembered and
 * the others go on.
 */

export interface PassInput {
  readonly netlink: RtNetlink;
  readonly index: DesiredIndex;
  readonly protocolName: ProtocolName;
  /** True for objects that must rest for a while (see fights.ts): their operations are left out. */
  readonly resting: (key: string) => boolean;
}

export interface PassOutcome extends OpOutcome {
  readonly waiting: readonly WaitingObject[];
  /** Keys of desired objects that foreign ones keep from being made. */
  readonly blocked: readonly string[];
  readonly findings: readonly Finding[];
  /** As last read: after the device operations. */
  readonly links: readonly Link[];
}

/** Rejects with KERNEL_REFUSED or KERNEL_SOCKET only when the kernel's state could not be read. */
export async function runPass(input: PassInput): Promise<PassOutcome> {
  const { netlink, index, protocolName, resting } = input;
  const { actual, inPlace, findings, ...devices } = await reconcileDevices(input);
  const sysctls = await applySysctls(netlink, index.sysctls, resting);
  const delta = indexedDelta(index, actual, protocolName, inPlace);
  const others = await applyPlanned(input, delta.ops);
  return {
    ...mergeOutcomes(devices, sysctls, others),
    waiting: delta.waiting,
    blocked: delta.blocked,
    findings: [...delta.findings, ...findings, ...sysctls.findings],
    links: actual.links,
  };
}

interface DevicesOutcome extends OpOutcome {
  readonly actual: ActualState;
  readonly inPlace: InPlace;
  readonly findings: readonly Finding[];
}

/**
 * Links are read alone and first: with thousands of peers the rest takes a tenth of a second, and until a device's MAC is what peers
 * were told, nothing arrives.
 */
async function reconcileDevices(input: PassInput): Promise<DevicesOutcome> {
  const { netlink, index } = input;
  const links = await netlink.listLinks();
  const outcome = await changeDevices(input, links);
  const current = outcome.applied.length > 0 ? await netlink.listLinks() : links;
  const { planned, failed, findings } = await planFeatures(netlink, index, current);
  const features = await applyPlanned(input, planned);
  const scope = { devices: index.ownership.devices, tables: index.tables };
  const sieve = planSieve(index, current);
  const actual = await readActualState(netlink, scope, current, sieve);
  return {
    ...mergeOutcomes(outcome, features, { applied: [], failed, rested: [] }),
    findings,
    actual,
    inPlace: sieve.inPlace,
  };
}

/** Where the kernel does not support a change in place, the device is made anew; what was on it follows in the same pass. */
async function changeDevices(input: PassInput, links: readonly Link[]): Promise<OpOutcome> {
  const { index, protocolName } = input;
  const planned = deviceOps(index, links, protocolName);
  const outcome = await applyPlanned(input, planned);
  const fixed = new Set(outcome.failed.filter((failed) => isFixed(failed, planned)).map(({ key }) => key));
  if (fixed.size === 0) return outcome;
  const others = { ...outcome, failed: outcome.failed.filter(({ key }) => !fixed.has(key)) };
  return mergeOutcomes(others, await applyPlanned(input, recreationOps(index, links, protocolName, fixed)));
}

/** EOPNOTSUPP to a change of a vxlan device's own parameters; anything else may pass, or has another cause, and costs no traffic. */
function isFixed({ key, error }: FailedOp, planned: readonly PlannedOp[]): boolean {
  if (!isTartanError(error, 'KERNEL_REFUSED') || error.data.errnoName !== 'EOPNOTSUPP') return false;
  return planned.some(({ op, key: own }) => own === key && op.op === 'link-change' && op.change.vxlan !== undefined);
}

/** A pass that trusts the plan before for what the kernel holds, see plan-diff.ts. Rejects when links cannot be read. */
export async function runDiffPass({ netlink, protocolName, resting }: PassInput, diff: PlanDiff): Promise<PassOutcome> {
  const actual = diff.formerState(await netlink.listLinks());
  const { ops, waiting, blocked, findings } = indexedDelta(diff.index, actual, protocolName);
  const outcome = await applyPlanned({ netlink, resting }, ops);
  return { ...outcome, waiting, blocked, findings, links: actual.links };
}

async function applyPlanned(
  { netlink, resting }: Pick<PassInput, 'netlink' | 'resting'>,
  planned: readonly PlannedOp[],
): Promise<OpOutcome> {
  const active: PlannedOp[] = [];
  const rested: string[] = [];
  for (const op of planned) {
    if (resting(op.key)) rested.push(op.key);
    else active.push(op);
  }
  if (active.length === 0) return { applied: [], failed: [], rested };
  const results = await applyOps(
    netlink,
    active.map(({ op }) => op),
  );
  return { ...splitResults(active, results), rested };
}

function splitResults(
  planned: readonly PlannedOp[],
  results: readonly KernelOpResult[],
): Pick<OpOutcome, 'applied' | 'failed'> {
  const applied: OpRecord[] = [];
  const failed: FailedOp[] = [];
  planned.forEach((op, position) => {
    const result = results[position];
    if (result && !result.ok) failed.push({ ...recordOf(op), error: result.error });
    else applied.push(recordOf(op));
  });
  return { applied, failed };
}

/** A call that fails as a whole (the socket is gone) counts as a failure of each operation. */
async function applyOps(netlink: RtNetlink, ops: readonly KernelOp[]): Promise<KernelOpResult[]> {
  try {
    return await netlink.apply(ops);
  } catch (error) {
    if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) throw error;
    return ops.map(() => ({ ok: false, error }));
  }
}
