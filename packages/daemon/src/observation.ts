import {
  type Clock,
  type DaemonOptions,
  type Logger,
  type NotifyEnvironment,
  EventLoopLag,
  ReadinessRegistry,
  startHealthServer,
} from '@tartan/core';
import { type DaemonMetrics, createDaemonMetrics } from './metrics';
import { NodeChecks } from './node-checks';
import type { Releases } from './releases';
import { informServiceManager } from './service-manager';
import { StatusPage } from './status-page';
import { version } from './version';

/** What makes a daemon visible from outside, before it can do anything. */
export interface Observation {
  readonly checks: NodeChecks;
  readonly metrics: DaemonMetrics;
  readonly page: StatusPage;
  readonly readiness: ReadinessRegistry;
}

export interface ObservationOptions {
  readonly options: Pick<DaemonOptions, 'healthzIp' | 'healthzPort'>;
  readonly notifyEnvironment: NotifyEnvironment;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the daemon is told to stop. */
  readonly signal: AbortSignal;
  readonly releases: Releases;
}

/** Resolves once health checks are answered. Rejects with HEALTH_BIND_FAILED. */
export async function openObservation(input: ObservationOptions): Promise<Observation> {
  const { options, notifyEnvironment: environment, clock, logger, signal, releases } = input;
  const readiness = new ReadinessRegistry({ clock, logger });
  const checks = new NodeChecks(readiness);
  const metrics = createDaemonMetrics({ version: version(), readiness });
  const page = new StatusPage(version(), readiness);
  const healthy = (): boolean => page.programmer?.healthy ?? true;
  const notifier = informServiceManager({ environment, readiness, healthy, clock, logger, signal });
  releases.add('service manager', () => notifier.stop());
  if (options.healthzPort > 0) {
    const lag = new EventLoopLag({ clock });
    lag.start();
    releases.add('event loop lag', () => lag.stop());
    const server = await startHealthServer({
      host: options.healthzIp.toString(),
      port: options.healthzPort,
      readiness,
      lag,
      clock,
      logger,
      metrics: metrics.registry,
      json: { '/v1/status': () => page.show() },
    });
    releases.add('health server', () => server.close());
  }
  return { checks, metrics, page, readiness };
}
