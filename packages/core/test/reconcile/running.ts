import { Registry } from 'prom-client';
import {
  createReconciler,
  createReconcileMetrics,
  type Plan,
  type Reconciler,
  type ReconcilerOptions,
  type RtNetlink,
} from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { networks } from './support';

/** A reconciler at work, with time in the test's hand. */
export interface Running {
  readonly reconciler: Reconciler;
  readonly clock: FakeClock;
  readonly logger: MemoryLogger;
  /** Passes so far. */
  passes(): number;
  codes(): string[];
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** Lets everything happen that needs no more than `ms`. */
  advance(ms?: number): Promise<void>;
  stop(): Promise<void>;
}

const running = new Set<Running>();

/** Stops what a failed test left running; for afterEach. */
export async function stopAll(): Promise<void> {
  for (const one of [...running]) await one.stop();
}

export function start(netlink: RtNetlink, plan?: Plan, options: Partial<ReconcilerOptions> = {}): Running {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const registry = new Registry();
  const controller = new AbortController();
  const reconciler = createReconciler({
    netlink,
    clock,
    logger,
    networks,
    random: () => 0.5,
    metrics: createReconcileMetrics(registry),
    ...options,
  });
  if (plan) reconciler.setPlan(plan);
  const ended = reconciler.run(controller.signal);
  const self: Running = {
    reconciler,
    clock,
    logger,
    passes: () => reconciler.status().passes,
    codes: () => reconciler.status().findings.map(({ code }) => code),
    metric: async (name, labels = {}) => {
      const { values } = await registry.getSingleMetric(name)!.get();
      const matching = values.filter((value) =>
        Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted),
      );
      return matching.reduce((sum, { value }) => sum + value, 0);
    },
    advance: (ms = 0) => clock.advance(ms),
    stop: async () => {
      running.delete(self);
      controller.abort();
      await ended;
    },
  };
  running.add(self);
  return self;
}
