import {
  type Clock,
  type DataPath,
  type DataPathEvidence,
  type IpPrefix,
  type Lease,
  type LeaseSnapshot,
  type Logger,
  type NetworkController,
  type NetworkControllerStatus,
  type Plan,
  type ProtocolName,
  type ReconcileMetrics,
  type Reconciler,
  type ReconcilerStatus,
  type RtNetlink,
  createNetworkController,
  createReconciler,
  leaseKey,
} from '@tartan/core';
import { judgeKernel } from './kernel-check';
import type { NodeChecks } from './node-checks';
import type { NetworkSink, StandingNetwork } from './node-network';
import { runParts } from './run-parts';
import { WakeUp } from './wake-up';

/*
 * Joins the two halves of the data path: complete snapshots from the lease manager, and the network that is in force. The reconciler
 * behind it is made when the first network stands, because only then the cluster's networks, and so what is ours, are known; it is
 * made anew when they change (a widened network), with the old ones still among its own, so that nothing is left behind in them.
 */

/** The reconciler looks at everything each half minute at the latest; when none of that happened for so long, it is stuck. */
const STALLED_MS = 5 * 60_000;

export interface PeerProgrammerOptions {
  readonly netlink: RtNetlink;
  readonly checks: Pick<NodeChecks, 'peers' | 'kernel'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReconcileMetrics;
  readonly protocolName: ProtocolName;
  /** Networks of the last run: its routes are ours too, and removed when no longer wanted. */
  readonly previousNetworks: readonly IpPrefix[];
  /** Called with the names of the backend's own devices for every plan. */
  readonly onDevices?: (devices: readonly string[]) => void;
}

interface Engine {
  readonly networks: readonly IpPrefix[];
  readonly reconciler: Reconciler;
  readonly controller: NetworkController;
}

export interface ProgrammerStatus {
  readonly plan: NetworkControllerStatus;
  readonly kernel: ReconcilerStatus;
}

export class PeerProgrammer implements NetworkSink {
  private engine: Engine | null = null;
  private snapshot: LeaseSnapshot | null = null;
  private lease: Lease | null = null;
  private dataPath: DataPath | undefined;
  private evidence: DataPathEvidence = {};
  private lastPassAt = Infinity;
  private readonly replaced: WakeUp;
  /** Every network that was in force, of the last run too: what is left in one that is no more is still ours. */
  private readonly known: Map<string, IpPrefix>;

  constructor(private readonly options: PeerProgrammerOptions) {
    this.known = new Map(options.previousNetworks.map((network) => [String(network), network]));
    this.replaced = new WakeUp(options.clock);
  }

  use({ config, network, module, lease }: StandingNetwork): void {
    this.lease = lease;
    this.dataPath = network.dataPath;
    const networks = [config.ipv4?.network, config.ipv6?.network].flatMap((prefix) => prefix ?? []);
    const engine = this.engineFor(networks);
    this.handOver(engine);
    engine.controller.setNetwork({ network, capabilities: module.capabilities });
  }

  /** All peers, complete; or those of the last run, which count until the first complete list. */
  setSnapshot(snapshot: LeaseSnapshot): void {
    const { peers } = this.options.checks;
    const count = snapshot.leases.length;
    if (!snapshot.remembered) peers.pass(`${count} known`);
    else if (this.snapshot) return;
    else peers.fail(`${count} of the last run, waiting for the first complete list of peers`);
    this.snapshot = snapshot;
    if (this.engine) this.handOver(this.engine);
  }

  /** What was seen of the data path; it counts for every network of this process. */
  reportEvidence(evidence: DataPathEvidence): void {
    this.evidence = { ...evidence, ...this.evidence };
    this.engine?.controller.reportEvidence(evidence);
  }

  status(): ProgrammerStatus | null {
    return this.engine && { plan: this.engine.controller.status(), kernel: this.engine.reconciler.status() };
  }

  /** False when the reconciler should long have finished a pass. */
  get healthy(): boolean {
    return this.options.clock.monotonic() - this.lastPassAt < STALLED_MS;
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.replaced.interruptible(signal, (inner) => this.drive(inner));
      if (signal.aborted) return;
    }
  }

  /** Runs the engine of now until another takes its place. */
  private async drive(signal: AbortSignal): Promise<void> {
    const { engine, options } = this;
    if (!engine) return this.replaced.wait(signal);
    this.lastPassAt = options.clock.monotonic();
    const { reconciler, controller } = engine;
    const parts = [
      { name: 'reconciler', run: (inner: AbortSignal) => reconciler.run(inner) },
      { name: 'controller', run: (inner: AbortSignal) => controller.run(inner) },
    ];
    await runParts(parts, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  private engineFor(networks: readonly IpPrefix[]): Engine {
    const { engine } = this;
    if (engine && String(engine.networks) === String(networks)) return engine;
    for (const network of networks) this.known.set(String(network), network);
    this.engine = this.createEngine(networks);
    this.replaced.wake();
    return this.engine;
  }

  private createEngine(networks: readonly IpPrefix[]): Engine {
    const { netlink, clock, logger, metrics, protocolName, onDevices } = this.options;
    const common = { netlink, clock, logger, metrics, networks: [...this.known.values()] };
    const onPass = (status: ReconcilerStatus): void => {
      if (this.engine?.reconciler === reconciler) this.showPass(status);
    };
    const reconciler: Reconciler = createReconciler({ ...common, protocolName, onPass });
    const setPlan = (plan: Plan): void => {
      reconciler.setPlan(plan);
      onDevices?.(plan.ownership.devices);
    };
    const onProblem = (): void => {
      if (this.engine?.controller === controller) this.showKernel(reconciler.status());
    };
    const controller: NetworkController = createNetworkController({
      ...common,
      reconciler: { setPlan },
      onProblem,
    });
    controller.reportEvidence(this.evidence);
    return { networks, reconciler, controller };
  }

  /** A snapshot that was taken before our lease was known to be ours may list it among the peers. */
  private handOver({ controller }: Engine): void {
    const { snapshot, lease } = this;
    if (!snapshot || !lease) return;
    const own = leaseKey(lease);
    const leases = snapshot.leases.filter((peer) => leaseKey(peer) !== own);
    controller.setSnapshot(leases.length === snapshot.leases.length ? snapshot : { ...snapshot, leases });
  }

  private showPass(status: ReconcilerStatus): void {
    this.lastPassAt = this.options.clock.monotonic();
    this.showKernel(status);
  }

  private showKernel(status: ReconcilerStatus): void {
    const { ok, message } = judgeKernel(status, {
      problem: this.engine?.controller.status().problem ?? null,
      carries: this.dataPath?.status().running ?? true,
    });
    const { kernel } = this.options.checks;
    if (ok) kernel.pass(message);
    else kernel.fail(message);
  }
}
