import { ReadinessRegistry, silentLogger } from '@tartan/core';
import type { FakeClock } from '@tartan/core/testing';
import { NodeChecks } from '../../src/node-checks';

/** The node's checks with a way to read them. */
export function watchedChecks(clock: FakeClock): {
  checks: NodeChecks;
  readiness: ReadinessRegistry;
  /** `+text` or `-text` of a check. */
  show(name: string): string;
} {
  const readiness = new ReadinessRegistry({ clock, logger: silentLogger });
  const checks = new NodeChecks(readiness);
  const show = (name: string): string => {
    const found = readiness.checks().find((check) => check.name === name)!;
    return `${found.ok ? '+' : '-'}${found.message}`;
  };
  return { checks, readiness, show };
}
