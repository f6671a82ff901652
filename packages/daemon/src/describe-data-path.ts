import type { DataPathBypass, DataPathStatus } from '@tartan/core';

/** For status pages: JSON. Counters lose digits only beyond 2^53, which is no concern of a reader. */
export function describeDataPath({ name, running, features, counters, bypass }: DataPathStatus): object {
  const { operations, drops, ...packets } = counters;
  return {
    name,
    running,
    features,
    counters: { ...toNumbers(packets), operations: toNumbers(operations), drops: toNumbers(drops) },
    ...(bypass && { bypass: describeBypass(bypass) }),
  };
}

function describeBypass({ name, peers, left, drops, ...packets }: DataPathBypass): object {
  return { name, peers, counters: { ...toNumbers(packets), left: toNumbers(left), drops: toNumbers(drops) } };
}

function toNumbers(counters: Readonly<Record<string, bigint>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, count]) => [name, Number(count)]));
}
