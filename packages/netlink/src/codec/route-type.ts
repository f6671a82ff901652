import type { RouteType } from '@tartan/core';

/** include/uapi/linux/rtnetlink.h (v6.1), RTN_*: the place in the list is the number. RTN_UNSPEC is no type of a route. */
const types: readonly (RouteType | undefined)[] = [
  undefined,
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];

export function toRouteType(number: number): RouteType | undefined {
  return types[number];
}

export function routeTypeNumber(type: RouteType): number {
  return types.indexOf(type);
}
