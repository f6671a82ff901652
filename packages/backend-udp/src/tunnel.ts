import {
  TartanError,
  type ExternalInterface,
  type Finding,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  type NetworkConfig,
} from '@tartan/core';
import { MIN_IPV4_MTU_BYTES, MIN_IPV6_MTU_BYTES, udpOverheadBytes } from './mtu';
import { enabledFamilies, underlayFamily, type UdpOptions } from './options';

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
    mtuBytes: usableMtuBytes(config, options, externalInterface),
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

/** A datagram larger than the interface's MTU would leave in fragments, so the smaller of both counts. */
function usableMtuBytes(
  config: NetworkConfig,
  { underlayMtuBytes }: UdpOptions,
  external: Pick<ExternalInterface, 'ifname' | 'mtuBytes'>,
): number {
  const underlay = Math.min(underlayMtuBytes ?? external.mtuBytes, external.mtuBytes);
  const mtuBytes = underlay - udpOverheadBytes(underlayFamily(config));
  const family = config.ipv6 ? 6 : 4;
  const minimum = family === 6 ? MIN_IPV6_MTU_BYTES : MIN_IPV4_MTU_BYTES;
  if (mtuBytes >= minimum) return mtuBytes;
  throw new TartanError('BACKEND_MTU_TOO_SMALL', {
    backend: 'udp',
    family,
    ifname: external.ifname,
    underlayMtuBytes: underlay,
    neededMtuBytes: underlay + minimum - mtuBytes,
  });
}

/** The MTU option asks for more than the interface can carry. */
export function mtuFindings({ underlayMtuBytes }: UdpOptions, external: ExternalInterface): Finding[] {
  if (underlayMtuBytes === null || underlayMtuBytes <= external.mtuBytes) return [];
  return [
    {
      severity: 'warning',
      code: 'UDP_MTU_CLAMPED',
      subject: 'Backend.MTU',
      message: `the MTU ${underlayMtuBytes} is larger than that of ${external.ifname}, ${external.mtuBytes}, which counts`,
      cure: `Raise the MTU of ${external.ifname} on all hosts and switches between them, or drop the option.`,
    },
  ];
}
