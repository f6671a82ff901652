import type { BackendNetwork, DesiredRoute, Lease } from '@tartan/core';

/** Worse than any route that a bridge, a runtime or an operator makes for the same subnet, so that it only catches what they leave. */
const LAST_RESORT_METRIC = 2 ** 31 - 1;

/**
 * The network with a blackhole route for the own subnet in every plan (--ip-blackhole-route): traffic to pods that do not exist ends
 * here instead of going back to the default gateway. As part of the plan it stands at once and is kept like every other route.
 */
export function withBlackholeRoute(network: BackendNetwork, lease: Lease): BackendNetwork {
  const routes: DesiredRoute[] = [lease.subnet, lease.ipv6Subnet].flatMap((dst) =>
    dst ? [{ dst, type: 'blackhole' as const, metric: LAST_RESORT_METRIC }] : [],
  );
  return {
    mtuBytes: network.mtuBytes,
    ...(network.underlayInterest && { underlayInterest: network.underlayInterest }),
    ...(network.dataPath && { dataPath: network.dataPath }),
    plan: (input) => {
      const plan = network.plan(input);
      return { ...plan, desired: { ...plan.desired, routes: [...plan.desired.routes, ...routes] } };
    },
    ...(network.inspect && {
      inspect: (snapshot, signal) => network.inspect?.(snapshot, signal) ?? Promise.resolve([]),
    }),
    close: () => network.close(),
  };
}
