import {
  createUdpInputCheck,
  linkNames,
  overlapFindings,
  ROUTE_PROTOCOL,
  type BackendContext,
  type Finding,
  type IpAddress,
  type IpFamily,
  type Lease,
  type LeaseSnapshot,
  type UdpInputCheck,
  type UdpPacket,
} from '@tartan/core';
import type { VxlanOptions } from '../options';
import type { Vtep } from '../vtep';
import { neighbourRoomFindings, readNeighbourLimits, wantedEntries } from './neighbour-table';

export interface HostLookOptions extends Pick<BackendContext, 'netlink' | 'externalInterface' | 'clock' | 'firewall'> {
  readonly options: VxlanOptions;
  readonly vteps: readonly Vtep[];
  /** Our own. */
  readonly lease: Lease;
}

/** What on this host stands between us and the peers, judged again and again: networks, firewall, the neighbour table. */
export class HostLook {
  private readonly inputCheck: UdpInputCheck | undefined;

  constructor(private readonly look: HostLookOptions) {
    const { firewall, clock } = look;
    this.inputCheck = firewall && createUdpInputCheck({ clock, ...firewall });
  }

  async inspect(snapshot: LeaseSnapshot, signal: AbortSignal): Promise<Finding[]> {
    const parts = await Promise.all([
      this.overlaps(),
      this.inputCheck?.inspect(this.packets(snapshot), signal) ?? [],
      this.neighbourTables(snapshot),
    ]);
    return parts.flat();
  }

  private async overlaps(): Promise<Finding[]> {
    const { netlink, vteps, lease, externalInterface } = this.look;
    const [links, routes] = await Promise.all([
      netlink.listLinks(),
      netlink.listRoutes({ protocol: ROUTE_PROTOCOL.kernel }),
    ]);
    return overlapFindings({ overlays: vteps, lease, externalInterface, routes, linkName: linkNames(links) });
  }

  /** The packets of the tunnel as they come in from peers. */
  private packets(snapshot: LeaseSnapshot): UdpPacket[] {
    const { vteps, options } = this.look;
    return vteps.map(({ family, lowerIfname, local }) => ({
      family,
      port: options.port,
      ifname: lowerIfname,
      local,
      peers: peerAddresses(snapshot, family),
    }));
  }

  private async neighbourTables(snapshot: LeaseSnapshot): Promise<Finding[]> {
    const { netlink, vteps } = this.look;
    const entries = wantedEntries(snapshot.leases.length);
    const limits = await Promise.all(vteps.map(({ family }) => readNeighbourLimits(netlink, family)));
    return limits.flatMap((limit) => (limit ? neighbourRoomFindings(limit, entries) : []));
  }
}

function peerAddresses({ leases }: LeaseSnapshot, family: IpFamily): IpAddress[] {
  return leases.flatMap(({ attrs: { backendType, publicIP, publicIPv6 } }) => {
    const address = family === 4 ? publicIP : publicIPv6;
    return backendType === 'vxlan' && address && !address.isUnspecified ? [address] : [];
  });
}
