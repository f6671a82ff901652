import type { IpPrefix } from '../ip';
import { ROUTE_TABLE, type Route } from '../netlink';
import type { DesiredRoute } from './kernel-state';

/** IP6_RT_PRIO_USER of include/uapi/linux/ipv6_route.h (v6.1): what the kernel takes for "no metric" in IPv6. */
const IPV6_DEFAULT_METRIC = 1024;

/** The metric that the kernel gives a route without one. */
export function defaultMetric(dst: IpPrefix): number {
  return dst.family === 6 ? IPV6_DEFAULT_METRIC : 0;
}

/** The metric as the kernel will report it. */
export function effectiveMetric(route: { readonly dst: IpPrefix; readonly metric?: number }): number {
  return route.metric === undefined || route.metric === 0 ? defaultMetric(route.dst) : route.metric;
}

/**
 * The kernel's key of a route with tos 0 (fib_table_insert in net/ipv4/fib_trie.c, fib6_add_rt2node in net/ipv6/ip6_fib.c,
 * v6.1): two routes with one key cannot be told apart when packets are sent, so only one owner may have it.
 */
export function routeKey(route: DesiredRoute | Route): string {
  return `${route.table ?? ROUTE_TABLE.main} ${route.dst.toString()} ${effectiveMetric(route)}`;
}
