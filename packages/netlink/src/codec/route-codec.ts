import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  type Route,
} from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import { RTA, RTAX_MTU, RTM_F, RTNH_F, SIZE } from './constants';
import { familyBytes, toFamily } from './family';
import { decodeVia, isDead, ofFamily } from './gateway-codec';
import { AttributeCursor } from './message-reader';
import { decodeNextHops, type NextHops } from './next-hop-codec';
import { put, type Mutable } from './mutable';
import { toRouteType } from './route-type';

/*
 * Routes as the kernel tells them: include/uapi/linux/rtnetlink.h (v6.1), struct rtmsg, then RTA_* attributes:
 *
 *    0        1         2         3       4       5          6       7       8               12
 *   +--------+---------+---------+-------+-------+----------+-------+-------+---------------+
 *   | family | dst_len | src_len | tos   | table | protocol | scope | type  |   rtm_flags   |
 *   +--------+---------+---------+-------+-------+----------+-------+-------+---------------+
 *
 * rtm_table holds only 8 bits; RTA_TABLE has all 32. A destination of length 0 has no RTA_DST.
 */

/**
 * Undefined for what the contract cannot express: other families, source-specific IPv6 routes, types that do not exist.
 * `wantClones` accepts answers to lookups and cached routes (RTM_F_CLONED) as well.
 */
export function decodeRoute(view: DataView, start: number, end: number, wantClones = false): Route | undefined {
  if (end - start < SIZE.rtmsg) return undefined;
  const family = toFamily(view.getUint8(start));
  const sourceLength = view.getUint8(start + 2);
  const type = toRouteType(view.getUint8(start + 7));
  const flags = view.getUint32(start + 8, HOST_ORDER);
  if (family === undefined || type === undefined) return undefined;
  // Answers to IPv6 lookups name the source address that was asked with, even the unspecified one.
  if (!wantClones && (flags & RTM_F.cloned || (family === 6 && sourceLength > 0))) return undefined;
  const found = routeAttributes(view, start + SIZE.rtmsg, end, family);
  const dst = destination(family, found.dst, view.getUint8(start + 1));
  if (dst === undefined) return undefined;
  const route: Mutable<Route> = {
    dst,
    table: found.table ?? view.getUint8(start + 4),
    protocol: view.getUint8(start + 5),
    scope: view.getUint8(start + 6),
    type,
    metric: found.metric ?? 0,
    tos: view.getUint8(start + 3),
    onlink: (flags & RTNH_F.onlink) !== 0,
    dead: isDead(flags),
  };
  put(route, 'gateway', found.gateway);
  put(route, 'oif', found.oif);
  put(route, 'prefSrc', found.prefSrc);
  put(route, 'mtuBytes', found.mtuBytes);
  if (found.multipath) addNextHops(route, found.multipath);
  return route;
}

/** One hop in a list is how IPv6 may write a plain route; the contract has one form for it. */
function addNextHops(route: Mutable<Route>, { hops, allDead }: NextHops): void {
  if (allDead) route.dead = true;
  const [first] = hops;
  if (hops.length > 1) {
    route.multipath = hops;
  } else if (first) {
    put(route, 'gateway', first.gateway);
    put(route, 'oif', first.oif);
    if (first.onlink) route.onlink = true;
  }
}

interface RouteAttributes {
  dst?: IpAddress | undefined;
  table?: number | undefined;
  metric?: number | undefined;
  gateway?: IpAddress | undefined;
  oif?: number | undefined;
  prefSrc?: IpAddress | undefined;
  mtuBytes?: number | undefined;
  multipath?: NextHops;
}

function routeAttributes(view: DataView, start: number, end: number, family: IpFamily): RouteAttributes {
  const found: RouteAttributes = {};
  const attributes = new AttributeCursor(view, start, end);
  while (attributes.next()) routeAttribute(found, attributes, family);
  return found;
}

function routeAttribute(found: RouteAttributes, attribute: AttributeCursor, family: IpFamily): void {
  switch (attribute.type) {
    case RTA.dst:
      found.dst = attribute.address();
      break;
    case RTA.table:
      found.table = attribute.u32();
      break;
    case RTA.priority:
      found.metric = attribute.u32();
      break;
    case RTA.gateway:
      found.gateway = ofFamily(attribute.address(), family);
      break;
    case RTA.via:
      found.gateway = decodeVia(attribute);
      break;
    case RTA.oif:
      found.oif = attribute.u32();
      break;
    case RTA.prefSrc:
      found.prefSrc = ofFamily(attribute.address(), family);
      break;
    case RTA.metrics:
      found.mtuBytes = mtu(attribute.nested());
      break;
    case RTA.multipath:
      found.multipath = decodeNextHops(attribute, family);
      break;
  }
}

function mtu(metrics: AttributeCursor): number | undefined {
  while (metrics.next()) if (metrics.type === RTAX_MTU) return metrics.u32();
  return undefined;
}

function destination(family: IpFamily, address: IpAddress | undefined, length: number): IpPrefix | undefined {
  if (length > familyBytes(family) * 8 || (address && address.family !== family)) return undefined;
  if (length > 0 && !address) return undefined;
  return family === 4
    ? Ipv4Prefix.of((address as Ipv4Address | undefined) ?? anyIpv4, length)
    : Ipv6Prefix.of((address as Ipv6Address | undefined) ?? anyIpv6, length);
}

const anyIpv4 = Ipv4Address.fromNumber(0);
const anyIpv6 = Ipv6Address.fromBigInt(0n);
