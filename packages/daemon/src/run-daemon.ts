import { hostname } from 'node:os';
import {
  type DaemonOptions,
  type Datastore,
  type Logger,
  type NotifySender,
  BackOff,
  BackendRegistry,
  EventLoopLag,
  LastLeaseStore,
  ReadinessRegistry,
  ShutdownRequested,
  SystemdNotifier,
  abortReason,
  createLeaseManager,
  createProtocolNames,
  datagramNotifySender,
  describeDaemonOptions,
  loadBackendModule,
  optionsWithoutEffect,
  programNotifySender,
  readNodeIdentity,
  readSubnetEnv,
  startHealthServer,
  suspiciousVariables,
  systemClock as clock,
  takeNotifyEnvironment,
} from '@tartan/core';
import { createRtNetlink, unixDatagramSender } from '@tartan/netlink';
import { builtInBackends } from './backends';
import { ConfigSource } from './config-source';
import { lastLeaseKey, openDatastore } from './datastores';
import { createDaemonMetrics } from './metrics';
import { NodeChecks } from './node-checks';
import { NodeNetwork } from './node-network';
import { PeerProgrammer } from './peer-programmer';
import { readProtocolTables } from './protocol-tables';
import { SubnetFile } from './subnet-file';
import { version } from './version';

export interface RunOptions {
  readonly options: DaemonOptions;
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** Aborts with ShutdownRequested for an orderly stop. */
  readonly signal: AbortSignal;
}

/**
 * The composition root: makes every part, runs them until the signal aborts or one of them ends the daemon, and releases
 * everything in the reverse order. Resolves after an orderly stop, rejects with what ended it otherwise.
 */
export async function runDaemon({ options, env, logger, signal }: RunOptions): Promise<void> {
  const notifyEnvironment = takeNotifyEnvironment(env, process.pid);
  logStart(options, env, logger);
  const release: (() => void | Promise<void>)[] = [];
  try {
    const readiness = new ReadinessRegistry({ clock, logger });
    const checks = new NodeChecks(readiness);
    const metrics = createDaemonMetrics({ version: version(), readiness });
    const lag = new EventLoopLag({ clock });
    lag.start();
    release.push(() => lag.stop());

    const notifier = new SystemdNotifier({
      sender: notifySender(notifyEnvironment.socket),
      watchdogMs: notifyEnvironment.watchdogMs,
      healthy: () => true,
      clock,
      logger,
    });
    release.push(() => notifier.stop());
    notifier.follow(readiness);

    const identity = await readNodeIdentity({ nodeName: options.nodeName, env, hostname });
    const previous = await readSubnetEnv(options.subnetFile, logger);
    const subnetFile = new SubnetFile({
      path: options.subnetFile,
      memory: new LastLeaseStore({ directory: options.stateDir, key: lastLeaseKey(options), logger }),
      identity,
      clock,
      logger,
      check: checks.subnetFile,
    });
    release.push(() => subnetFile.close());
    const restored = await subnetFile.restore();

    const netlink = createRtNetlink({ logger });
    release.push(() => netlink.close());
    const programmer = new PeerProgrammer({
      netlink,
      checks,
      clock,
      logger,
      metrics: metrics.reconcile,
      protocolName: createProtocolNames(await readProtocolTables()),
      previousNetworks: [previous?.network, previous?.ipv6Network].flatMap((network) => network ?? []),
    });

    if (options.healthzPort > 0) {
      const server = await startHealthServer({
        host: options.healthzIp.toString(),
        port: options.healthzPort,
        readiness,
        lag,
        clock,
        logger,
        metrics: metrics.registry,
        json: { '/v1/status': () => status() },
      });
      release.push(() => server.close());
    }

    const backends = new BackendRegistry();
    for (const module of builtInBackends) backends.register(module);
    for (const nameOrPath of options.backendModule) backends.register(await loadBackendModule(nameOrPath), nameOrPath);

    const datastore = await openDatastore(options, { clock, logger });
    release.push(() => datastore.close());
    const leaseManager = createLeaseManager({
      datastore,
      identity,
      clock,
      logger,
      metrics: metrics.lease,
      ttlSeconds: options.subnetLeaseTtl.seconds,
      onLeaseLoss: options.onLeaseLoss,
    });
    const network = new NodeNetwork({
      options,
      identity,
      netlink,
      leaseManager,
      findBackend: (type) => backends.get(type),
      subnetFile,
      previous: {
        subnet: previous?.subnet ?? restored?.lease.subnet ?? null,
        ipv6Subnet: previous?.ipv6Subnet ?? restored?.lease.ipv6Subnet ?? null,
      },
      sink: programmer,
      checks,
      clock,
      logger,
    });
    const status = (): object => ({
      version: version(),
      node: identity.node,
      ready: readiness.ready,
      network: network.describe(),
      watch: leaseManager.watchStatus(),
      kernel: programmer.status(),
      datastore: datastore.status(),
    });

    await runParts(signal, [
      (inner) => followDatastore(datastore, checks, inner),
      (inner) =>
        new ConfigSource({
          datastore,
          strict: options.strictConfig,
          clock,
          logger,
          backOff: new BackOff({ initialMs: 500, maxMs: 10_000 }),
        }).run(
          {
            onConfig: (config) => network.setConfig(config),
            onProblem: (problem) => (problem === null ? checks.config.pass() : checks.config.fail(problem)),
          },
          inner,
        ),
      (inner) => network.run(inner),
      (inner) => programmer.run(inner),
      (inner) => leaseManager.watchPeers((snapshot) => programmer.setSnapshot(snapshot), inner),
    ]);
  } finally {
    for (const step of release.reverse()) await step();
  }
}

/** Runs all parts; the first that ends, in either way, ends the others. Resolves when the end was asked for. */
async function runParts(signal: AbortSignal, parts: ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const running = parts.map(async (part) => {
    try {
      await part(both);
    } finally {
      stop.abort(new ShutdownRequested('daemon'));
    }
  });
  const results = await Promise.allSettled(running);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed && !(failed.reason instanceof ShutdownRequested)) throw failed.reason;
  if (signal.aborted && !(signal.reason instanceof ShutdownRequested)) throw abortReason(signal);
}

/** Keeps the datastore's check in step; it is informational, since forwarding goes on without the datastore. */
async function followDatastore(datastore: Datastore, checks: NodeChecks, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { reachable, lastError } = datastore.status();
    if (reachable) checks.datastore.pass('reachable');
    else if (lastError !== null) checks.datastore.fail(lastError);
    await clock.sleep(1_000, signal).catch(() => undefined);
  }
}

function notifySender(path: string | null): NotifySender | null {
  if (path === null) return null;
  const sendDatagram = unixDatagramSender();
  return sendDatagram ? datagramNotifySender(path, sendDatagram) : programNotifySender({ path });
}

function logStart(options: DaemonOptions, env: NodeJS.ProcessEnv, logger: Logger): void {
  logger.info('tartand starts', { version: version(), node: process.version, pid: process.pid });
  logger.debug('options', describeDaemonOptions(options));
  const inert = optionsWithoutEffect(options);
  if (inert.length > 0) logger.warn('options without effect in this version', { options: inert });
  for (const { variable, nearest } of suspiciousVariables(env)) {
    logger.warn('environment variable is not an option', { variable, nearest });
  }
}
