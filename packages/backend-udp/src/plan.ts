import {
  emptyKernelState,
  MIN_IPV6_MTU_BYTES,
  otherBackendFindings,
  type DesiredRoute,
  type DesiredSysctl,
  type Finding,
  type IpAddress,
  type IpPrefix,
  type Json,
  type Lease,
  type Plan,
  type PlanInput,
} from '@tartan/core';
import { kernelPathPeers, type KernelPathPeer } from './kernel-path';
import type { PacketRoute } from './packet-loop';
import { isUdpLease, peerOf, type UsablePeer } from './peer';
import { separatePeers } from './separate-peers';
import type { Overlay, Tunnel } from './tunnel';

/** What the plan depends on besides its input; fixed while the backend runs. */
export interface PlanContext {
  readonly tunnel: Tunnel;
  /** Our own lease. */
  readonly lease: Lease;
  readonly hostHasIpv6: boolean;
  /** What we publish; without the announcement of a kernel path in it nobody is reached through one. */
  readonly backendData?: Json;
  /** What the start found out; repeated in every plan. */
  readonly findings: readonly Finding[];
}

/** What a plan of ours says to the data path. */
export interface UdpPlan extends Plan {
  readonly dataPath: {
    /** The table of the packet loop: all peers. */
    readonly routes: readonly PacketRoute[];
    /** Those of them that are reached through the kernel path. */
    readonly kernelPeers: readonly KernelPathPeer[];
  };
}

/** IN6_ADDR_GEN_MODE_NONE, include/uapi/linux/if_link.h (v6.1): no link-local address by itself. */
const ADDR_GEN_MODE_NONE = 1;
/** Worse than any route that somebody makes on purpose. */
const LAST_RESORT_METRIC = 2 ** 31 - 2;

/**
 * The TUN device with our address in each family, one route into it per peer, and the same peers as a table for the loop. For all other
 * addresses of the overlay the kernel has an `unreachable` route: whoever sends to a pod that no node has learns it at once.
 * flanneld has one route to the whole overlay instead, and its ICMP never arrives (flannel-compat U1). The outcome does not depend
 * on the order of the leases.
 */
export function planUdp(context: PlanContext, { snapshot: { leases } }: PlanInput): UdpPlan {
  const { tunnel, lease, hostHasIpv6 } = context;
  const ours = leases.filter(isUdpLease);
  const families = tunnel.overlays.map((overlay) => planFamily(context, overlay, ours));
  const peers = families.flatMap(({ usable }) => usable);
  return {
    desired: {
      ...emptyKernelState,
      links: [
        {
          name: tunnel.ifname,
          kind: 'tun',
          mtuBytes: tunnel.mtuBytes,
          up: true,
          ...(speaksIpv6(tunnel, hostHasIpv6) && { addrGenMode: ADDR_GEN_MODE_NONE }),
        },
      ],
      addresses: tunnel.overlays.map(({ family, ifname }) => ({
        ifname,
        address: ownAddress(lease, family),
        prefixLength: family === 4 ? 32 : 128,
      })),
      routes: families.flatMap(({ routes }) => routes),
      sysctls: deviceSysctls(tunnel, hostHasIpv6),
    },
    // The kernel path's own device is not among them: what is there and not desired would be removed.
    ownership: { adoptRoutesVia: leases.flatMap(gatewaysOfFlanneld), devices: [tunnel.ifname] },
    findings: [
      ...context.findings,
      ...otherBackendFindings(leases.filter((candidate) => !isUdpLease(candidate))),
      ...families.flatMap(({ skipped }) => skipped),
    ],
    dataPath: {
      routes: peers.map((peer) => packetRoute(peer, tunnel.port)),
      kernelPeers: kernelPeersAmong(context, ours, peers),
    },
  };
}

/** A peer that was skipped has no way at all. */
function kernelPeersAmong(
  { backendData, tunnel: { port } }: PlanContext,
  leases: readonly Lease[],
  usable: readonly UsablePeer[],
): KernelPathPeer[] {
  if (backendData === undefined) return [];
  const ways = new Set(usable.map(({ subnet, remote }) => wayKey(subnet, remote)));
  return kernelPathPeers({ backendData, port }, leases).filter(({ prefix, endpoint }) =>
    ways.has(wayKey(prefix, endpoint.address)),
  );
}

function wayKey(subnet: IpPrefix, remote: IpAddress): string {
  return `${subnet.toString()} ${remote.toString()}`;
}

/** Our own address in the tunnel; start() has checked that the lease has it. */
export function ownAddress({ subnet, ipv6Subnet }: Lease, family: 4 | 6): IpAddress {
  return ((family === 4 ? subnet : ipv6Subnet) as NonNullable<Lease['subnet'] | Lease['ipv6Subnet']>).address;
}

function planFamily(
  { tunnel, lease }: PlanContext,
  overlay: Overlay,
  leases: readonly Lease[],
): ReturnType<typeof separatePeers> & { readonly routes: readonly DesiredRoute[] } {
  const candidates = leases.map((candidate) => peerOf(candidate, overlay, tunnel)).filter((peer) => peer !== undefined);
  const separated = separatePeers(candidates, tunnel, lease);
  return { ...separated, routes: [...separated.usable.map(tunnelRoute), lastResort(overlay)] };
}

function tunnelRoute({ name, overlay, subnet }: UsablePeer): DesiredRoute {
  return { dst: subnet, ifname: overlay.ifname, peer: name };
}

function lastResort({ network }: Overlay): DesiredRoute {
  return { dst: network, type: 'unreachable', metric: LAST_RESORT_METRIC };
}

/** An ICMP error comes from the peer's own address in the tunnel, as if it had sent it: `traceroute` then names the right host. */
function packetRoute({ subnet, remote }: UsablePeer, port: number): PacketRoute {
  return { prefix: subnet, endpoint: { address: remote, port }, icmpSource: subnet.address };
}

/** A router on the overlay must not be able to give the device addresses and routes. */
function deviceSysctls(tunnel: Tunnel, hostHasIpv6: boolean): DesiredSysctl[] {
  return speaksIpv6(tunnel, hostHasIpv6) ? [{ path: `net/ipv6/conf/${tunnel.ifname}/accept_ra`, value: '0' }] : [];
}

/** Linux has no IPv6 on a device with a smaller MTU. */
function speaksIpv6({ mtuBytes }: Tunnel, hostHasIpv6: boolean): boolean {
  return hostHasIpv6 && mtuBytes >= MIN_IPV6_MTU_BYTES;
}

/** Next hops that flanneld may have used on this host with another backend: its routes become ours, replaced in place or removed. */
function gatewaysOfFlanneld({ attrs: { publicIP, publicIPv6 } }: Lease): IpAddress[] {
  return [...(publicIP.isUnspecified ? [] : [publicIP]), ...(publicIPv6 ? [publicIPv6] : [])];
}
