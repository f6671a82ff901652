import { peerName, type IpAddress, type IpPrefix, type Lease, type MacAddress } from '@tartan/core';
import { parseVtepData } from './vtep-data';
import type { Vtep } from './vtep';

/** What one peer says of itself in one family. */
export interface Peer {
  /** For messages: node name where known, and public address. */
  readonly name: string;
  /** Our own end of the tunnel. */
  readonly vtep: Vtep;
  readonly subnet: IpPrefix;
  /** Where its tunnel ends; null when it published no address. */
  readonly remote: IpAddress | null;
  /** Its device, or why that is not known. */
  readonly device: { readonly vni: number | undefined; readonly mac: MacAddress } | { readonly problem: string };
}

/** A peer that can be programmed. */
export interface UsablePeer extends Peer {
  readonly remote: IpAddress;
  readonly device: { readonly vni: number | undefined; readonly mac: MacAddress };
}

/** What a lease says in the family of `vtep`; undefined where it holds no subnet of it. */
export function peerOf(lease: Lease, vtep: Vtep): Peer | undefined {
  const { subnet: ipv4Subnet, ipv6Subnet, attrs } = lease;
  const subnet = vtep.family === 4 ? ipv4Subnet : ipv6Subnet;
  if (!subnet) return undefined;
  // 0.0.0.0 stands for "no IPv4 address" (flannel-compat 0.2).
  const remote = vtep.family === 4 ? (attrs.publicIP.isUnspecified ? null : attrs.publicIP) : attrs.publicIPv6;
  const device = parseVtepData(vtep.family === 4 ? attrs.backendData : attrs.backendV6Data);
  return { name: peerName(lease), vtep, subnet, remote, device };
}
