import {
  BACKEND_CONTRACT_VERSION,
  isTartanError,
  mtuClampedFindings,
  TartanError,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Finding,
  type IpAddress,
  type Json,
  type Lease,
  type RtNetlink,
} from '@tartan/core';
import { isDeepStrictEqual } from 'node:util';
import { UdpDataPath } from './data-path';
import { fallbackFinding, kernelPathFeature, NEEDS_IPV4_UNDERLAY } from './datapath-choice';
import { KernelPath, kernelPathAnnouncement, kernelPathLeftovers, removeKernelPath } from './kernel-path';
import { KernelPathHolder, type KernelPathHolderOptions } from './kernel-path-holder';
import { LoopHolder } from './loop-holder';
import { LoopMemory } from './loop-memory';
import { loadPacketLoop } from './load-packet-loop';
import { plainOptions } from './native/plain-options';
import { readUdpOptions, type UdpOptions } from './options';
import type { CreatePacketLoop, PacketLoopOptions } from './packet-loop';
import { planUdp } from './plan';
import { checkDeviceConflict } from './preflight/device-conflict';
import { HostLook } from './preflight/host-look';
import { checkPortFree } from './preflight/port-free';
import { checkTunAccess } from './preflight/tun-access';
import { takeResumedLoop, type RunningLoop } from './resumed-loop';
import { describeTunnel, TUN_NAME, type Tunnel } from './tunnel';

/*
 * Raw IP packets in UDP datagrams: nothing between the hosts needs to know more than UDP, and the header costs 28 bytes instead of
 * VXLAN's 50. A packet to a pod on a peer
 *
 *     route       10.5.2.0/24 dev flannel0           → TUN device, read by the packet loop
 *     loop        10.5.2.0/24 → 192.0.2.7:8285       → datagram that is the packet and nothing else
 *     peer's loop writes it to its TUN, and its kernel routes it to the pod
 *
 * The wire format is that of flanneld's udp backend (flannel-compat 4.4), so nodes of both kinds form one cluster. What flanneld
 * does with one system call per packet (flannel-compat U1) the loop does with one for up to 64 KiB; it is native, see native/.
 *
 * The parts: options.ts; tunnel.ts (our end: device, address, MTU); peer.ts and separate-peers.ts (whom can we talk to?); plan.ts (leases
 * in, kernel objects and the loop's table out, pure); packet-loop.ts (the contract of the loop); loop-holder.ts and data-path.ts (its
 * life); loop-memory.ts and resume/ (its life across a restart of the daemon); kernel-path/ and kernel-path-holder.ts (the same in the kernel, where the operator asks for it); preflight/ (what will go wrong on this host).
 */

/** What the backend does outside of BackendContext; tests give it another one. */
export interface UdpEnvironment {
  /** Throws PACKET_LOOP_ADDON_MISSING. Called only when this backend is used: the others must not need the addon. */
  loadLoop(context: BackendContext): CreatePacketLoop;
  /** Rejects with PACKET_LOOP_NO_TUN. */
  checkTunAccess(): Promise<void>;
  /** Rejects with PACKET_LOOP_PORT_IN_USE. */
  checkPortFree(local: IpAddress, port: number): Promise<void>;
  kernelPath(context: Pick<BackendContext, 'netlink' | 'logger'>): Omit<KernelPathHolderOptions, 'logger'>;
  /** The loop that this process went on with at its start, if any; gives it once. */
  takeResumedLoop(options: PacketLoopOptions): RunningLoop | undefined;
}

const realEnvironment: UdpEnvironment = {
  loadLoop: loadPacketLoop,
  checkTunAccess,
  checkPortFree,
  kernelPath: ({ netlink, logger }) => ({
    create: () => new KernelPath({ netlink, logger }),
    remove: () => removeKernelPath({ netlink, tunName: TUN_NAME }),
  }),
  takeResumedLoop,
};

/** What outlives a network that is brought up anew. */
interface Holders {
  readonly loop: LoopHolder;
  readonly kernelPaths: KernelPathHolder;
  /** Absent where nothing may be kept. */
  readonly memory?: LoopMemory;
}

export function createUdpModule(environment: UdpEnvironment): BackendModule {
  const holders = new WeakMap<RtNetlink, Holders>();
  const holdersFor = (context: BackendContext): Holders => {
    const { netlink, logger, clock, resume } = context;
    const present = holders.get(netlink) ?? {
      ...(resume && { memory: new LoopMemory({ ...resume, clock, logger }) }),
      loop: new LoopHolder({ netlink, logger }),
      kernelPaths: new KernelPathHolder({ ...environment.kernelPath(context), logger }),
    };
    holders.set(netlink, present);
    return present;
  };
  return {
    type: 'udp',
    contractVersion: BACKEND_CONTRACT_VERSION,
    capabilities: {
      ipv4: true,
      ipv6: true,
      needsSameL2: false,
      needsOwnPublicIP: false,
      hitlessRestart: false,
      underlayFacts: false,
    },
    create: (context) => new UdpBackend(context, environment, holdersFor(context)),
    checkConfig: (config) => readUdpOptions(config).findings.map(({ message }) => message),
    isOwnDevice: ({ name, kind }) => kind === 'tun' && name === TUN_NAME,
    leftovers: async (netlink) => {
      try {
        return await kernelPathLeftovers({ netlink, tunName: TUN_NAME });
      } catch (error) {
        // Without the addon nothing of it can have come into the kernel.
        if (isTartanError(error, 'UDP_KERNEL_PATH_UNAVAILABLE')) return [];
        throw error;
      }
    },
  };
}

export const backend: BackendModule = createUdpModule(realEnvironment);

/** What prepare() settles and start() needs. */
interface Prepared {
  readonly options: UdpOptions;
  readonly tunnel: Tunnel;
  readonly createLoop: CreatePacketLoop;
  readonly hostHasIpv6: boolean;
  /** Published; there is a kernel path. */
  readonly backendData?: Json;
  /** Why there is no kernel path although one was asked for. */
  readonly kernelProblem?: string;
  readonly findings: readonly Finding[];
}

class UdpBackend implements Backend {
  private prepared: Prepared | undefined;

  constructor(
    private readonly context: BackendContext,
    private readonly environment: UdpEnvironment,
    private readonly holders: Holders,
  ) {}

  async prepare(signal: AbortSignal): Promise<BackendPublication> {
    const { config, externalInterface, netlink } = this.context;
    const { environment, holders } = this;
    const { options, findings } = readUdpOptions(config);
    const tunnel = describeTunnel({ config, options, externalInterface });
    checkDeviceConflict(tunnel.ifname, await netlink.listLinks());
    await environment.checkTunAccess();
    const createLoop = environment.loadLoop(this.context);
    signal.throwIfAborted();
    await this.settleResumedLoop(tunnel, options);
    if (!holders.loop.listensOn(tunnel.local, tunnel.port)) await environment.checkPortFree(tunnel.local, tunnel.port);
    signal.throwIfAborted();
    const hostHasIpv6 = (await netlink.readSysctl('net/ipv6/conf/all/disable_ipv6')) !== undefined;
    const kernelPath = await this.openKernelPath(options, tunnel);
    signal.throwIfAborted();
    const mtuFindings = mtuClampedFindings({
      code: 'UDP_MTU_CLAMPED',
      underlayMtuBytes: options.underlayMtuBytes,
      external: externalInterface,
    });
    this.prepared = {
      options,
      tunnel,
      createLoop,
      hostHasIpv6,
      ...kernelPath,
      findings: [...findings, ...kernelPath.findings, ...mtuFindings],
    };
    const { backendData } = kernelPath;
    // flanneld's udp publishes no type and no data (flannel-compat 2.3).
    return { backendType: '', ...(backendData !== undefined && { backendData }) };
  }

  /** What throws rejects. */
  start(lease: Lease): Promise<BackendNetwork> {
    return new Promise((resolve) => resolve(this.createNetwork(lease)));
  }

  private createNetwork(lease: Lease): BackendNetwork {
    if (!this.prepared) throw new Error('start() was called before prepare()');
    const { options, tunnel, createLoop, hostHasIpv6, findings, backendData, kernelProblem } = this.prepared;
    checkLease(lease, tunnel);
    const context = {
      ...{ tunnel, lease, hostHasIpv6, findings },
      ...(backendData !== undefined && { backendData }),
    };
    const { netlink, clock } = this.context;
    const { loop: holder, kernelPaths, memory } = this.holders;
    const loopOptions = describeLoop(tunnel, options);
    const networks = networksOf(tunnel);
    const dataPath = new UdpDataPath({
      ...{ holder, createLoop, loopOptions, netlink, clock, kernelPaths, networks },
      ...(memory && { memory }),
      usesKernel: backendData !== undefined,
      features: kernelPathFeature(options.datapath, kernelProblem),
    });
    const look = new HostLook({
      ...this.context,
      ...{ tunnel, lease },
      ...(backendData !== undefined && { backendData }),
    });
    return {
      mtuBytes: tunnel.mtuBytes,
      plan: (input) => planUdp(context, input),
      dataPath,
      inspect: (snapshot, inner) => look.inspect(snapshot, inner),
      close: () => dataPath.close(),
    };
  }

  /** A loop that this process went on with knows only what the last one did: it stays if the config of now says the same. */
  private async settleResumedLoop(tunnel: Tunnel, options: UdpOptions): Promise<void> {
    const loopOptions = describeLoop(tunnel, options);
    const resumed = this.environment.takeResumedLoop(loopOptions);
    if (!resumed) return;
    const { loop, saved } = resumed;
    if (isDeepStrictEqual([saved.options, saved.networks], [plainOptions(loopOptions), networksOf(tunnel)])) {
      this.holders.loop.adopt({ loop, options: loopOptions, ifindex: saved.ifindex });
      return;
    }
    this.context.logger.info('the packet loop of the last run is stopped, since the network config is another one');
    await loop.stop();
  }

  /** Only what the kernel has taken already is announced: peers rely on it at once. */
  private async openKernelPath(
    { datapath, port }: UdpOptions,
    { ifname, local, lowerIfname }: Tunnel,
  ): Promise<Pick<Prepared, 'backendData' | 'kernelProblem' | 'findings'>> {
    if (datapath !== 'kernel') return { findings: [] };
    // The config's findings have said so.
    if (local.family !== 4) return { findings: [], kernelProblem: NEEDS_IPV4_UNDERLAY };
    const place = { tunName: ifname, uplinkName: lowerIfname, localAddress: local, port };
    const kernelProblem = await this.holders.kernelPaths.open(place);
    if (kernelProblem === undefined) return { findings: [], backendData: kernelPathAnnouncement };
    return { findings: [fallbackFinding(kernelProblem)], kernelProblem };
  }
}

function checkLease({ subnet, ipv6Subnet }: Lease, { overlays }: Tunnel): void {
  for (const { family } of overlays) {
    if (family === 4 ? subnet : ipv6Subnet) continue;
    throw new TartanError('BACKEND_LEASE_INCOMPLETE', { backend: 'udp', family });
  }
}

function networksOf({ overlays }: Tunnel): string[] {
  return overlays.map(({ network }) => network.toString());
}

function describeLoop({ ifname, mtuBytes, local, port }: Tunnel, options: UdpOptions): PacketLoopOptions {
  const { queues, offloads, keepaliveSeconds } = options;
  const listen = local.family === 4 ? { ipv4: local, port } : { ipv6: local, port };
  return { tunName: ifname, mtuBytes, listen, queues, offloads, keepaliveSeconds };
}
