import {
  createNetworkController,
  createReconciler,
  createReconcileMetrics,
  selectExternalInterface,
  silentLogger,
  systemClock,
  type BackendPublication,
  type DataPathEvidence,
  type FirewallAccess,
  type Lease,
  type NetworkConfig,
  type NetworkController,
  type Reconciler,
  type RtNetlink,
} from '@tartan/core';
import { eventually } from '@tartan/lab';
import { Registry } from 'prom-client';
import { backend } from '../../src';
import { networks } from './nodes';

export interface WorkingNodeOptions {
  readonly netlink: RtNetlink;
  readonly config: NetworkConfig;
  readonly own: Lease;
  /** Default `eth0`. */
  readonly iface?: string;
  readonly fullPassIntervalMs?: number;
  readonly inspectionIntervalMs?: number;
  readonly firewall?: FirewallAccess;
}

/** The backend at work as in the daemon: interface choice, prepare, start, controller and reconciler, in real time. */
export class WorkingNode {
  readonly registry = new Registry();
  readonly reconciler: Reconciler;
  private readonly controller: NetworkController;
  private readonly stopping = new AbortController();
  private readonly parts: Promise<void>[];
  published: BackendPublication | undefined;
  mtuBytes = 0;

  private constructor(private readonly options: WorkingNodeOptions) {
    const { netlink, fullPassIntervalMs, inspectionIntervalMs } = options;
    const common = { netlink, networks, clock: systemClock, logger: silentLogger };
    const metrics = createReconcileMetrics(this.registry);
    this.reconciler = createReconciler({
      ...common,
      metrics,
      fights: { limit: 1_000 },
      ...(fullPassIntervalMs !== undefined && { fullPassIntervalMs }),
    });
    this.controller = createNetworkController({
      ...common,
      metrics,
      reconciler: this.reconciler,
      ...(inspectionIntervalMs !== undefined && { inspectionIntervalMs }),
    });
    this.parts = [this.reconciler.run(this.stopping.signal), this.controller.run(this.stopping.signal)];
  }

  static async start(options: WorkingNodeOptions): Promise<WorkingNode> {
    const node = new WorkingNode(options);
    await node.renew();
    return node;
  }

  /** What the daemon does at start, and again when the interface has changed. */
  async renew(config = this.options.config): Promise<void> {
    const { netlink, own, iface = 'eth0', firewall } = this.options;
    const externalInterface = await selectExternalInterface({
      netlink,
      logger: silentLogger,
      families: { ipv4: config.ipv4 !== null, ipv6: config.ipv6 !== null },
      options: { iface: [iface], ifaceRegex: [] },
    });
    const instance = backend.create({
      config,
      externalInterface,
      netlink,
      identity: { node: 'node-1', machine: 'c0ffee' },
      clock: systemClock,
      logger: silentLogger,
      ...(firewall && { firewall }),
    });
    const { signal } = this.stopping;
    this.published = await instance.prepare(signal);
    const network = await instance.start(own, signal);
    this.mtuBytes = network.mtuBytes;
    this.controller.setNetwork({ network, capabilities: backend.capabilities });
  }

  /** Sets the peers and waits until the kernel is as it must be. */
  async setPeers(leases: readonly Lease[]): Promise<void> {
    this.controller.setSnapshot({ revision: String(performance.now()), leases });
    const signal = AbortSignal.timeout(5_000);
    await this.controller.whenPlanned(signal);
    try {
      await this.reconciler.whenSynced(signal);
    } catch (cause) {
      const { lastPass, findings } = this.reconciler.status();
      throw new Error(`not settled: ${JSON.stringify({ lastPass, findings })}`, { cause });
    }
  }

  reportEvidence(evidence: DataPathEvidence): void {
    this.controller.reportEvidence(evidence);
  }

  /** Sum over all label values that match. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const { values } = (await this.registry.getSingleMetric(name)?.get()) ?? { values: [] };
    return values
      .filter((value) => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))
      .reduce((sum, { value }) => sum + value, 0);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.parts);
  }
}

/** Well below the time between two full passes: what comes true within it was noticed, however busy the machine is. */
const NOTICED_MS = 20_000;

export async function comesTrue(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  await eventually(condition, { what, timeoutMs: NOTICED_MS });
}
