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
import { deviceName } from './device-name';
import { vxlanOverheadBytes } from './mtu';
import type { VxlanOptions } from './options';

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
    mtuBytes: tunnelMtuBytes({
      backend: 'vxlan',
      underlayMtuBytes: options.underlayMtuBytes,
      external: externalInterface,
      overheadBytes: vxlanOverheadBytes(family),
      family,
    }),
  };
}
