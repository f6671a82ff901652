import {
  BACKEND_CONTRACT_VERSION,
  linkNames,
  overlapFindings,
  TartanError,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Finding,
  type IpAddress,
  type Lease,
  type RtNetlink,
} from '@tartan/core';
import { UdpDataPath } from './data-path';
import { LoopHolder } from './loop-holder';
import { loadPacketLoop } from './load-packet-loop';
import { readUdpOptions, type UdpOptions } from './options';
import type { CreatePacketLoop, PacketLoopOptions } from './packet-loop';
import { planUdp } from './plan';
import { checkDeviceConflict } from './preflight/device-conflict';
import { checkPortFree } from './preflight/port-free';
import { checkTunAccess } from './preflight/tun-access';
import { describeTunnel, mtuFindings, TUN_NAME, type Tunnel } from './tunnel';

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
 * life); preflight/ (what will go wrong on this host).
 */

/** What the backend does outside of BackendContext; tests give it another one. */
export interface UdpEnvironment {
  /** Throws PACKET_LOOP_ADDON_MISSING. Called only when this backend is used: the others must not need the addon. */
  loadLoop(context: BackendContext): CreatePacketLoop;
  /** Rejects with PACKET_LOOP_NO_TUN. */
  checkTunAccess(): Promise<void>;
  /** Rejects with PACKET_LOOP_PORT_IN_USE. */
  checkPortFree(local: IpAddress, port: number): Promise<void>;
}

const realEnvironment: UdpEnvironment = { loadLoop: loadPacketLoop, checkTunAccess, checkPortFree };

export function createUdpModule(environment: UdpEnvironment): BackendModule {
  const holders = new WeakMap<RtNetlink, LoopHolder>();
  const holderFor = ({ netlink, logger }: BackendContext): LoopHolder => {
    const holder = holders.get(netlink) ?? new LoopHolder({ netlink, logger });
    holders.set(netlink, holder);
    return holder;
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
    create: (context) => new UdpBackend(context, environment, holderFor(context)),
    checkConfig: (config) => readUdpOptions(config).findings.map(({ message }) => message),
    isOwnDevice: ({ name, kind }) => kind === 'tun' && name === TUN_NAME,
  };
}

export const backend: BackendModule = createUdpModule(realEnvironment);

/** What prepare() settles and start() needs. */
interface Prepared {
  readonly options: UdpOptions;
  readonly tunnel: Tunnel;
  readonly createLoop: CreatePacketLoop;
  readonly hostHasIpv6: boolean;
  readonly findings: readonly Finding[];
}

class UdpBackend implements Backend {
  private prepared: Prepared | undefined;

  constructor(
    private readonly context: BackendContext,
    private readonly environment: UdpEnvironment,
    private readonly holder: LoopHolder,
  ) {}

  async prepare(signal: AbortSignal): Promise<BackendPublication> {
    const { config, externalInterface, netlink } = this.context;
    const { environment, holder } = this;
    const { options, findings } = readUdpOptions(config);
    const tunnel = describeTunnel({ config, options, externalInterface });
    checkDeviceConflict(tunnel.ifname, await netlink.listLinks());
    await environment.checkTunAccess();
    const createLoop = environment.loadLoop(this.context);
    signal.throwIfAborted();
    if (!holder.listensOn(tunnel.local, tunnel.port)) await environment.checkPortFree(tunnel.local, tunnel.port);
    signal.throwIfAborted();
    const hostHasIpv6 = (await netlink.readSysctl('net/ipv6/conf/all/disable_ipv6')) !== undefined;
    this.prepared = {
      options,
      tunnel,
      createLoop,
      hostHasIpv6,
      findings: [...findings, ...mtuFindings(options, externalInterface)],
    };
    // flanneld's udp publishes no type (flannel-compat 2.3).
    return { backendType: '' };
  }

  async start(lease: Lease, signal: AbortSignal): Promise<BackendNetwork> {
    if (!this.prepared) throw new Error('start() was called before prepare()');
    const { options, tunnel, createLoop, hostHasIpv6, findings } = this.prepared;
    checkLease(lease, tunnel);
    const overlaps = await this.overlaps(lease, tunnel);
    signal.throwIfAborted();
    const context = { tunnel, lease, hostHasIpv6, findings: [...findings, ...overlaps] };
    const { netlink } = this.context;
    const loopOptions = describeLoop(tunnel, options);
    const dataPath = new UdpDataPath({ holder: this.holder, createLoop, loopOptions, netlink });
    return {
      mtuBytes: tunnel.mtuBytes,
      plan: (input) => planUdp(context, input),
      dataPath,
      close: () => dataPath.close(),
    };
  }

  private async overlaps(lease: Lease, { overlays }: Tunnel): Promise<Finding[]> {
    const { netlink, externalInterface } = this.context;
    const [links, routes] = await Promise.all([netlink.listLinks(), netlink.listRoutes()]);
    return overlapFindings({ overlays, lease, externalInterface, routes, linkName: linkNames(links) });
  }
}

function checkLease({ subnet, ipv6Subnet }: Lease, { overlays }: Tunnel): void {
  for (const { family } of overlays) {
    if (family === 4 ? subnet : ipv6Subnet) continue;
    throw new TartanError('BACKEND_LEASE_INCOMPLETE', { backend: 'udp', family });
  }
}

function describeLoop({ ifname, mtuBytes, local, port }: Tunnel, options: UdpOptions): PacketLoopOptions {
  const { queues, offloads, keepaliveSeconds } = options;
  const listen = local.family === 4 ? { ipv4: local, port } : { ipv6: local, port };
  return { tunName: ifname, mtuBytes, listen, queues, offloads, keepaliveSeconds };
}
