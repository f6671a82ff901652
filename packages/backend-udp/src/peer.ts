import { peerName, type IpAddress, type IpPrefix, type Lease, type PeerPlace } from '@tartan/core';
import type { Overlay, Tunnel } from './tunnel';

/** One family of a peer's pods. */
export interface Peer extends PeerPlace {
  readonly overlay: Overlay;
}

/** A peer that packets can be sent to. */
export interface UsablePeer extends Peer {
  readonly remote: IpAddress;
}

/** flanneld's udp writes no type (flannel-compat 2.3); a nodes file may spell it out. */
export function isUdpLease({ attrs: { backendType } }: Lease): boolean {
  return backendType === '' || backendType === 'udp';
}

/** What a lease says in the family of `overlay`; undefined where it holds no subnet of it. */
export function peerOf(lease: Lease, overlay: Overlay, { local }: Tunnel): Peer | undefined {
  const subnet: IpPrefix | null = overlay.family === 4 ? lease.subnet : lease.ipv6Subnet;
  if (!subnet) return undefined;
  const { publicIP, publicIPv6 } = lease.attrs;
  // 0.0.0.0 stands for "no IPv4 address" (flannel-compat 0.2).
  const remote = local.family === 4 ? (publicIP.isUnspecified ? null : publicIP) : publicIPv6;
  return { name: peerName(lease), overlay, subnet, remote };
}
