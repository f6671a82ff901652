import type { Leftover, RtNetlink } from '@tartan/core';
import { loadBpfAddon, type BpfAddon } from './addon';
import { filterOwner } from './filter-owner';
import { receivingDeviceName, removeReceivingDevice } from './receiving-device';
import { TrafficControl } from './traffic-control';

export interface RemoveKernelPathOptions {
  readonly netlink: RtNetlink;
  /** As in KernelPathOptions. */
  readonly netns?: string;
  readonly tunName: string;
  readonly addon?: BpfAddon;
}

/**
 * What any run left in the kernel: filters, on whatever device, and the receiving device; in the order in which they have to go. Changes
 * nothing. Throws UDP_KERNEL_PATH_UNAVAILABLE without the addon; `remove` rejects with KERNEL_REFUSED.
 */
export async function kernelPathLeftovers({
  netlink,
  netns = '',
  tunName,
  addon,
}: RemoveKernelPathOptions): Promise<Leftover[]> {
  const control = new TrafficControl(addon ?? loadBpfAddon(), netns);
  const links = await netlink.listLinks();
  const filters = links.flatMap(({ index, name: ifname }) =>
    (['egress', 'ingress'] as const).flatMap((direction) =>
      control.list(index, direction).map((filter) => ({ ifname, filter })),
    ),
  );
  const ours = filters.filter(({ filter }) => filter.name.startsWith(filterOwner(tunName)));
  const device = links.find(({ name, kind }) => name === receivingDeviceName(tunName) && kind === 'vxlan');
  return [
    // The way in to the tunnel first: what is under way still finds its way out.
    ...ours
      .sort((a, b) => a.filter.direction.localeCompare(b.filter.direction))
      .map(({ ifname, filter }) => ({
        text: `tc program ${filter.name} on ${ifname}`,
        remove: () => {
          control.remove(filter);
          return Promise.resolve();
        },
      })),
    ...(device ? [{ text: `device ${device.name}`, remove: () => removeReceivingDevice(netlink, tunName) }] : []),
  ];
}

/**
 * Removes all of it, for a daemon that finds the kernel path switched off. Nothing happens when nothing is there. Rejects with
 * KERNEL_REFUSED, or with UDP_KERNEL_PATH_UNAVAILABLE without the addon.
 */
export async function removeKernelPath(options: RemoveKernelPathOptions): Promise<void> {
  for (const leftover of await kernelPathLeftovers(options)) await leftover.remove();
}
