import {
  ROUTE_SCOPE,
  ROUTE_TABLE,
  type IpAddress,
  type IpFamily,
  type RouteFilter,
  type RouteSpec,
  type RouteType,
} from '@tartan/core';
import { NLM_F, RTA, RTAX_MTU, RTM, RTM_F, RTNH_F } from './constants';
import { familyBytes, familyNumber } from './family';
import type { MessageWriter } from './message-writer';
import { routeTypeNumber } from './route-type';

/* Requests about routes; struct rtmsg is drawn in route-codec.ts. */

const withoutNextHop: ReadonlySet<RouteType> = new Set<RouteType>(['blackhole', 'unreachable', 'prohibit', 'throw']);
/** include/net/flow.h (v6.1), LOOPBACK_IFINDEX: the same in every namespace. */
const LOOPBACK_INDEX = 1;

/** RTM_NEWROUTE; `mode` is CREATE | EXCL or CREATE | REPLACE. */
export function encodeRoute(writer: MessageWriter, spec: RouteSpec, mode: 'add' | 'replace', sequence: number): void {
  const how = mode === 'add' ? NLM_F.exclusive : NLM_F.replace;
  const type = spec.type ?? 'unicast';
  writer.startMessage(RTM.newRoute, NLM_F.request | NLM_F.create | how, sequence);
  rtmsg(writer, {
    family: spec.dst.family,
    length: spec.dst.length,
    table: spec.table ?? ROUTE_TABLE.main,
    protocol: spec.protocol,
    scope: spec.scope ?? usualScope(spec, type),
    type: routeTypeNumber(type),
    flags: spec.onlink ? RTNH_F.onlink : 0,
  });
  routeAttributes(writer, spec);
  writer.endMessage();
}

/**
 * RTM_DELROUTE. What the spec leaves open is sent as "any": scope nowhere, type unspec, protocol unspec, metric 0
 * (fib_table_delete() of net/ipv4/fib_trie.c and ip6_route_del() of net/ipv6/route.c, v6.1).
 */
export function encodeRouteDelete(writer: MessageWriter, spec: RouteSpec, sequence: number): void {
  writer.startMessage(RTM.delRoute, NLM_F.request, sequence);
  rtmsg(writer, {
    family: spec.dst.family,
    length: spec.dst.length,
    table: spec.table ?? ROUTE_TABLE.main,
    protocol: spec.protocol,
    scope: spec.scope ?? ROUTE_SCOPE.nowhere,
    type: spec.type === undefined ? 0 : routeTypeNumber(spec.type),
    flags: spec.onlink ? RTNH_F.onlink : 0,
  });
  routeAttributes(writer, isIpv6WithoutNextHop(spec) ? { ...spec, oif: LOOPBACK_INDEX } : spec);
  writer.endMessage();
}

/**
 * ip6_route_del() does not look at the type, so that "delete the blackhole" would take whatever is in its place. But it
 * compares devices, and IPv6 puts routes without next hop on lo.
 */
function isIpv6WithoutNextHop({ dst, type, oif }: RouteSpec): boolean {
  return dst.family === 6 && oif === undefined && type !== undefined && withoutNextHop.has(type);
}

/**
 * RTM_GETROUTE for one packet. IPv4 answers table main unless it is asked for the real one; IPv6 always tells the real one and,
 * checking strictly, refuses the question.
 */
export function encodeRouteLookup(writer: MessageWriter, address: IpAddress, sequence: number): void {
  writer.startMessage(RTM.getRoute, NLM_F.request, sequence);
  const length = familyBytes(address.family) * 8;
  rtmsg(writer, { family: address.family, length, table: 0, flags: address.family === 4 ? RTM_F.lookupTable : 0 });
  writer.attributeAddress(RTA.dst, address);
  writer.endMessage();
}

/** The kernel filters by what it is told when it checks strictly, and sends everything when it does not. */
export function encodeRouteDump(
  writer: MessageWriter,
  family: IpFamily,
  filter: RouteFilter,
  sequence: number,
  strict: boolean,
): void {
  writer.startMessage(RTM.getRoute, NLM_F.request | NLM_F.dump, sequence);
  const table = filter.table ?? ROUTE_TABLE.main;
  rtmsg(writer, {
    family,
    length: 0,
    table: strict ? table : 0,
    protocol: strict ? (filter.protocol ?? 0) : 0,
    flags: 0,
  });
  if (strict) {
    writer.attributeU32(RTA.table, table);
    if (filter.oif !== undefined) writer.attributeU32(RTA.oif, filter.oif);
  }
  writer.endMessage();
}

function usualScope(spec: RouteSpec, type: RouteType): number {
  if (spec.dst.family === 6) return ROUTE_SCOPE.universe;
  if (type === 'local' || type === 'nat') return ROUTE_SCOPE.host;
  return type === 'unicast' && !spec.gateway ? ROUTE_SCOPE.link : ROUTE_SCOPE.universe;
}

interface RouteHeader {
  readonly family: IpFamily;
  readonly length: number;
  readonly table: number;
  readonly protocol?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags: number;
}

function rtmsg(writer: MessageWriter, header: RouteHeader): void {
  writer.u8(familyNumber(header.family));
  writer.u8(header.length);
  writer.u8(0);
  writer.u8(0);
  // RT_TABLE_UNSPEC says: see RTA_TABLE.
  writer.u8(header.table > 255 ? 0 : header.table);
  writer.u8(header.protocol ?? 0);
  writer.u8(header.scope ?? 0);
  writer.u8(header.type ?? 0);
  writer.u32(header.flags);
}

function routeAttributes(writer: MessageWriter, spec: RouteSpec): void {
  const { dst, gateway } = spec;
  if (dst.length > 0) writer.attributeAddress(RTA.dst, dst.address);
  if (spec.table !== undefined && spec.table > 255) writer.attributeU32(RTA.table, spec.table);
  if (gateway?.family === dst.family) writer.attributeAddress(RTA.gateway, gateway);
  else if (gateway) writer.attributeVia(RTA.via, familyNumber(gateway.family), gateway);
  if (spec.oif !== undefined) writer.attributeU32(RTA.oif, spec.oif);
  if (spec.metric) writer.attributeU32(RTA.priority, spec.metric);
  if (spec.prefSrc) writer.attributeAddress(RTA.prefSrc, spec.prefSrc);
  if (spec.mtuBytes === undefined) return;
  const metrics = writer.startNest(RTA.metrics);
  writer.attributeU32(RTAX_MTU, spec.mtuBytes);
  writer.endNest(metrics);
}
