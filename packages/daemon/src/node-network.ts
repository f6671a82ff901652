import {
  type Backend,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Clock,
  type DaemonOptions,
  type ExternalInterface,
  type InterfaceWatch,
  type Lease,
  type LeaseAttrs,
  type LeaseListener,
  type LeaseLoss,
  type LeaseManager,
  type Logger,
  type NetworkConfig,
  type OwnerIdentity,
  type LeaseSubnets,
  type RtNetlink,
  BackOff,
  Ipv4Address,
  TartanError,
  diffNetworkConfig,
  isTartanError,
  selectExternalInterface,
  watchExternalInterface,
} from '@tartan/core';
import type { NodeChecks } from './node-checks';
import type { SubnetFile } from './subnet-file';
import { WakeUp } from './wake-up';

/*
 * From a network config to a node that carries traffic, and back to that state whenever something under it moves.
 *
 * Every step (interface, backend, lease, subnet file) may fail for reasons that pass: a DHCP client that is slow, a module that is
 * not loaded yet, etcd that comes up last. So bringing the network up is one function that is tried until it succeeds, and called
 * again when the config, the interface or the lease changes; each step is idempotent, and what a step finds already right it leaves
 * alone. Traffic goes on meanwhile: nothing is taken down before the new plan stands, and the reconciler then applies the difference.
 */

/** Mistakes that no waiting cures: the daemon ends with the message, exit status 1. */
const FATAL = new Set(['LEASE_DUPLICATE_PUBLIC_IP', 'IFACE_OPTION_INVALID']);

/** Receives the network that is in force; owns the way from snapshots to the kernel. */
export interface NetworkSink {
  /** From now on plan with this network. Called again for every change; the old one is closed afterwards by the caller. */
  use(standing: StandingNetwork): void;
}

/** Everything that is settled once the node is up. */
export interface StandingNetwork {
  readonly config: NetworkConfig;
  readonly externalInterface: ExternalInterface;
  readonly module: BackendModule;
  readonly lease: Lease;
  readonly network: BackendNetwork;
}

export interface NodeNetworkOptions {
  readonly options: DaemonOptions;
  readonly identity: OwnerIdentity;
  readonly netlink: RtNetlink;
  readonly leaseManager: LeaseManager;
  readonly findBackend: (type: string) => BackendModule;
  readonly subnetFile: SubnetFile;
  /** Subnets of the last run. */
  readonly previous: LeaseSubnets;
  readonly sink: NetworkSink;
  readonly checks: NodeChecks;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NodeNetwork {
  private config: NetworkConfig | null = null;
  private standing: StandingNetwork | null = null;
  private watch: InterfaceWatch | undefined;
  private readonly wakeUp: WakeUp;
  private lastProblem: string | null = null;

  constructor(private readonly deps: NodeNetworkOptions) {
    this.wakeUp = new WakeUp(deps.clock);
  }

  /** For status pages: JSON, null before the network stands. */
  describe(): object | null {
    if (!this.standing) return null;
    const { externalInterface, lease, module, network } = this.standing;
    return {
      backend: module.type,
      mtuBytes: network.mtuBytes,
      subnet: lease.subnet,
      ipv6Subnet: lease.ipv6Subnet,
      reservation: lease.reservation,
      expiresAt: lease.expiresAt === null ? null : new Date(lease.expiresAt).toISOString(),
      interface: externalInterface,
    };
  }

  /** A valid config arrived. Before the network stands it is simply the one to use; afterwards only what is safe is applied. */
  setConfig(config: NetworkConfig): void {
    if (this.standing) {
      if (!this.applies(this.standing, config)) return;
    }
    this.config = config;
    this.wakeUp.wake();
  }

  /** Brings the network up and keeps it so until the signal aborts (then resolves) or a mistake ends it (then rejects). */
  async run(signal: AbortSignal): Promise<void> {
    const { leaseManager } = this.deps;
    const inner = new AbortController();
    const both = AbortSignal.any([signal, inner.signal]);
    try {
      await this.bringUp(both);
      if (both.aborted) return;
      const parts = [leaseManager.maintain(this.leaseListener(), both), this.followChanges(both)];
      await Promise.all(parts.map((part) => part.finally(() => inner.abort())));
    } finally {
      inner.abort();
      this.watch?.close();
      await this.standing?.network.close();
    }
  }

  private async followChanges(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.wakeUp.wait(signal);
      if (signal.aborted) return;
      await this.bringUp(signal);
    }
  }

  /** Repeats `attempt` until it succeeds or the signal aborts. */
  private async bringUp(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff({ initialMs: 250, maxMs: 10_000 });
    while (!signal.aborted) {
      try {
        const config = this.config;
        if (config === null) await this.wakeUp.wait(signal);
        else return await this.attempt(config, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof TartanError && FATAL.has(error.code)) throw error;
        this.report(error);
        await this.wakeUp.wait(signal, backOff.next());
      }
    }
  }

  private async attempt(config: NetworkConfig, signal: AbortSignal): Promise<void> {
    const { checks, netlink, clock, logger, findBackend, identity } = this.deps;
    const module = await checks.guard('backend', () => Promise.resolve(findBackend(config.backendType)));
    const externalInterface = await checks.guard('interface', () => this.selectInterface(config));
    checks.interface.pass(`${externalInterface.ifname} (${externalInterface.pickedBy})`);
    this.watchInterface(externalInterface);
    const backend = module.create({
      config,
      externalInterface,
      netlink,
      clock,
      identity,
      logger: logger.child({ backend: module.type }),
    });
    const publication = await checks.guard('backend', () => backend.prepare(signal));
    const lease = await checks.guard('lease', () => this.obtainLease(config, externalInterface, publication, signal));
    const network = await checks.guard('backend', () => backend.start(lease, signal));
    checks.backend.pass(module.type);
    await this.take({ config, externalInterface, module, lease, network });
  }

  private selectInterface(config: NetworkConfig): Promise<ExternalInterface> {
    const { netlink, options, logger } = this.deps;
    return selectExternalInterface({
      netlink,
      logger,
      families: { ipv4: config.ipv4 !== null, ipv6: config.ipv6 !== null },
      options: {
        iface: options.iface,
        ifaceRegex: options.ifaceRegex,
        ifaceCanReach: options.ifaceCanReach?.toString() ?? '',
        publicIP: options.publicIp?.toString() ?? '',
        publicIPv6: options.publicIpv6?.toString() ?? '',
      },
    });
  }

  private async obtainLease(
    config: NetworkConfig,
    externalInterface: ExternalInterface,
    publication: BackendPublication,
    signal: AbortSignal,
  ): Promise<Lease> {
    const { leaseManager, previous, checks } = this.deps;
    const attrs = this.attrs(externalInterface, publication);
    checks.lease.fail('waiting for a lease');
    const lease = await leaseManager.acquire(
      {
        config,
        attrs,
        previousSubnet: this.standing?.lease.subnet ?? previous.subnet,
        previousIpv6Subnet: this.standing?.lease.ipv6Subnet ?? previous.ipv6Subnet,
      },
      signal,
    );
    checks.lease.pass(describeLease(lease));
    return lease;
  }

  private attrs({ publicIP, publicIPv6 }: ExternalInterface, publication: BackendPublication): LeaseAttrs {
    return {
      publicIP: publicIP ?? Ipv4Address.fromNumber(0),
      publicIPv6,
      ...publication,
      owner: this.deps.identity,
    };
  }

  /** Puts a complete network in force; the one before it is closed last, so that nothing is missing in between. */
  private async take(next: StandingNetwork): Promise<void> {
    const { sink, subnetFile, options, logger } = this.deps;
    const before = this.standing;
    this.standing = next;
    this.lastProblem = null;
    subnetFile.set({
      lease: next.lease,
      network: next.config.ipv4?.network ?? null,
      ipv6Network: next.config.ipv6?.network ?? null,
      mtuBytes: next.network.mtuBytes,
      ipMasq: options.ipMasq,
    });
    sink.use(next);
    await before?.network.close();
    logger.info('network is up', {
      backend: next.module.type,
      lease: describeLease(next.lease),
      ifname: next.externalInterface.ifname,
      pickedBy: next.externalInterface.pickedBy,
      publicIP: next.externalInterface.publicIP?.toString(),
      publicIPv6: next.externalInterface.publicIPv6?.toString(),
      mtuBytes: next.network.mtuBytes,
    });
  }

  /** One line per distinct problem, however often it is tried. */
  private report(error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem === this.lastProblem) return;
    this.lastProblem = problem;
    this.deps.logger.error('network cannot be brought up yet, trying on', { error });
  }

  private watchInterface(current: ExternalInterface): void {
    const { netlink, clock, logger } = this.deps;
    if (this.watch) {
      this.watch.update(current);
      return;
    }
    this.watch = watchExternalInterface({
      netlink,
      clock,
      logger,
      current,
      onChange: ({ reasons }) => this.interfaceChanged(reasons),
    });
    this.watch.ready.catch((error: unknown) => logger.warn('external interface cannot be watched', { error }));
  }

  /** A link that is only down or away keeps its plan: the reconciler puts routes back as soon as it returns. */
  private interfaceChanged(reasons: readonly string[]): void {
    if (reasons.includes('gone')) this.deps.checks.interface.fail('the external interface is gone');
    if (reasons.every((reason) => reason === 'gone' || reason === 'down')) return;
    this.wakeUp.wake();
  }

  private applies(standing: StandingNetwork, config: NetworkConfig): boolean {
    const { logger } = this.deps;
    const changes = diffNetworkConfig(standing.config, config, standing.lease);
    for (const change of changes) {
      const fields = { key: change.key, from: change.from, to: change.to };
      if (change.live) logger.info('network config changed, applied', fields);
      else logger.warn('network config changed, not applied', { ...fields, remedy: change.remedy });
    }
    return changes.length > 0 && changes.every((change) => change.live);
  }

  private leaseListener(): LeaseListener {
    const { checks } = this.deps;
    return {
      onRenewed: (lease) => {
        checks.lease.pass(describeLease(lease));
        this.remember(lease);
      },
      onRenewalFailed: (error, lease) =>
        checks.lease.pass(`${describeLease(lease)}, renewal failing: ${error.message}`),
      onLost: (loss) => checks.lease.fail(describeLoss(loss)),
      onReacquired: (lease) => {
        checks.lease.pass(describeLease(lease));
        if (this.standing && sameSubnets(this.standing.lease, lease)) this.remember(lease);
        else this.wakeUp.wake();
      },
    };
  }

  /** The same subnets with a later expiry: only our memory of it changes. */
  private remember(lease: Lease): void {
    if (!this.standing || !sameSubnets(this.standing.lease, lease)) return;
    this.standing = { ...this.standing, lease };
    const { config, network } = this.standing;
    this.deps.subnetFile.set({
      lease,
      network: config.ipv4?.network ?? null,
      ipv6Network: config.ipv6?.network ?? null,
      mtuBytes: network.mtuBytes,
      ipMasq: this.deps.options.ipMasq,
    });
  }
}

export function describeLease({ subnet, ipv6Subnet, reservation }: Lease): string {
  const subnets = [subnet, ipv6Subnet].flatMap((prefix) => (prefix ? [prefix.toString()] : [])).join(' ');
  return reservation ? `${subnets} (reserved)` : subnets;
}

function describeLoss(loss: LeaseLoss): string {
  switch (loss.reason) {
    case 'expired':
      return 'the lease ran out';
    case 'deleted':
      return 'the lease was deleted';
    case 'taken':
      return `the subnet is held by ${loss.by.attrs.owner?.node ?? loss.by.attrs.publicIP.toString()}`;
  }
}

function sameSubnets(a: Lease, b: Lease): boolean {
  return a.subnet?.toString() === b.subnet?.toString() && a.ipv6Subnet?.toString() === b.ipv6Subnet?.toString();
}
