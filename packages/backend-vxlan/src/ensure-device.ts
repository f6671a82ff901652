import {
  isTartanError,
  TartanError,
  type LinkSpec,
  type MacAddress,
  type OwnerIdentity,
  type RtNetlink,
} from '@tartan/core';
import { checkDeviceConflicts } from './device-conflicts';
import { desiredDevice, type VxlanLink } from './device';
import type { VxlanOptions } from './options';
import { deriveVtepMac, isUnicastMac } from './vtep-mac';
import type { Vtep } from './vtep';

/*
 * Before the lease is published the device must exist with the MAC that goes into it, since peers never ask for the MAC again
 * (flannel-compat 0.5). A device that is there keeps its MAC, and so the entries of all peers stay right when flanneld
 * is replaced by Tartan, or Tartan by itself; whatever else differs on it is put right by the reconciler, once the peers are known.
 * So nothing is changed here on a device that carries traffic.
 */

export interface EnsureDeviceInput {
  readonly netlink: RtNetlink;
  readonly vtep: Vtep;
  readonly options: VxlanOptions;
  readonly identity: OwnerIdentity;
  readonly hostHasIpv6: boolean;
}

/**
 * The MAC to publish; afterwards a device with it exists. Repeatable. Rejects with BACKEND_DEVICE_NAME_TAKEN,
 * BACKEND_VXLAN_VNI_IN_USE, BACKEND_VXLAN_PORT_IN_USE, BACKEND_VXLAN_UNSUPPORTED, KERNEL_REFUSED, KERNEL_SOCKET.
 */
export async function ensureDevice(input: EnsureDeviceInput): Promise<MacAddress> {
  try {
    return await settleDevice(input);
  } catch (error) {
    // The reconciler has just made it again, after the uplink came back.
    if (!isTartanError(error, 'KERNEL_REFUSED') || error.data.errnoName !== 'EEXIST') throw error;
    return settleDevice(input);
  }
}

async function settleDevice(input: EnsureDeviceInput): Promise<MacAddress> {
  const { netlink, vtep, options } = input;
  const links = await netlink.listLinks();
  checkDeviceConflicts(vtep, options, links);
  const existing = links.find(({ name }) => name === vtep.ifname);
  if (existing?.mac && isUnicastMac(existing.mac)) return existing.mac;
  const mac = deriveVtepMac({ identity: input.identity, vni: options.vni, family: vtep.family });
  if (existing) return mac;
  await createDevice(input, desiredDevice({ ...input, mac }));
  return mac;
}

async function createDevice({ netlink, vtep, options }: EnsureDeviceInput, device: VxlanLink): Promise<void> {
  const [result] = await netlink.apply([{ op: 'link-create', link: resolve(device, vtep) }]);
  if (result?.ok !== false) return;
  if (!isTartanError(result.error, 'KERNEL_REFUSED')) throw result.error;
  const { errnoName } = result.error.data;
  if (errnoName === 'EOPNOTSUPP') {
    const kernel = (await netlink.readSysctl('kernel/osrelease')) ?? 'unknown';
    throw new TartanError('BACKEND_VXLAN_UNSUPPORTED', { kernel, ifname: vtep.ifname }, { cause: result.error });
  }
  if (errnoName === 'EADDRINUSE') {
    await removeDown(netlink, vtep.ifname);
    throw new TartanError('BACKEND_VXLAN_PORT_IN_USE', { port: options.port }, { cause: result.error });
  }
  throw result.error;
}

/** The port is taken only when the device comes up, so it was made, and the next attempt would take it for one in use. */
async function removeDown(netlink: RtNetlink, ifname: string): Promise<void> {
  const made = (await netlink.listLinks()).find(({ name, up }) => name === ifname && !up);
  if (made) await netlink.apply([{ op: 'link-delete', ifindex: made.index }]);
}

function resolve({ vxlan, ...rest }: VxlanLink, { lowerIndex }: Vtep): LinkSpec {
  if (!vxlan) return rest;
  const { lowerIfname, ...data } = vxlan;
  return { ...rest, vxlan: { ...data, ...(lowerIfname !== undefined && { lowerIndex }) } };
}
