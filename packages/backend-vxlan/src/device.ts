import { MIN_IPV6_MTU_BYTES, type DesiredLink, type DesiredSysctl, type MacAddress } from '@tartan/core';
import type { VxlanOptions } from './options';
import type { Vtep } from './vtep';

/** IN6_ADDR_GEN_MODE_NONE, include/uapi/linux/if_link.h (v6.1): no link-local address by itself. */
const ADDR_GEN_MODE_NONE = 1;

export type VxlanLink = DesiredLink & { readonly kind: 'vxlan' };

export interface DeviceInput {
  readonly vtep: Vtep;
  readonly mac: MacAddress;
  readonly options: VxlanOptions;
  /** The kernel speaks IPv6; without it the settings for it do not exist. */
  readonly hostHasIpv6: boolean;
}

/**
 * The device as it must be (flannel-compat 4.1). The reconciler adopts one that fits, changes in place what can be changed (MTU,
 * MAC, up, learning, local address, lower device) and makes it anew only for another VNI, port or GBP flag.
 */
export function desiredDevice({ vtep, mac, options, hostHasIpv6 }: DeviceInput): VxlanLink {
  return {
    name: vtep.ifname,
    kind: 'vxlan',
    mtuBytes: vtep.mtuBytes,
    mac,
    up: true,
    txQueueLength: 0,
    ...(speaksIpv6(vtep, hostHasIpv6) && { addrGenMode: ADDR_GEN_MODE_NONE }),
    vxlan: {
      vni: options.vni,
      port: options.port,
      local: vtep.local,
      lowerIfname: vtep.lowerIfname,
      learning: options.learning,
      gbp: options.gbp,
    },
  };
}

/** A router on the overlay must not be able to give the device addresses and routes. */
export function deviceSysctls(vtep: Vtep, hostHasIpv6: boolean): DesiredSysctl[] {
  return speaksIpv6(vtep, hostHasIpv6) ? [{ path: `net/ipv6/conf/${vtep.ifname}/accept_ra`, value: '0' }] : [];
}

/** Linux has no IPv6 on a device with a smaller MTU. */
function speaksIpv6({ mtuBytes }: Vtep, hostHasIpv6: boolean): boolean {
  return hostHasIpv6 && mtuBytes >= MIN_IPV6_MTU_BYTES;
}
