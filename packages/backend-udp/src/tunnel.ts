import {
  enabledFamilies,
  TartanError,
  tunnelMtuBytes,
  type ExternalInterface,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  type NetworkConfig,
} from '@tartan/core';
import { udpOverheadBytes } from './mtu';
import { underlayFamily, type UdpOptions } from './options';

/*
 * Our end of the tunnels. One TUN device and one socket serve both families: what is inside of a datagram says by its first four bits
 * which it is. The network between the hosts is IPv4 wherever the overlay has IPv4, and IPv6 in an IPv6-only overlay:
 *
 *   overlay      between the hosts   pods' MTU     peers that run flanneld
 *   IPv4         IPv4                MTU - 28      yes
 *   dual stack   IPv4                MTU - 28      for their IPv4 pods (flanneld's udp knows no IPv6)
 *   IPv6 only    IPv6                MTU - 48      none exist
 *
 * So in dual stack all nodes agree on the way without asking, each peer has one endpoint, and IPv4 pods get flanneld's MTU.
 */

/** What flanneld's TUN is called on a host without others: it asks for `flannel%d` (flannel-compat 4.4). */
export const TUN_NAME = 'flannel0';

/** An overlay network that goes through the device. */
export interface Overlay {
  readonly family: IpFamily;
  readonly network: IpPrefix;
  /** The device. */
  readonly ifname: string;
}

export interface Tunnel {
  readonly ifname: string;
  /** Largest inner packet. */
  readonly mtuBytes: number;
  /** The external interface. */
  readonly lowerIfname: string;
  /** Its own address, which packets leave from; not the public one, which may lie behind NAT. Its family is the underlay's. */
  readonly local: IpAddress;
  readonly port: number;
  readonly overlays: readonly Overlay[];
}

export interface TunnelInput {
  readonly config: NetworkConfig;
  readonly options: UdpOptions;
  readonly externalInterface: ExternalInterface;
}

/** Throws BACKEND_NO_ADDRESS and BACKEND_MTU_TOO_SMALL. */
export function describeTunnel({ config, options, externalInterface }: TunnelInput): Tunnel {
  const { ifname, address, ipv6Address } = externalInterface;
  const underlay = underlayFamily(config);
  const local = underlay === 4 ? address : ipv6Address;
  if (!local) throw new TartanError('BACKEND_NO_ADDRESS', { backend: 'udp', family: underlay, ifname });
  return {
    ifname: TUN_NAME,
    mtuBytes: tunnelMtuBytes({
      backend: 'udp',
      underlayMtuBytes: options.underlayMtuBytes,
      external: externalInterface,
      overheadBytes: udpOverheadBytes(underlay),
      family: config.ipv6 ? 6 : 4,
    }),
    lowerIfname: ifname,
    local,
    port: options.port,
    overlays: enabledFamilies(config).map((family) => ({
      family,
      network: (family === 4 ? config.ipv4?.network : config.ipv6?.network) as IpPrefix,
      ifname: TUN_NAME,
    })),
  };
}
