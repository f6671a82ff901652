import {
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Clock,
  type DataPathStatus,
  type DaemonOptions,
  type ExternalInterface,
  type FirewallAccess,
  type Lease,
  type LeaseAttrs,
  type Logger,
  type NetworkConfig,
  type OwnerIdentity,
  type ResumePlace,
  type RtNetlink,
  BackOff,
  Ipv4Address,
  checkFamilies,
  diffNetworkConfig,
  isTartanError,
  selectExternalInterface,
} from '@tartan/core';
import { describeDataPath } from './describe-data-path';
import { describeLease, sameSubnets } from './describe-lease';
import { InterfaceFollower, watchInterfaces } from './interface-follower';
import { type NodeChecks, messageOf } from './node-checks';
import type { NodeLease } from './node-lease';
import type { SubnetFile } from './subnet-file';
import { WakeUp } from './wake-up';

/*
 * From a network config to a node that carries traffic, and back to that state whenever something under it moves.
 *
 * Every step (interface, backend, lease, subnet file) may fail for reasons that pass: a DHCP client that is slow, a module that is
 * not loaded yet, etcd that comes up last. So bringing the network up is one function that is tried until it succeeds, and called
 * again when the config, the interface or the lease changes; each step is idempotent, and what a step finds already right it leaves
 * alone. A change during a try ends it and starts the next one, so nothing is brought up on facts that are out of date.
 *
 * Traffic goes on meanwhile: nothing is taken down before the new plan stands, and the reconciler then applies the difference.
 */

/** Mistakes that no waiting cures, while the network does not stand yet: the daemon ends with the message, exit status 1. */
const FATAL = ['LEASE_DUPLICATE_PUBLIC_IP', 'IFACE_OPTION_INVALID'] as const;

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
  readonly options: Pick<DaemonOptions, 'iface' | 'ifaceRegex' | 'ifaceCanReach' | 'publicIp' | 'publicIpv6'>;
  readonly identity: OwnerIdentity;
  readonly netlink: RtNetlink;
  readonly lease: NodeLease;
  readonly findBackend: (type: string) => BackendModule;
  readonly subnetFile: Pick<SubnetFile, 'set'>;
  readonly sink: NetworkSink;
  /** The external interface is another one, or has other addresses: open connections may lead nowhere. */
  readonly onInterfaceChanged?: () => void;
  /** Public addresses that an administrator has written where the node is known; they stand for the flags. */
  readonly annotatedAddresses?: (
    signal: AbortSignal,
  ) => Promise<{ readonly publicIP: string | null; readonly publicIPv6: string | null }>;
  /** What this node published last; stands for the annotated addresses until these can be read. */
  readonly remembered?: Lease | null;
  readonly checks: NodeChecks;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent where the world has no packet filter. */
  readonly firewall?: FirewallAccess;
  /** Absent where nothing is kept for the next process. */
  readonly resume?: ResumePlace;
  /** Called with the backend that the config names, before it is made. */
  readonly onBackend?: (type: string) => Promise<void>;
}

export class NodeNetwork {
  private config: NetworkConfig | null = null;
  private standing: StandingNetwork | null = null;
  private chosen: ExternalInterface | null = null;
  private problem: string | null = null;
  /** The addresses in use are those of the last run: the annotated ones could not be read. */
  private recalledAddresses = false;
  private readonly changes: WakeUp;
  private readonly follower: InterfaceFollower;

  constructor(private readonly deps: NodeNetworkOptions) {
    const { clock, logger, netlink, checks } = deps;
    this.changes = new WakeUp(clock);
    const onOutdated = (): void => {
      deps.onInterfaceChanged?.();
      this.changes.wake();
    };
    this.follower = new InterfaceFollower({ netlink, clock, logger, check: checks.interface, onOutdated });
  }

  /** For status pages: JSON, null before the network stands. */
  describe(): object | null {
    if (!this.standing) return null;
    const { externalInterface, lease, module, network } = this.standing;
    return {
      backend: module.type,
      mtuBytes: network.mtuBytes,
      dataPath: network.dataPath ? describeDataPath(network.dataPath.status()) : null,
      subnet: lease.subnet,
      ipv6Subnet: lease.ipv6Subnet,
      reservation: lease.reservation,
      expiresAt: lease.expiresAt === null ? null : new Date(lease.expiresAt).toISOString(),
      interface: externalInterface,
    };
  }

  /** Of the network that stands; null where the kernel alone carries the packets. */
  dataPathStatus(): DataPathStatus | null {
    return this.standing?.network.dataPath?.status() ?? null;
  }

  /**
   * A valid config arrived. Before the network stands it is simply the one to use; afterwards it is applied as a whole if all of it can be
   * while pods run, else not at all. Returns what is not in force of it, null when all is or will be.
   */
  setConfig(config: NetworkConfig): string | null {
    const { standing, deps } = this;
    if (standing) {
      const changes = diffNetworkConfig(standing.config, config, standing.lease);
      const blocked = changes.filter((change) => !change.live);
      for (const change of changes) {
        const fields = { key: change.key, from: change.from, to: change.to };
        if (blocked.length === 0) deps.logger.info('network config changed, applied', fields);
        else if (change.live) deps.logger.warn('network config changed, not applied', fields);
        else deps.logger.warn('network config changed, not applied', { ...fields, remedy: change.remedy });
      }
      if (blocked.length > 0) return blocked.map(describeBlocked).join('; ');
      if (changes.length === 0) return null;
    }
    this.config = config;
    this.changes.wake();
    return null;
  }

  /** The lease has other subnets: bring the network up with them. */
  leaseMoved(): void {
    this.changes.wake();
  }

  /** An administrator has written other public addresses where the node is known. */
  addressesChanged(): void {
    this.changes.wake();
  }

  /** The same subnets with a later expiry: only our memory of them changes. */
  leaseRenewed(lease: Lease): void {
    if (!this.standing || !sameSubnets(this.standing.lease, lease)) return;
    this.standing = { ...this.standing, lease };
    this.writeSubnetFile(this.standing);
    if (this.recalledAddresses) this.changes.wake();
  }

  /** Brings the network up and keeps it so until the signal aborts (then resolves) or a mistake ends it (then rejects). */
  async run(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff({ initialMs: 250, maxMs: 10_000 });
    try {
      while (!signal.aborted) {
        const outcome = await this.tryOnce(signal);
        if (outcome.kind === 'failed') await this.pause(outcome.error, backOff.next(), signal);
        else if (this.looksForAddresses) await this.changes.wait(signal, backOff.next());
        else {
          backOff.reset();
          await this.changes.wait(signal);
        }
      }
    } finally {
      this.follower.close();
    }
  }

  /** Gives back what the network holds. A data path of its own (udp's packet loop) carries packets until then, so this comes last of all. */
  async close(): Promise<void> {
    await this.standing?.network.close();
  }

  /** The datastore has answered for the lease, so it is worth asking again for the addresses as well. */
  private get looksForAddresses(): boolean {
    return this.recalledAddresses && this.deps.lease.confirmed;
  }

  private async tryOnce(signal: AbortSignal): Promise<{ kind: 'done' } | { kind: 'failed'; error: unknown }> {
    try {
      await this.changes.interruptible(signal, async (inner) => {
        if (this.config) await this.bringUp(this.config, inner);
      });
      return { kind: 'done' };
    } catch (error) {
      // Whatever failed did so on facts that are out of date: the next try follows at once.
      if (signal.aborted || this.changes.pending) return { kind: 'done' };
      if (!this.standing && isTartanError(error, ...FATAL)) throw error;
      this.report(error);
      return { kind: 'failed', error };
    }
  }

  /** Until it is worth trying again. Where no interface fits, that is as soon as one changes. */
  private async pause(error: unknown, ms: number, signal: AbortSignal): Promise<void> {
    const { netlink, clock } = this.deps;
    const watch = isTartanError(error, 'IFACE_NOT_FOUND')
      ? watchInterfaces({ netlink, clock, onChange: () => this.changes.wake() })
      : undefined;
    await this.changes.wait(signal, ms);
    watch?.close();
  }

  private async bringUp(config: NetworkConfig, signal: AbortSignal): Promise<void> {
    const { checks, lease: nodeLease, onBackend } = this.deps;
    const module = await checks.guard('backend', signal, () => this.findBackend(config));
    await onBackend?.(module.type);
    const externalInterface = await checks.guard('interface', signal, () => this.selectInterface(config, signal));
    this.chosen = externalInterface;
    this.follower.follow(externalInterface);
    const [backend, publication] = await checks.guard('backend', signal, async () => {
      const made = this.createBackend(module, config, externalInterface);
      return [made, await made.prepare(signal)] as const;
    });
    const attrs = this.attrs(externalInterface, publication);
    const lease = await checks.guard('lease', signal, () => nodeLease.obtain(config, attrs, signal));
    const network = await checks.guard('backend', signal, () => backend.start(lease, signal));
    checks.backend.pass(module.type);
    await this.take({ config, externalInterface, module, lease, network });
  }

  private findBackend(config: NetworkConfig): BackendModule {
    const module = this.deps.findBackend(config.backendType);
    checkFamilies(module, config);
    return module;
  }

  private createBackend(module: BackendModule, config: NetworkConfig, externalInterface: ExternalInterface) {
    const { netlink, clock, identity, logger, firewall, resume } = this.deps;
    const child = logger.child({ backend: module.type });
    const context = { config, externalInterface, netlink, clock, identity, logger: child };
    return module.create({ ...context, ...(firewall && { firewall }), ...(resume && { resume }) });
  }

  private async selectInterface(config: NetworkConfig, signal: AbortSignal): Promise<ExternalInterface> {
    const { netlink, options, logger } = this.deps;
    const annotated = await this.annotatedAddresses(signal);
    return selectExternalInterface({
      netlink,
      logger,
      previous: this.chosen,
      families: { ipv4: config.ipv4 !== null, ipv6: config.ipv6 !== null },
      options: {
        iface: options.iface,
        ifaceRegex: options.ifaceRegex,
        ifaceCanReach: options.ifaceCanReach.join(','),
        publicIP: annotated?.publicIP ?? options.publicIp?.toString() ?? '',
        publicIPv6: annotated?.publicIPv6 ?? options.publicIpv6?.toString() ?? '',
      },
    });
  }

  private async annotatedAddresses(signal: AbortSignal) {
    const { annotatedAddresses, remembered } = this.deps;
    try {
      const found = await annotatedAddresses?.(signal);
      this.recalledAddresses = false;
      return found;
    } catch (error) {
      if (!remembered || !isTartanError(error, 'DATASTORE_UNAVAILABLE', 'DATASTORE_DENIED')) throw error;
      this.recalledAddresses = true;
      const { publicIP, publicIPv6 } = remembered.attrs;
      return {
        publicIP: publicIP.value === 0 ? null : publicIP.toString(),
        publicIPv6: publicIPv6?.toString() ?? null,
      };
    }
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
    const { sink, lease, logger } = this.deps;
    const before = this.standing;
    this.standing = next;
    this.problem = null;
    this.writeSubnetFile(next);
    sink.use(next);
    lease.use(next.lease);
    logger.info('network is up', {
      backend: next.module.type,
      lease: describeLease(next.lease),
      ifname: next.externalInterface.ifname,
      pickedBy: next.externalInterface.pickedBy,
      publicIP: next.externalInterface.publicIP?.toString(),
      publicIPv6: next.externalInterface.publicIPv6?.toString(),
      mtuBytes: next.network.mtuBytes,
    });
    await before?.network
      .close()
      .catch((error: unknown) => logger.warn('the backend could not release what it held', { error }));
  }

  private writeSubnetFile({ config, lease, network }: StandingNetwork): void {
    this.deps.subnetFile.set({
      lease,
      network: config.ipv4?.network ?? null,
      ipv6Network: config.ipv6?.network ?? null,
      mtuBytes: network.mtuBytes,
    });
  }

  /** One line per distinct problem, however often it is tried. */
  private report(error: unknown): void {
    const problem = messageOf(error);
    if (problem === this.problem) return;
    this.problem = problem;
    const message = this.standing
      ? 'network cannot be adapted yet, going on as it was and trying again'
      : 'network cannot be brought up yet, trying on';
    this.deps.logger.error(message, { error });
  }
}

function describeBlocked(change: ReturnType<typeof diffNetworkConfig>[number]): string {
  const text = `${change.key} changed to ${change.to}, not applied`;
  return change.live ? text : `${text}: ${change.remedy}`;
}
