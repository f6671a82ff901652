import {
  type Clock,
  type IpPrefix,
  type LeaseSnapshot,
  type Logger,
  type NetworkController,
  type NetworkControllerStatus,
  type ProtocolName,
  type ReconcileMetrics,
  type Reconciler,
  type ReconcilerStatus,
  type RtNetlink,
  createNetworkController,
  createReconciler,
} from '@tartan/core';
import type { NodeChecks } from './node-checks';
import type { NetworkSink, StandingNetwork } from './node-network';
import { WakeUp } from './wake-up';

/*
 * Joins the two halves of the data path: complete snapshots from the lease manager, and the network that is in force. The reconciler
 * behind it is made when the first network stands, because only then the cluster's networks, and so what is ours, are known.
 */

export interface PeerProgrammerOptions {
  readonly netlink: RtNetlink;
  readonly checks: NodeChecks;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReconcileMetrics;
  readonly protocolName: ProtocolName;
  /** Networks of the last run: its routes are ours too, and removed when no longer wanted. */
  readonly previousNetworks: readonly IpPrefix[];
}

interface Engine {
  readonly reconciler: Reconciler;
  readonly controller: NetworkController;
}

export class PeerProgrammer implements NetworkSink {
  private engine: Engine | null = null;
  private snapshot: LeaseSnapshot | null = null;
  private readonly started: WakeUp;

  constructor(private readonly options: PeerProgrammerOptions) {
    this.started = new WakeUp(options.clock);
  }

  use({ config, network, module }: StandingNetwork): void {
    const networks = [config.ipv4?.network, config.ipv6?.network].flatMap((prefix) => prefix ?? []);
    this.engine ??= this.createEngine([...networks, ...this.options.previousNetworks]);
    this.engine.controller.setNetwork({ network, capabilities: module.capabilities });
    this.started.wake();
  }

  /** All peers, complete. */
  setSnapshot(snapshot: LeaseSnapshot): void {
    this.options.checks.peers.pass(`${snapshot.leases.length} known`);
    this.snapshot = snapshot;
    this.engine?.controller.setSnapshot(snapshot);
  }

  status(): { plan: NetworkControllerStatus; kernel: ReconcilerStatus } | null {
    return this.engine && { plan: this.engine.controller.status(), kernel: this.engine.reconciler.status() };
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!this.engine && !signal.aborted) await this.started.wait(signal);
    if (!this.engine) return;
    await Promise.all([this.engine.reconciler.run(signal), this.engine.controller.run(signal)]);
  }

  private createEngine(networks: readonly IpPrefix[]): Engine {
    const { netlink, clock, logger, metrics, protocolName } = this.options;
    const onPass = (status: ReconcilerStatus): void => this.showPass(status);
    const reconciler = createReconciler({ netlink, clock, logger, metrics, protocolName, networks, onPass });
    const controller = createNetworkController({ netlink, reconciler, networks, clock, logger, metrics });
    if (this.snapshot) controller.setSnapshot(this.snapshot);
    return { reconciler, controller };
  }

  /** A peer that cannot be reached is degraded service and a finding; a kernel that takes nothing is not being ready. */
  private showPass({ firstPassDone, routes, findings }: ReconcilerStatus): void {
    const { kernel } = this.options.checks;
    const summary = `${routes.programmed} of ${routes.desired} routes`;
    const errors = findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);
    const text =
      errors.length > 0
        ? `${summary}; ${errors[0] ?? ''}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`
        : summary;
    if (firstPassDone && (routes.desired === 0 || routes.programmed > 0)) kernel.pass(text);
    else kernel.fail(text);
  }
}
