import { ROUTE_SCOPE, ROUTE_TABLE, hostPrefix, type IpAddress, type Route } from '@tartan/core';
import type { FakeTables } from './fake-tables';

/** `ip route get`: the local table first, then main, longest prefix, lowest metric. Undefined where nothing can be sent. */
export function lookupRoute(tables: FakeTables, destination: IpAddress): Route | undefined {
  const usable = (route: Route): boolean => route.type !== 'throw';
  const match =
    tables.routes.longestMatch(ROUTE_TABLE.local, destination, usable) ??
    tables.routes.longestMatch(ROUTE_TABLE.main, destination, usable);
  if (!match || (match.type !== 'unicast' && match.type !== 'local')) return undefined;
  return answer(tables, destination, match);
}

function answer(tables: FakeTables, destination: IpAddress, match: Route): Route {
  const local = match.type === 'local';
  const oif = local ? loopbackIndex(tables) : (match.oif ?? match.multipath?.[0]?.oif);
  const gateway = match.gateway ?? match.multipath?.[0]?.gateway;
  const source = local ? destination : (match.prefSrc ?? sourceOn(tables, oif, destination));
  return {
    dst: hostPrefix(destination),
    table: match.table,
    protocol: destination.family === 6 ? match.protocol : 0,
    scope: ROUTE_SCOPE.universe,
    type: match.type,
    metric: destination.family === 6 ? match.metric : 0,
    tos: 0,
    ...(gateway ? { gateway } : {}),
    ...(oif === undefined ? {} : { oif }),
    ...(source ? { prefSrc: source } : {}),
    onlink: match.onlink,
    dead: false,
  };
}

function sourceOn(tables: FakeTables, oif: number | undefined, destination: IpAddress): IpAddress | undefined {
  if (oif === undefined) return undefined;
  const own = tables.addressesOf(oif, destination.family);
  return (own.find((entry) => !entry.address.isLinkLocal) ?? own[0])?.address;
}

function loopbackIndex(tables: FakeTables): number | undefined {
  for (const link of tables.links.values()) if (link.loopback) return link.index;
  return undefined;
}
