import type { Link } from '../netlink';
import type { ActualState } from './actual-state';
import { addressDelta } from './address-delta';
import type { DeltaContext, PlannedOp, WaitingObject } from './delta-parts';
import { indexDesired, type DesiredIndex } from './desired-index';
import { fdbDelta } from './fdb-delta';
import type { Finding, KernelState, Ownership } from './kernel-state';
import { linkDelta, linkRecreation } from './link-delta';
import { neighbourDelta } from './neighbour-delta';
import { nothingInPlace, type InPlace } from './plan-sieve';
import { routeDelta } from './route-delta';
import { createProtocolNames, type ProtocolName } from './route-protocol';
import { linkNames } from './route-text';

/*
 * The difference between what must exist and what does, as kernel operations. Pure: the same input gives the same answer.
 *
 * Order. Links come first and alone, since everything else needs their index: the reconciler applies `linkOps`, reads again and
 * asks again. Then what a route leans on before the route (address, neighbour, FDB entry, route; the kernel would send ARP
 * for a gateway without a neighbour entry), then deletions in the reverse order. Everything new is there before
 * anything old goes, and a route that stays is replaced in place, so at no moment does a wanted prefix lack a route.
 */

export interface Delta {
  /** To be applied first, and alone. */
  readonly linkOps: readonly PlannedOp[];
  readonly ops: readonly PlannedOp[];
  readonly waiting: readonly WaitingObject[];
  readonly findings: readonly Finding[];
  /** Keys of desired objects that a foreign object keeps from being made. */
  readonly blocked: readonly string[];
}

export interface DeltaInput {
  readonly desired: KernelState;
  readonly ownership: Ownership;
  readonly actual: ActualState;
  readonly protocolName?: ProtocolName;
}

/** The delta for a plan that is not indexed yet. */
export function computeDelta({ desired, ownership, actual, protocolName }: DeltaInput): Delta {
  return indexedDelta(indexDesired(desired, ownership), actual, protocolName ?? createProtocolNames());
}

/** `inPlace` is what the sieve has taken out of `actual` when it was read with one. */
export function indexedDelta(
  index: DesiredIndex,
  actual: ActualState,
  protocolName: ProtocolName,
  inPlace: InPlace = nothingInPlace,
): Delta {
  const context = contextOf(index, actual, protocolName, inPlace);
  const links = linkDelta(context);
  const parts = [addressDelta(context), neighbourDelta(context), fdbDelta(context), routeDelta(context)];
  return {
    linkOps: links.adds,
    ops: [
      ...parts.flatMap((part) => part.adds),
      ...(index.addOnly ? [] : parts.toReversed().flatMap((part) => part.deletes)),
    ],
    waiting: [...links.waiting, ...parts.flatMap((part) => part.waiting)],
    findings: [...index.findings, ...links.findings, ...parts.flatMap((part) => part.findings)],
    blocked: parts.flatMap((part) => part.blocked ?? []),
  };
}

/** `linkOps` alone; nothing but the links need be known. */
export function deviceOps(
  index: DesiredIndex,
  links: readonly Link[],
  protocolName: ProtocolName,
): readonly PlannedOp[] {
  const actual: ActualState = { links, addresses: [], routes: [], neighbours: [], fdb: [] };
  return index.links.size === 0 ? [] : linkDelta(contextOf(index, actual, protocolName)).adds;
}

/** What makes devices anew that could not be changed in place; `keys` are theirs. */
export function recreationOps(
  index: DesiredIndex,
  links: readonly Link[],
  protocolName: ProtocolName,
  keys: ReadonlySet<string>,
): readonly PlannedOp[] {
  const actual: ActualState = { links, addresses: [], routes: [], neighbours: [], fdb: [] };
  return linkRecreation(contextOf(index, actual, protocolName), keys);
}

function contextOf(
  index: DesiredIndex,
  actual: ActualState,
  protocolName: ProtocolName,
  inPlace: InPlace = nothingInPlace,
): DeltaContext {
  return {
    index,
    actual,
    inPlace,
    linkByName: new Map(actual.links.map((link) => [link.name, link])),
    linkName: linkNames(actual.links),
    protocolName,
  };
}
