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
export function peerOf(lease: Lease, overlay: Overlay, tunnel: Tunnel): Peer | undefined {
  const subnet: IpPrefix | null = overlay.family === 4 ? lease.subnet : lease.ipv6Subnet;
  if (!subnet) return undefined;
  return { name: peerName(lease), overlay, subnet, remote: underlayAddress(lease, tunnel) };
}

/** Where the peer's packets come from and ours go to; null where its lease has no address of the underlay's family. */
export function underlayAddress({ attrs }: Lease, { local }: Pick<Tunnel, 'local'>): IpAddress | null {
  const { publicIP, publicIPv6 } = attrs;
  // 0.0.0.0 stands for "no IPv4 address" (flannel-compat 0.2).
  if (local.family === 4) return publicIP.isUnspecified ? null : publicIP;
  return publicIPv6;
}
