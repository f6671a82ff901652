import { peerName, type IpAddress, type IpPrefix, type Lease, type NetworkConfig } from '@tartan/core';

/** What one peer asks us to do in one family. */
export interface PeerRoute {
  /** For messages: node name where known, and public address. */
  readonly peer: string;
  /** The overlay network of this family. */
  readonly network: IpPrefix;
  readonly subnet: IpPrefix;
  /** The address that the peer published; null when it published none. */
  readonly nextHop: IpAddress | null;
}

/** A peer's routes in the families that are enabled and for which it holds a subnet. */
export function peerRoutes(lease: Lease, config: NetworkConfig): PeerRoute[] {
  const { subnet, ipv6Subnet, attrs } = lease;
  const peer = peerName(lease);
  const routes: PeerRoute[] = [];
  if (config.ipv4 && subnet) {
    // 0.0.0.0 stands for "no IPv4 address" (flannel-compat 0.2).
    const nextHop = attrs.publicIP.isUnspecified ? null : attrs.publicIP;
    routes.push({ peer, network: config.ipv4.network, subnet, nextHop });
  }
  if (config.ipv6 && ipv6Subnet) {
    routes.push({ peer, network: config.ipv6.network, subnet: ipv6Subnet, nextHop: attrs.publicIPv6 });
  }
  return routes;
}
