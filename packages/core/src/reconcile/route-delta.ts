import type { Link, Route, RouteSpec } from '../netlink';
import {
  peerText,
  sameAddress,
  usableLink,
  type DeltaContext,
  type KindDelta,
  type PlannedOp,
  type WaitingObject,
} from './delta-parts';
import type { DesiredRoute, Finding } from './kernel-state';
import { leftoverFindings, routeConflict, shadowFindings } from './route-findings';
import { effectiveMetric, routeKey } from './route-key';
import { routeOwner } from './route-owner';

/*
 * Routes. A key that nobody holds is taken with route-add, which the kernel refuses when somebody was quicker; a key that we
 * or flanneld hold is changed with route-replace, one step without a gap; a key that anybody else holds is left alone and
 * reported, even where a route of ours stands beside it (the kernel replaces the first of both, which may be theirs).
 * Last, every route of ours that no desired route asks for is deleted.
 */

interface Holders {
  /** Ours and flanneld's, in the kernel's order. */
  readonly own: Route[];
  readonly foreign: Route[];
}

interface Draft {
  readonly adds: PlannedOp[];
  readonly deletes: PlannedOp[];
  readonly waiting: WaitingObject[];
  readonly findings: Finding[];
  readonly blocked: string[];
}

export function routeDelta(context: DeltaContext): KindDelta {
  const draft: Draft = { adds: [], deletes: [], waiting: [], findings: [], blocked: [] };
  const holders = holdersByKey(context);
  for (const [key, desired] of context.index.routes) {
    const held = holders.get(key);
    if (!context.inPlace.routes.has(desired)) decide(context, draft, key, desired, held);
    else if (held) besideOurs(context, draft, key, desired, held);
  }
  for (const [key, { own }] of holders) {
    if (!context.index.routes.has(key)) draft.deletes.push(...own.map((route) => deleteOp(key, route, context)));
  }
  const foreign = [...holders.values()].flatMap((held) => held.foreign);
  draft.findings.push(...shadowFindings(context, foreign), ...leftoverFindings(context, foreign));
  return draft;
}

function holdersByKey({ actual, index, linkName }: DeltaContext): Map<string, Holders> {
  const holders = new Map<string, Holders>();
  for (const route of actual.routes) {
    if (route.tos !== 0) continue;
    const key = routeKey(route);
    let held = holders.get(key);
    if (!held) holders.set(key, (held = { own: [], foreign: [] }));
    (routeOwner(route, index, linkName) === 'foreign' ? held.foreign : held.own).push(route);
  }
  return holders;
}

const nobody: Holders = { own: [], foreign: [] };

function decide(
  context: DeltaContext,
  draft: Draft,
  key: string,
  desired: DesiredRoute,
  { own, foreign } = nobody,
): void {
  const usable = desired.ifname === undefined ? undefined : usableLink(context, desired.ifname);
  if (usable && 'reason' in usable) {
    draft.waiting.push({ key: `route ${key}`, ifname: desired.ifname as string, reason: usable.reason });
    return;
  }
  const link = usable?.link;
  const right = own.find((route) => matchesRoute(route, desired, link?.index, context.index.ownership.routeProtocol));
  const superfluous = own.filter((route) => route !== right);
  if (foreign[0]) {
    draft.findings.push(routeConflict(context, desired, foreign[0]));
    if (!right) draft.blocked.push(`route ${key}`);
  } else if (!right && !(context.index.addOnly && own.length > 0)) {
    const replaced = superfluous.shift();
    const route = toSpec(desired, link, context.index.ownership.routeProtocol);
    draft.adds.push(routeOp(key, desired, { op: replaced ? 'route-replace' : 'route-add', route }));
  }
  draft.deletes.push(...superfluous.map((route) => deleteOp(key, route, context)));
}

/** Our route is in place, and others stand at the same key. */
function besideOurs(context: DeltaContext, draft: Draft, key: string, desired: DesiredRoute, held: Holders): void {
  if (held.foreign[0]) draft.findings.push(routeConflict(context, desired, held.foreign[0]));
  draft.deletes.push(...held.own.map((route) => deleteOp(key, route, context)));
}

/**
 * True when `route` is what `desired` asks for. What the kernel fills in is ignored: the scope, the device of a route stated
 * by its gateway alone, and the loopback device of an IPv6 blackhole.
 */
export function matchesRoute(
  route: Route,
  desired: DesiredRoute,
  oif: number | undefined,
  routeProtocol: number,
): boolean {
  return (
    route.protocol === routeProtocol &&
    route.type === (desired.type ?? 'unicast') &&
    sameAddress(route.gateway, desired.gateway) &&
    (oif === undefined || route.oif === oif) &&
    route.onlink === (desired.onlink ?? false) &&
    route.mtuBytes === desired.mtuBytes &&
    route.prefSrc === undefined &&
    route.multipath === undefined
  );
}

function toSpec(desired: DesiredRoute, link: Link | undefined, protocol: number): RouteSpec {
  const { dst, type, gateway, onlink, metric, table, mtuBytes } = desired;
  return {
    dst,
    protocol,
    ...(type && { type }),
    ...(gateway && { gateway }),
    ...(link && { oif: link.index }),
    ...(onlink !== undefined && { onlink }),
    ...(metric !== undefined && { metric }),
    ...(table !== undefined && { table }),
    ...(mtuBytes !== undefined && { mtuBytes }),
  };
}

function deleteOp(key: string, route: Route, { linkName }: DeltaContext): PlannedOp {
  const { dst, protocol, type, table, scope, gateway, oif } = route;
  const spec: RouteSpec = {
    dst,
    protocol,
    type,
    table,
    scope,
    metric: effectiveMetric(route),
    ...(gateway && { gateway }),
    ...(oif !== undefined && type === 'unicast' && { oif }),
  };
  return {
    op: { op: 'route-delete', route: spec },
    kind: 'route',
    key: `route ${key}`,
    subject: `route ${dst.toString()}`,
    ...(oif !== undefined && { ifname: linkName(oif) }),
  };
}

function routeOp(key: string, desired: DesiredRoute, op: PlannedOp['op']): PlannedOp {
  return {
    op,
    kind: 'route',
    key: `route ${key}`,
    subject: `route ${desired.dst.toString()}${peerText(desired)}`,
    ...(desired.ifname !== undefined && { ifname: desired.ifname }),
  };
}
