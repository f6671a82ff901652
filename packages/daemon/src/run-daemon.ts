import {
  type BackendRegistry,
  type DaemonOptions,
  type Datastore,
  type LastCluster,
  type Lease,
  type LeaseManager,
  type LeaseSubnets,
  type Logger,
  type NftGeneration,
  type OwnerIdentity,
  type ParsedSubnetEnv,
  type ReadinessCheck,
  type RtNetlink,
  BackOff,
  LastClusterStore,
  LastLeaseStore,
  createLeaseManager,
  createProtocolNames,
  describeDaemonOptions,
  doubtfulOptions,
  isStillGood,
  optionsWithoutEffect,
  readNodeIdentity,
  readSubnetEnv,
  suspiciousVariables,
  takeNotifyEnvironment,
} from '@tartan/core';
import type { KubeCluster } from '@tartan/datastore-kube';
import { withBlackholeRoute } from './blackhole-route';
import { ClusterMemory } from './cluster-memory';
import { ConfigSource, type ConfigSourceListener } from './config-source';
import { followDatastore } from './datastore-check';
import type { EarlyResume } from './early-resume';
import { lastLeaseKey } from './datastores';
import { loadBackends } from './load-backends';
import { NodeLease, type NodeLeaseListener } from './node-lease';
import { NodeName } from './node-name';
import { type NetworkSink, type NodeNetworkOptions, NodeNetwork } from './node-network';
import { NodeStatusFile } from './node-status-file';
import { type Observation, openObservation } from './observation';
import { PeerProgrammer, type PeerProgrammerOptions } from './peer-programmer';
import { Releases } from './releases';
import { logResumption, resumeFile } from './resume-file';
import { type Part, beforeAbort, runParts } from './run-parts';
import { SubnetFile } from './subnet-file';
import { TrafficRules } from './traffic-rules';
import { version } from './version';
import { type World, realWorld } from './world';

/*
 * The composition root: makes every part, joins them, runs them, and gives everything back.
 *
 *   ConfigSource ──config──▶ NodeNetwork ──network──▶ PeerProgrammer ──▶ reconciler ──▶ kernel
 *                             │  ▲  │                    ▲
 *                    NodeLease┘  │  └▶ SubnetFile        └──snapshots── lease manager
 *                          external interface
 *
 * The health server comes first, so that whatever blocks afterwards can be seen; subnet.env from the last lease comes next, since
 * pods wait for it. Nothing here waits for the datastore or for anything else that may be away: that is the parts' business.
 */

/** Together below the two seconds within which the daemon is gone after it was told to stop. */
const PARTS_GRACE_MS = 1_000;
const RELEASE_GRACE_MS = 800;

export interface RunOptions {
  readonly options: DaemonOptions;
  readonly env: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** Aborts with ShutdownRequested for an orderly stop. */
  readonly signal: AbortSignal;
  /** What this process went on with before anything else; absent: nothing is kept for the next process. */
  readonly earlyResume?: EarlyResume;
  /** The real one unless given. */
  readonly world?: World;
}

/** What every step of the making gets. */
interface Making extends RunOptions {
  readonly world: World;
  readonly releases: Releases;
}

/** Runs until the signal aborts or a part fails. Resolves after an orderly stop, rejects with what ended it otherwise. */
export async function runDaemon(run: RunOptions): Promise<void> {
  const { logger, signal, world = realWorld } = run;
  const { clock } = world;
  const releases = new Releases({ clock, logger });
  try {
    const parts = await beforeAbort(makeParts({ ...run, world, releases }), signal);
    await runParts(parts ?? [], signal, { clock, logger, graceMs: PARTS_GRACE_MS });
  } finally {
    await releases.run(RELEASE_GRACE_MS);
  }
}

async function makeParts(making: Making): Promise<Part[]> {
  const { options, env, logger, signal, world, releases } = making;
  const { clock } = world;
  const notifyEnvironment = takeNotifyEnvironment(env, process.pid);
  logStart(options, env, logger);
  if (making.earlyResume) logResumption(making.earlyResume, logger);
  const observation = await openObservation({ options, notifyEnvironment, clock, logger, signal, releases });
  const cluster = world.openCluster?.(options, env, logger) ?? null;
  if (cluster) {
    releases.add('Kubernetes API', () => cluster.close());
    observation.page.cluster = cluster;
    observation.metrics.kube.activity = () => cluster.activity;
  }
  const nodeName = cluster && (await nodeNameInCluster(making, cluster));
  const identity = await readIdentity(making, nodeName?.name ?? options.nodeName);
  observation.page.identity = identity;
  const files = await openFiles(making, observation, identity);
  const netlink = world.openNetlink(logger);
  releases.add('netlink', () => netlink.close());
  const generation = openGeneration(making);
  const traffic = openTraffic(making, observation, { netlink, generation, present: files.present });
  const onDevices = (devices: readonly string[]): void => traffic?.setDevices(devices);
  const programmer = await openProgrammer(making, observation, { netlink, present: files.present, onDevices });
  const backends = await loadBackends(options.backendModule);
  const { datastore, leaseManager } = await openDatastore(making, observation, identity, cluster);
  return joinParts(making, observation, {
    ...files,
    cluster,
    nodeName,
    identity,
    netlink,
    programmer,
    traffic,
    generation,
    backends,
    datastore,
    leaseManager,
  });
}

function readIdentity({ env, world }: Making, nodeName: string): Promise<OwnerIdentity> {
  const { machineIdPath } = world;
  return readNodeIdentity({
    nodeName,
    env,
    hostname: () => world.hostname(),
    ...(machineIdPath !== undefined && { machineIdPath }),
  });
}

/** The flag, NODE_NAME, and else the node of the pod that we run in (flannel-compat 3.1); outside of a pod the host name remains. */
async function nodeNameInCluster(making: Making, cluster: KubeCluster): Promise<NodeName> {
  const { options, env, logger, signal } = making;
  const given = [options.nodeName, env['NODE_NAME']].map((name) => name?.trim()).find((name) => name);
  const { POD_NAME: pod, POD_NAMESPACE: namespace } = env;
  if (given !== undefined || !pod || !namespace) return NodeName.told(given ?? '');
  return NodeName.find(
    {
      ask: (inner, onProblem) => cluster.nodeNameOfPod(namespace, pod, inner, onProblem),
      remembered: () => rememberedNodeName(making),
      logger,
    },
    signal,
  );
}

/** Of the last run on this machine. */
async function rememberedNodeName(making: Making): Promise<string | null> {
  const { options, logger, world } = making;
  const { machine } = await readIdentity(making, '');
  const memory = new LastLeaseStore({ directory: options.stateDir, key: lastLeaseKey(options), logger });
  const last = await memory.read();
  if (!last || !isStillGood(last, { now: world.clock.now(), machine })) return null;
  return last.lease.attrs.owner?.node ?? null;
}

interface Files {
  readonly subnetFile: SubnetFile;
  /** What the subnet file said before we touched it. */
  readonly present: ParsedSubnetEnv | null;
  /** Subnets of the last run. */
  readonly previous: LeaseSubnets;
  /** The last run's lease, as far as it is still ours, and what was known of the cluster. */
  readonly remembered: Lease | null;
  readonly lastCluster: LastCluster | null;
  readonly memory: ClusterMemory;
}

async function openFiles(
  { options, logger, world }: Making,
  { checks }: Observation,
  identity: OwnerIdentity,
): Promise<Files> {
  const subnetFile = new SubnetFile({
    path: options.subnetFile,
    memory: new LastLeaseStore({ directory: options.stateDir, key: lastLeaseKey(options), logger }),
    identity,
    assigned: options.datastore.kind === 'kube',
    ipMasq: options.ipMasq,
    clock: world.clock,
    logger,
    check: checks.subnetFile,
  });
  const present = await readSubnetEnv(options.subnetFile, logger);
  const restored = await subnetFile.restore(present);
  const previous = {
    subnet: present?.subnet ?? restored?.lease.subnet ?? null,
    ipv6Subnet: present?.ipv6Subnet ?? restored?.lease.ipv6Subnet ?? null,
  };
  const { machine } = identity;
  const store = new LastClusterStore({ directory: options.stateDir, key: lastLeaseKey(options), machine, logger });
  const lastCluster = restored && (await store.read());
  const memory = new ClusterMemory({ store, last: lastCluster, clock: world.clock, logger });
  return { subnetFile, present, previous, remembered: restored?.lease ?? null, lastCluster, memory };
}

async function openProgrammer(
  { logger, world }: Making,
  { checks, metrics, page }: Observation,
  {
    netlink,
    present,
    onDevices,
  }: Pick<PeerProgrammerOptions, 'netlink' | 'onDevices'> & { readonly present: ParsedSubnetEnv | null },
): Promise<PeerProgrammer> {
  const programmer = new PeerProgrammer({
    netlink,
    checks,
    clock: world.clock,
    logger,
    metrics: metrics.reconcile,
    protocolName: createProtocolNames(await world.readProtocolTables()),
    previousNetworks: [present?.network, present?.ipv6Network].flatMap((network) => network ?? []),
    ...(onDevices && { onDevices }),
  });
  page.programmer = programmer;
  return programmer;
}

/** null where the world has no packet filter. */
function openGeneration({ logger, world, releases }: Making): NftGeneration | null {
  const generation = world.traffic?.openGeneration(logger) ?? null;
  if (generation) releases.add('nftables generation', () => generation.close());
  return generation;
}

interface TrafficParts {
  readonly netlink: RtNetlink;
  readonly generation: NftGeneration | null;
  readonly present: ParsedSubnetEnv | null;
}

/** null where the world has no packet filter. */
function openTraffic(
  { options, logger, world }: Making,
  { checks, metrics, page }: Observation,
  { netlink, generation, present }: TrafficParts,
): TrafficRules | null {
  if (!world.traffic || !generation) {
    checks.traffic.pass('none');
    return null;
  }
  const traffic = new TrafficRules({
    options,
    world: world.traffic,
    generation,
    netlink,
    previousNetworks: [present?.network, present?.ipv6Network].flatMap((network) => network ?? []),
    check: checks.traffic,
    metrics: metrics.traffic,
    clock: world.clock,
    logger,
  });
  page.traffic = traffic;
  return traffic;
}

async function openDatastore(
  { options, logger, world, releases }: Making,
  { metrics, page }: Observation,
  identity: OwnerIdentity,
  cluster: KubeCluster | null,
): Promise<{ readonly datastore: Datastore; readonly leaseManager: LeaseManager }> {
  const datastore = cluster
    ? cluster.openDatastore({
        identity,
        configPath: options.netConfigPath,
        startSpreadMs: options.kubeStartSpread.ms,
      })
    : await world.openDatastore(options, logger);
  releases.add('datastore', () => datastore.close());
  const leaseManager = createLeaseManager({
    datastore,
    identity,
    clock: world.clock,
    logger,
    metrics: metrics.lease,
    ttlSeconds: options.subnetLeaseTtl.seconds,
    onLeaseLoss: options.onLeaseLoss,
  });
  page.datastore = datastore;
  page.leaseManager = leaseManager;
  return { datastore, leaseManager };
}

interface Made extends Files {
  readonly cluster: KubeCluster | null;
  /** null without Kubernetes. */
  readonly nodeName: NodeName | null;
  readonly identity: OwnerIdentity;
  readonly netlink: RtNetlink;
  readonly programmer: PeerProgrammer;
  readonly traffic: TrafficRules | null;
  readonly generation: NftGeneration | null;
  readonly backends: BackendRegistry;
  readonly datastore: Datastore;
  readonly leaseManager: LeaseManager;
}

function joinParts(
  { options, logger, world, earlyResume, releases }: Making,
  { checks, metrics, page, readiness }: Observation,
  made: Made,
): Part[] {
  const { clock } = world;
  const {
    cluster,
    nodeName,
    identity,
    netlink,
    programmer,
    traffic,
    generation,
    backends,
    datastore,
    subnetFile,
    previous,
    remembered,
    lastCluster,
    memory,
  } = made;
  const leaseManager = nodeName?.guard(made.leaseManager) ?? made.leaseManager;
  const onRemembered = (): void => recallPeers(lastCluster, programmer, traffic);
  const lease = new NodeLease({ leaseManager, previous, remembered, onRemembered, check: checks.lease, clock, logger });
  const findBackend = (type: string) => backends.get(type);
  const sink: NetworkSink = {
    use: (standing) => {
      const { network: plain, lease: held } = standing;
      programmer.use({ ...standing, network: options.ipBlackholeRoute ? withBlackholeRoute(plain, held) : plain });
      traffic?.use(standing);
    },
  };
  const firewall = world.traffic && { runner: world.traffic.runner, ...(generation && { generation }) };
  const parts = { identity, netlink, lease, findBackend, subnetFile, sink, ...(firewall && { firewall }) };
  const onInterfaceChanged = (): void => datastore.reconnect?.();
  const network = new NodeNetwork({
    ...parts,
    options,
    checks,
    clock,
    logger,
    onInterfaceChanged,
    remembered,
    ...(cluster && { annotatedAddresses: (signal: AbortSignal) => cluster.annotatedAddresses(identity.node, signal) }),
    ...(earlyResume && resumeParts(earlyResume, options)),
  });
  if (cluster) cluster.onAddresses = () => network.addressesChanged();
  releases.addLast('network', () => network.close());
  page.network = network;
  metrics.dataPath.status = () => network.dataPathStatus();
  const backOff = new BackOff({ initialMs: 500, maxMs: 10_000 });
  const nodeStatus = new NodeStatusFile({ subnetFile: options.subnetFile, readiness, clock, logger });
  const strict = options.strictConfig;
  const config = new ConfigSource({
    datastore,
    strict,
    assigned: cluster !== null,
    remembered: lastCluster?.config ?? null,
    clock,
    logger,
    backOff,
  });
  return [
    { name: 'config', run: (signal) => config.run(configListener(network, memory, checks.config), signal) },
    { name: 'network', run: (signal) => network.run(signal) },
    { name: 'lease', run: (signal) => lease.run(leaseListener(network), signal) },
    { name: 'subnet file', run: (signal) => subnetFile.run(signal) },
    { name: 'node status', run: (signal) => nodeStatus.run(signal) },
    {
      name: 'peers',
      run: (signal) =>
        leaseManager.watchPeers((snapshot) => {
          programmer.setSnapshot(snapshot);
          traffic?.setSnapshot(snapshot);
          memory.setSnapshot(snapshot);
        }, signal),
    },
    { name: 'memory', run: (signal) => memory.run(signal) },
    { name: 'kernel', run: (signal) => programmer.run(signal) },
    ...(traffic ? [{ name: 'traffic rules', run: (signal: AbortSignal) => traffic.run(signal) }] : []),
    { name: 'datastore', run: (signal) => followDatastore({ datastore, check: checks.datastore, clock }, signal) },
    ...(cluster && nodeName ? [nodeCondition({ ...made, cluster, nodeName }, options, readiness)] : []),
  ];
}

/** A backend that is not the one of the last run has no use for what was gone on with. */
function resumeParts(
  earlyResume: EarlyResume,
  options: DaemonOptions,
): Pick<NodeNetworkOptions, 'resume' | 'onBackend'> {
  return {
    resume: { path: resumeFile(options.stateDir, lastLeaseKey(options)), startedWith: earlyResume.startedWith },
    onBackend: (type) => (type === earlyResume.backendType ? Promise.resolve() : earlyResume.drop()),
  };
}

/** Until the first complete list: what the last run knew, if it is not too late already. */
function recallPeers(last: LastCluster | null, programmer: PeerProgrammer, traffic: TrafficRules | null): void {
  if (!last) return;
  const snapshot = { revision: 'remembered', leases: last.peers, remembered: true } as const;
  programmer.setSnapshot(snapshot);
  traffic?.setSnapshot(snapshot);
}

function nodeCondition(
  {
    cluster,
    nodeName,
    identity: { node },
  }: { readonly cluster: KubeCluster; readonly nodeName: NodeName; readonly identity: OwnerIdentity },
  options: DaemonOptions,
  readiness: Observation['readiness'],
): Part {
  const { setNodeNetworkUnavailable: condition, withdrawNodeNetwork: withdraw } = options;
  return {
    name: 'node condition',
    run: async (signal) => {
      await nodeName.confirmed(signal);
      await cluster.condition({ node, readiness, condition, withdraw }).run(signal);
    },
  };
}

function leaseListener(network: NodeNetwork): NodeLeaseListener {
  return { onMoved: () => network.leaseMoved(), onRenewed: (lease) => network.leaseRenewed(lease) };
}

/** What of the last config waits for an operator stays to be seen, whatever happens to the datastore meanwhile. */
function configListener(network: NodeNetwork, memory: ClusterMemory, check: ReadinessCheck): ConfigSourceListener {
  let waiting: string | null = null;
  const show = (): void => (waiting === null ? check.pass() : check.fail(waiting));
  return {
    onConfig: (config, text) => {
      memory.setConfig(text);
      waiting = network.setConfig(config);
      show();
    },
    onProblem: (problem) => check.fail(problem),
    onRecovered: show,
  };
}

function logStart(options: DaemonOptions, env: NodeJS.ProcessEnv, logger: Logger): void {
  logger.info('tartand starts', { version: version(), node: process.version, pid: process.pid });
  logger.debug('options', describeDaemonOptions(options));
  const inert = optionsWithoutEffect(options);
  if (inert.length > 0) logger.warn('options without effect in this version', { options: inert });
  for (const { option, reason } of doubtfulOptions(options)) {
    logger.warn('option is probably a mistake', { option, reason });
  }
  for (const { variable, nearest } of suspiciousVariables(env)) {
    logger.warn('environment variable is not an option', { variable, nearest });
  }
}
