import { isTartanError, MacAddress, TartanError, type Link, type RtNetlink } from '@tartan/core';

/*
 * The VXLAN device that takes received datagrams apart (native/bpf/kernel-path.bpf.c tells why). It never sends, and nothing on the
 * network speaks VXLAN: its port is the way from one hook of this kernel to another. A firewall on this host has to let it pass.
 */

/** Ports above that of the tunnel that are tried, where somebody else has one already. */
const PORTS_TRIED = 16;
/** IFNAMSIZ is 16 (include/uapi/linux/if.h, v6.1). */
const NAME_MAX = 15;
const SUFFIX = '-rx';
export interface ReceivingDevice {
  readonly ifindex: number;
  readonly port: number;
  readonly vni: number;
  readonly mac: MacAddress;
}

export interface ReceivingDeviceOptions {
  readonly netlink: RtNetlink;
  readonly tunName: string;
  /** UDP port of the tunnel. */
  readonly port: number;
  readonly mtuBytes: number;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** `flannel0-rx`. */
export function receivingDeviceName(tunName: string): string {
  return `${tunName.slice(0, NAME_MAX - SUFFIX.length)}${SUFFIX}`;
}

/** The device as it must be, made where it is not. Rejects with KERNEL_REFUSED, or UDP_KERNEL_PATH_UNAVAILABLE. */
export async function ensureReceivingDevice(options: ReceivingDeviceOptions): Promise<ReceivingDevice> {
  const { netlink, tunName, mtuBytes } = options;
  const name = receivingDeviceName(tunName);
  const existing = await findDevice(netlink, name);
  const link = existing && isUsable(existing) ? existing : await replaceDevice(options, name, existing);
  if (!link.up || link.mtuBytes !== mtuBytes) {
    await applyOne(netlink, { op: 'link-change', ifindex: link.index, change: { up: true, mtuBytes } });
  }
  return described(link);
}

/** Nothing happens when it is gone already. */
export async function removeReceivingDevice(netlink: RtNetlink, tunName: string): Promise<void> {
  const link = await findDevice(netlink, receivingDeviceName(tunName));
  if (link?.kind === 'vxlan') await applyOne(netlink, { op: 'link-delete', ifindex: link.index });
}

async function findDevice(netlink: RtNetlink, name: string): Promise<Link | undefined> {
  const links = await netlink.listLinks();
  return links.find((link) => link.name === name);
}

function isUsable({ kind, vxlan, mac }: Link): boolean {
  return (
    kind === 'vxlan' && mac !== undefined && vxlan !== undefined && !vxlan.learning && vxlan.lowerIndex === undefined
  );
}

async function replaceDevice(options: ReceivingDeviceOptions, name: string, existing?: Link): Promise<Link> {
  const { netlink } = options;
  if (existing && existing.kind !== 'vxlan') {
    const reason = `a device ${name} of kind ${existing.kind ?? 'hardware'} is in the way`;
    throw new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason });
  }
  if (existing) await applyOne(netlink, { op: 'link-delete', ifindex: existing.index });
  for (let step = 1; ; step++) {
    try {
      await createDevice(options, name, options.port + step);
      break;
    } catch (error) {
      if (step === PORTS_TRIED || !isTartanError(error, 'KERNEL_REFUSED') || !isTaken(error)) throw error;
    }
  }
  const made = await findDevice(netlink, name);
  if (!made) throw new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason: `${name} was taken away at once` });
  return made;
}

function isTaken(error: TartanError<'KERNEL_REFUSED'>): boolean {
  return error.data.errnoName === 'EADDRINUSE' || error.data.errnoName === 'EEXIST';
}

/** VNI and address are drawn: whoever knows neither cannot write to the device through its port. */
async function createDevice(
  { netlink, mtuBytes, randomBytes }: ReceivingDeviceOptions,
  name: string,
  port: number,
): Promise<void> {
  const vni = Buffer.from(randomBytes(3)).readUIntBE(0, 3) || 1;
  const mac = MacAddress.fromBytes(localMac(randomBytes(6)));
  await applyOne(netlink, {
    op: 'link-create',
    link: {
      name,
      kind: 'vxlan',
      mtuBytes,
      mac,
      up: true,
      addrGenMode: 1,
      vxlan: { vni, port, learning: false, gbp: false },
    },
  });
}

/** Unicast, locally administered (IEEE 802, the two low bits of the first octet). */
export function localMac(random: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(random);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes;
}

function described({ index, mac, vxlan }: Link): ReceivingDevice {
  const { port, vni } = vxlan as NonNullable<Link['vxlan']>;
  return { ifindex: index, port, vni, mac: mac as MacAddress };
}

async function applyOne(netlink: RtNetlink, op: Parameters<RtNetlink['apply']>[0][number]): Promise<void> {
  const [result] = await netlink.apply([op]);
  if (result && !result.ok) throw result.error;
}
