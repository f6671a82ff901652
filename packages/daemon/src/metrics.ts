import {
  type LeaseMetrics,
  type ReadinessRegistry,
  type ReconcileMetrics,
  type TrafficMetrics,
  createLeaseMetrics,
  createReconcileMetrics,
  createTrafficMetrics,
} from '@tartan/core';
import { type DataPathSource, createDataPathMetrics } from './data-path-metrics';
import { type KubeSource, createKubeMetrics } from './kube-metrics';
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';

/** The longest that a timer of Node can be set to. */
const NEVER_MS = 2 ** 31 - 1;

export interface DaemonMetrics {
  readonly registry: Registry;
  readonly lease: LeaseMetrics;
  readonly reconcile: ReconcileMetrics;
  readonly traffic: TrafficMetrics;
  /** Whose counters are shown; set it once there is a network. */
  readonly dataPath: DataPathSource;
  /** Whose API calls are shown; set it where there is Kubernetes. */
  readonly kube: KubeSource;
}

/** Every metric of the daemon, in one register per process. */
export function createDaemonMetrics({
  version,
  readiness,
}: {
  readonly version: string;
  readonly readiness: Pick<ReadinessRegistry, 'ready' | 'checks'>;
}): DaemonMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  new Gauge({
    name: 'tartan_build_info',
    help: 'Always 1; the labels tell the version',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  new Gauge({
    name: 'tartan_ready',
    help: '1 while /readyz says ready',
    registers,
    collect() {
      this.set(readiness.ready ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tartan_readiness_check',
    help: '1 while the named check of /readyz passes',
    labelNames: ['check'],
    registers,
    collect() {
      for (const { name, ok } of readiness.checks()) this.set({ check: name }, ok ? 1 : 0);
    },
  });
  return {
    registry,
    lease: createLeaseMetrics(registry),
    reconcile: createReconcileMetrics(registry),
    traffic: createTrafficMetrics(registry),
    dataPath: createDataPathMetrics(registry),
    kube: createKubeMetrics(registry),
  };
}

/**
 * prom-client's own metrics of a process, without its histogram of the event loop's lag: that one wakes an idle process 100 times a
 * second, for half a percent of a core. /healthz?verbose tells the lag, and nodejs_eventloop_lag_seconds what it is at a scrape.
 */
function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  for (const statistic of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
    registry.removeSingleMetric(`nodejs_eventloop_lag_${statistic}_seconds`);
}

/** Name, help, type and labels of every metric of our own, for docs/metrics.md. */
export function allMetrics(): { name: string; help: string; type: string; labels: string[] }[] {
  const { registry } = createDaemonMetrics({ version: '', readiness: { ready: false, checks: () => [] } });
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => name.startsWith('tartan_'))
    .map((metric) => {
      const {
        name,
        help,
        type,
        labelNames = [],
      } = metric as unknown as { name: string; help: string; type: string; labelNames?: string[] };
      return { name, help, type, labels: [...labelNames] };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}
