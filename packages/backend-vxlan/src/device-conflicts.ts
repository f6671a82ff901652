import { TartanError, type IpFamily, type Link, type VxlanData } from '@tartan/core';
import type { VxlanOptions } from './options';
import type { Vtep } from './vtep';

/*
 * Why the kernel would refuse our device, found out beforehand, since its own words ("File exists", "Address already in use")
 * name neither the other device nor the cure. Leftovers of other CNI plug-ins are the usual cause.
 */

/** Throws BACKEND_DEVICE_NAME_TAKEN, BACKEND_VXLAN_VNI_IN_USE and BACKEND_VXLAN_PORT_IN_USE. */
export function checkDeviceConflicts(vtep: Vtep, options: VxlanOptions, links: readonly Link[]): void {
  for (const link of links) {
    if (link.name === vtep.ifname) checkKind(vtep, link);
    else if (link.vxlan && familyOf(link.vxlan) === vtep.family) checkOther(options, link.name, link.vxlan);
  }
}

function checkKind({ ifname }: Vtep, { kind }: Link): void {
  if (kind === 'vxlan') return;
  throw new TartanError('BACKEND_DEVICE_NAME_TAKEN', { backend: 'vxlan', ifname, kind: kind ?? 'hardware' });
}

/**
 * Two devices may share a port when they differ in VNI and agree on what the socket does with packets; GBP is the part of it
 * that is ours (vxlan_vni_in_use() and VXLAN_F_RCV_FLAGS, drivers/net/vxlan/vxlan_core.c, v6.1).
 */
function checkOther({ vni, port, gbp }: VxlanOptions, ifname: string, other: VxlanData): void {
  if (other.port !== port) return;
  if (other.gbp !== gbp) throw new TartanError('BACKEND_VXLAN_PORT_IN_USE', { port, ifname });
  if (other.vni === vni) throw new TartanError('BACKEND_VXLAN_VNI_IN_USE', { vni, port, ifname });
}

/** A device without local address and group is an IPv4 one. */
function familyOf({ local, group }: VxlanData): IpFamily {
  return (local ?? group)?.family ?? 4;
}
