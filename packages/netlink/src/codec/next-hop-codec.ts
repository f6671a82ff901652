import type { IpFamily, NextHop } from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import { RTA, RTNH_F, SIZE } from './constants';
import { AttributeCursor } from './message-reader';
import { decodeVia, isDead, ofFamily } from './gateway-codec';

export interface NextHops {
  readonly hops: readonly NextHop[];
  /** None of them carries traffic at the moment. */
  readonly allDead: boolean;
}

/**
 * RTA_MULTIPATH: entries of struct rtnexthop, each with attributes of its own. include/uapi/linux/rtnetlink.h, v6.1:
 *
 *    0          2            3           4              8
 *   +----------+------------+-----------+--------------+
 *   | rtnh_len | rtnh_flags | rtnh_hops | rtnh_ifindex |   rtnh_hops is the weight less one
 *   +----------+------------+-----------+--------------+
 */
export function decodeNextHops(attribute: AttributeCursor, family: IpFamily): NextHops {
  const { view, end } = attribute;
  const hops: NextHop[] = [];
  let alive = 0;
  let at = attribute.start;
  while (at + SIZE.rtnexthop <= end) {
    const length = view.getUint16(at, HOST_ORDER);
    if (length < SIZE.rtnexthop || at + length > end) break;
    hops.push(decodeNextHop(view, at, at + length, family));
    if (!isDead(view.getUint8(at + 2))) alive++;
    at += (length + 3) & ~3;
  }
  return { hops, allDead: hops.length > 0 && alive === 0 };
}

function decodeNextHop(view: DataView, at: number, end: number, family: IpFamily): NextHop {
  const flags = view.getUint8(at + 2);
  const attributes = new AttributeCursor(view, at + SIZE.rtnexthop, end);
  let gateway;
  while (attributes.next()) {
    if (attributes.type === RTA.gateway) gateway = ofFamily(attributes.address(), family);
    else if (attributes.type === RTA.via) gateway = decodeVia(attributes);
  }
  const oif = view.getInt32(at + 4, HOST_ORDER);
  return {
    ...(gateway ? { gateway } : {}),
    ...(oif > 0 ? { oif } : {}),
    onlink: (flags & RTNH_F.onlink) !== 0,
    weight: view.getUint8(at + 3) + 1,
  };
}
