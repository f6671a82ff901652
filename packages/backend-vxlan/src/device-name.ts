import type { IpFamily, Link } from '@tartan/core';

/** IFNAMSIZ - 1, include/uapi/linux/if.h (v6.1). */
export const MAX_DEVICE_NAME_LENGTH = 15;

/** The device's name as flannel has it, so that either daemon finds the other's device (flannel-compat 4.1). */
export function deviceName(vni: number, family: IpFamily): string {
  return family === 4 ? `flannel.${vni}` : `flannel-v6.${vni}`;
}

/** A VXLAN device with a name of ours, whatever its VNI. */
export function isOwnDevice({ name, kind }: Pick<Link, 'name' | 'kind'>): boolean {
  return kind === 'vxlan' && /^flannel(?:-v6)?\.\d+$/.test(name);
}
