import {
  TartanError,
  type ExternalInterface,
  type Finding,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  type NetworkConfig,
} from '@tartan/core';
import { deviceName } from './device-name';
import { deviceMtuBytes, MIN_IPV4_MTU_BYTES, MIN_IPV6_MTU_BYTES } from './mtu';
import { enabledFamilies, type VxlanOptions } from './options';

/** Our end of the tunnels of one family: what its device must be like, but for the MAC. */
export interface Vtep {
  readonly family: IpFamily;
  readonly ifname: string;
  /** The overlay network of this family. */
  readonly network: IpPrefix;
  /** The interface's own address, which packets leave with; not the public one, which may lie behind NAT (flannel-compat V5). */
  readonly local: IpAddress;
  /** Name of the external interface. */
  readonly lowerIfname: string;
  /** Its index as of now; the plan goes by the name. */
  readonly lowerIndex: number;
  /** MTU of the device: the largest inner packet. */
  readonly mtuBytes: number;
}

export interface VtepInput {
  readonly config: NetworkConfig;
  readonly options: VxlanOptions;
  readonly externalInterface: ExternalInterface;
}

/** One VTEP per family that is on. Throws BACKEND_NO_ADDRESS and BACKEND_MTU_TOO_SMALL. */
export function describeVteps(input: VtepInput): readonly Vtep[] {
  return enabledFamilies(input.config).map((family) => describeVtep(input, family));
}

function describeVtep({ config, options, externalInterface }: VtepInput, family: IpFamily): Vtep {
  const { ifname, address, ipv6Address } = externalInterface;
  const local = family === 4 ? address : ipv6Address;
  if (!local) throw new TartanError('BACKEND_NO_ADDRESS', { backend: 'vxlan', family, ifname });
  const network = family === 4 ? config.ipv4?.network : config.ipv6?.network;
  return {
    family,
    ifname: deviceName(options.vni, family),
    network: network as IpPrefix,
    local,
    lowerIfname: ifname,
    lowerIndex: externalInterface.ifindex,
    mtuBytes: usableMtuBytes(options, externalInterface, family),
  };
}

/** The kernel refuses an MTU that the lower device cannot carry, so the smaller of both counts. */
function usableMtuBytes({ underlayMtuBytes }: VxlanOptions, external: ExternalInterface, family: IpFamily): number {
  const underlay = Math.min(underlayMtuBytes ?? external.mtuBytes, external.mtuBytes);
  const mtuBytes = deviceMtuBytes(underlay, family);
  const minimum = family === 4 ? MIN_IPV4_MTU_BYTES : MIN_IPV6_MTU_BYTES;
  if (mtuBytes >= minimum) return mtuBytes;
  throw new TartanError('BACKEND_MTU_TOO_SMALL', {
    backend: 'vxlan',
    family,
    ifname: external.ifname,
    underlayMtuBytes: underlay,
    neededMtuBytes: underlay + minimum - mtuBytes,
  });
}

/** The MTU option asks for more than the interface can carry. */
export function mtuFindings({ underlayMtuBytes }: VxlanOptions, external: ExternalInterface): Finding[] {
  if (underlayMtuBytes === null || underlayMtuBytes <= external.mtuBytes) return [];
  return [
    {
      severity: 'warning',
      code: 'VXLAN_MTU_CLAMPED',
      subject: 'Backend.MTU',
      message: `the MTU ${underlayMtuBytes} is larger than that of ${external.ifname}, ${external.mtuBytes}, which counts`,
      cure: `Raise the MTU of ${external.ifname} on all hosts and switches between them, or drop the option.`,
    },
  ];
}
