import {
  createUdpInputCheck,
  linkNames,
  overlapFindings,
  ROUTE_PROTOCOL,
  type BackendContext,
  type Finding,
  type IpAddress,
  type Json,
  type Lease,
  type LeaseSnapshot,
  type Link,
  type UdpInputCheck,
  type UdpPacket,
} from '@tartan/core';
import { kernelPathPeers, receivingDeviceName } from '../kernel-path';
import { isUdpLease, underlayAddress } from '../peer';
import type { Tunnel } from '../tunnel';

export interface HostLookOptions extends Pick<BackendContext, 'netlink' | 'externalInterface' | 'clock' | 'firewall'> {
  readonly tunnel: Tunnel;
  /** Our own. */
  readonly lease: Lease;
  /** What we publish: whether there is a kernel path. */
  readonly backendData?: Json;
}

/** What on this host stands between us and the peers, judged again and again: networks and firewall. */
export class HostLook {
  private readonly inputCheck: UdpInputCheck | undefined;

  constructor(private readonly look: HostLookOptions) {
    const { firewall, clock } = look;
    this.inputCheck = firewall && createUdpInputCheck({ clock, ...firewall });
  }

  async inspect({ leases }: LeaseSnapshot, signal: AbortSignal): Promise<Finding[]> {
    const links = await this.look.netlink.listLinks();
    const [overlaps, filtered] = await Promise.all([
      this.overlaps(links),
      this.inputCheck?.inspect(this.packets(leases, links), signal) ?? [],
    ]);
    return [...overlaps, ...filtered];
  }

  private async overlaps(links: readonly Link[]): Promise<Finding[]> {
    const { netlink, tunnel, lease, externalInterface } = this.look;
    const routes = await netlink.listRoutes({ protocol: ROUTE_PROTOCOL.kernel });
    const { overlays } = tunnel;
    return overlapFindings({ overlays, lease, externalInterface, routes, linkName: linkNames(links) });
  }

  /** The packets of the tunnel as INPUT sees them. */
  private packets(leases: readonly Lease[], links: readonly Link[]): UdpPacket[] {
    const { tunnel } = this.look;
    const { local, lowerIfname: ifname } = tunnel;
    const common: Omit<UdpPacket, 'port' | 'peers'> = { family: local.family, ifname, local };
    const peers = leases.filter(isUdpLease).flatMap((lease) => underlayAddress(lease, tunnel) ?? []);
    const toKernel = this.kernelPathPackets(leases, links);
    return [{ ...common, port: tunnel.port, peers }, ...toKernel.map((packet) => ({ ...common, ...packet }))];
  }

  /** Datagrams that the kernel path turns over to its own device come in with the port of that one. */
  private kernelPathPackets(leases: readonly Lease[], links: readonly Link[]): { port: number; peers: IpAddress[] }[] {
    const { tunnel, backendData } = this.look;
    if (backendData === undefined) return [];
    const name = receivingDeviceName(tunnel.ifname);
    const device = links.find((link) => link.name === name);
    const peers = kernelPathPeers({ backendData, port: tunnel.port }, leases).map(({ endpoint }) => endpoint.address);
    return device?.vxlan && peers.length > 0 ? [{ port: device.vxlan.port, peers }] : [];
  }
}
