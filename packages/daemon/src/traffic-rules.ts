import {
  type Clock,
  type CommandRunner,
  type DaemonOptions,
  type DesiredTraffic,
  type IpPrefix,
  type LeaseSnapshot,
  type Logger,
  type NftGeneration,
  type ReadinessCheck,
  type RtNetlink,
  type Timer,
  type TrafficManager,
  type TrafficMetrics,
  type TrafficStatus,
  createTrafficManager,
  parseIpPrefix,
} from '@tartan/core';
import type { NetworkSink, StandingNetwork } from './node-network';

/**
 * With --masq-node-traffic=false rules without the peers would masquerade what must not be, and the rules of the last run stand until
 * the first snapshot comes, usually within milliseconds. After a boot there are none, and pods that reach nothing are worse than
 * nodes that see a host's address: so long, and no longer, is waited.
 */
const PEERS_WAIT_MS = 10_000;

/** What traffic rules need of the world: programs, and a way to notice that others changed nftables. */
export interface TrafficWorld {
  readonly runner: CommandRunner;
  openGeneration(logger: Logger): NftGeneration;
}

export interface TrafficRulesOptions {
  readonly options: Pick<
    DaemonOptions,
    | 'trafficManager'
    | 'ipMasq'
    | 'ipMasqFullyRandomDisable'
    | 'nonMasqueradeCidrs'
    | 'masqNodeTraffic'
    | 'iptablesForwardRules'
    | 'iptablesResync'
    | 'manageSysctls'
  >;
  readonly world: TrafficWorld;
  readonly generation: NftGeneration;
  readonly netlink: RtNetlink;
  /** Networks of the last run: their rules go when no longer wanted. */
  readonly previousNetworks: readonly IpPrefix[];
  readonly check: ReadinessCheck;
  readonly metrics: TrafficMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * From the network in force and the peers' snapshot to masquerade and forward rules. The node is not ready before they stand, and
 * not ready any more while somebody keeps taking them away.
 */
export class TrafficRules implements NetworkSink {
  private readonly manager: TrafficManager;
  private standing: StandingNetwork | null = null;
  private snapshot: LeaseSnapshot | null = null;
  private devices: readonly string[] = [];
  private patience: Timer | null = null;
  private patienceIsOver = false;

  constructor(private readonly deps: TrafficRulesOptions) {
    const { options, world, generation, netlink, previousNetworks, metrics, clock, logger } = deps;
    this.manager = createTrafficManager({
      choice: options.trafficManager,
      policy: {
        masquerade: options.ipMasq,
        fullyRandom: !options.ipMasqFullyRandomDisable,
        forward: options.iptablesForwardRules,
        nonMasqueradeCidrs: options.nonMasqueradeCidrs.map((text) => parseIpPrefix(text)),
        masqueradeNodeTraffic: options.masqNodeTraffic,
      },
      runner: world.runner,
      sysctls: netlink,
      manageSysctls: options.manageSysctls,
      generation,
      previousNetworks,
      clock,
      logger,
      metrics,
      resyncMs: options.iptablesResync * 1_000,
      onPass: (status) => this.show(status),
    });
  }

  use(standing: StandingNetwork): void {
    this.standing = standing;
    if (this.waitsForPeers) this.startWaiting();
    else this.state();
  }

  /** All peers, complete: their addresses matter where traffic to nodes keeps its source. */
  setSnapshot(snapshot: LeaseSnapshot): void {
    if (snapshot.remembered && this.snapshot) return;
    this.snapshot = snapshot;
    this.patience?.cancel();
    if (!this.deps.options.masqNodeTraffic) this.state();
  }

  /** The backend's own devices, by name. */
  setDevices(devices: readonly string[]): void {
    if (String(devices) === String(this.devices)) return;
    this.devices = devices;
    if (!this.waitsForPeers) this.state();
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.manager.run(signal);
    } finally {
      this.patience?.cancel();
      this.patienceIsOver = true;
    }
  }

  status(): TrafficStatus {
    return this.manager.status();
  }

  private get waitsForPeers(): boolean {
    return !this.deps.options.masqNodeTraffic && this.snapshot === null && !this.patienceIsOver;
  }

  private startWaiting(): void {
    this.patience ??= this.deps.clock.setTimer(PEERS_WAIT_MS, () => {
      this.patienceIsOver = true;
      this.deps.logger.warn('peers are not known yet, traffic of pods to them is masqueraded until they are', {
        waitedMs: PEERS_WAIT_MS,
      });
      this.state();
    });
  }

  private state(): void {
    const { standing, snapshot, devices } = this;
    if (standing) this.manager.setRules(desiredTraffic(standing, snapshot, devices));
  }

  /** Not `synced`: that is false for a moment after every change, and while only something of old cannot be taken away. */
  private show({ firstPassDone, mode, problem }: TrafficStatus): void {
    if (firstPassDone && problem === null) this.deps.check.pass(mode ?? 'none');
    else this.deps.check.fail(problem ?? 'not in force yet');
  }
}

/** Pure: what the rules follow from. */
export function desiredTraffic(
  standing: StandingNetwork,
  snapshot: LeaseSnapshot | null,
  devices: readonly string[],
): DesiredTraffic {
  const { config, lease, externalInterface } = standing;
  const own = [
    externalInterface.address,
    externalInterface.publicIP,
    externalInterface.ipv6Address,
    externalInterface.publicIPv6,
  ];
  const peers = (snapshot?.leases ?? []).flatMap(({ attrs }) => [attrs.publicIP, attrs.publicIPv6]);
  const nodes = [...own, ...peers].flatMap((address) => (address === null || address.isUnspecified ? [] : [address]));
  return {
    ipv4: config.ipv4 && lease.subnet && { network: config.ipv4.network, subnet: lease.subnet },
    ipv6: config.ipv6 && lease.ipv6Subnet && { network: config.ipv6.network, subnet: lease.ipv6Subnet },
    enableNFTables: config.enableNFTables,
    nodeAddresses: [...new Map(nodes.map((address) => [address.toString(), address])).values()],
    interfaces: [externalInterface.ifname],
    devices,
  };
}
