import {
  isTartanError,
  type DataPathEvidence,
  type DesiredLink,
  type Finding,
  type LinkFeature,
  type RtNetlink,
} from '@tartan/core';
import type { TxChecksumOffload } from './options';
import type { Vtep } from './vtep';

/*
 * "Ping works, TCP does not": who computes the checksums of a packet in the tunnel?
 *
 *   | outer IP | outer UDP | VXLAN | inner Ethernet | inner IP | inner TCP or UDP | data |
 *                    A                                                  B
 *
 * With transmit offload on our device, the kernel's default, the packet leaves it with B not computed. The kernel computes A from what B
 * is going to be (local checksum offload, Documentation/networking/checksum-offloads.rst, v6.1), or leaves both to the uplink when
 * it hands over many segments at once. Some network cards and virtual switches do this wrongly behind a tunnel header: B is wrong, the
 * peer's kernel drops the packet, and only what has no such checksum (ICMP from a ping) arrives. With offload off on our device the
 * kernel segments the packet and computes B itself; A stays the uplink's work, but that is a plain UDP checksum, which cards can do.
 * The price is throughput (Calico turned its own default back on for it), so it is not our default either.
 *
 * `auto` asks for nothing, so that an administrator's udev rule stands as well, until somebody proves that checksums are wrong.
 */

/** As `ethtool -k` calls it; the segmentation features depend on it and follow. */
export const TX_CHECKSUM = 'tx-checksum-ip-generic';

export interface ChecksumDecision {
  /** Of each of our devices; absent: left as they are. */
  readonly features?: NonNullable<DesiredLink['features']>;
  readonly findings: readonly Finding[];
}

export interface ChecksumInput {
  readonly option: TxChecksumOffload;
  readonly evidence?: DataPathEvidence | undefined;
  readonly vteps: readonly Pick<Vtep, 'ifname' | 'lowerIfname'>[];
}

/** Pure. */
export function decideChecksums({ option, evidence, vteps }: ChecksumInput): ChecksumDecision {
  const broken = evidence?.brokenTxChecksums;
  const devices = vteps.map(({ ifname }) => ifname).join(', ');
  switch (option) {
    case 'on':
      return { features: { [TX_CHECKSUM]: true }, findings: broken === undefined ? [] : [brokenOn(devices, broken)] };
    case 'off':
      return {
        features: { [TX_CHECKSUM]: false },
        findings: broken === undefined ? [] : [brokenOff(devices, broken, vteps[0]?.lowerIfname ?? 'DEVICE')],
      };
    case 'auto':
      if (broken === undefined) return { findings: [] };
      return { features: { [TX_CHECKSUM]: false }, findings: [turnedOff(devices, broken)] };
  }
}

/** For `auto`: devices on which somebody, or an earlier run, has turned the offload off, which costs throughput. */
export async function foundOffFindings(netlink: RtNetlink, vteps: readonly Pick<Vtep, 'ifname'>[]): Promise<Finding[]> {
  const links = await netlink.listLinks();
  const ours = links.filter((link) => vteps.some(({ ifname }) => ifname === link.name));
  const features = await Promise.all(ours.map(({ index }) => readFeatures(netlink, index)));
  return ours
    .filter((_, place) => features[place]?.get(TX_CHECKSUM)?.active === false)
    .map(({ name }) => foundOff(name));
}

/** An old kernel does not tell, and nothing depends on it here. */
async function readFeatures(
  netlink: RtNetlink,
  ifindex: number,
): Promise<ReadonlyMap<string, LinkFeature> | undefined> {
  try {
    return await netlink.listLinkFeatures(ifindex);
  } catch (error) {
    if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) throw error;
    return undefined;
  }
}

function turnedOff(devices: string, reason: string): Finding {
  return {
    severity: 'warning',
    code: 'CHECKSUM_OFFLOAD_OFF',
    subject: devices,
    message: `transmit checksum offload is turned off until the daemon ends, because packets arrived damaged: ${reason}`,
    cure: 'Set TxChecksumOffload to "off" to start that way. A newer driver or firmware of the network card may make it unnecessary.',
  };
}

function brokenOn(devices: string, reason: string): Finding {
  return {
    severity: 'error',
    code: 'CHECKSUM_OFFLOAD_BROKEN',
    subject: devices,
    message: `packets arrive damaged, and transmit checksum offload is on as configured: ${reason}`,
    cure: 'Set TxChecksumOffload in the Backend part of the network config to "auto" or "off".',
  };
}

function brokenOff(devices: string, reason: string, uplink: string): Finding {
  return {
    severity: 'error',
    code: 'CHECKSUM_OFFLOAD_BROKEN',
    subject: devices,
    message: `packets arrive damaged although transmit checksum offload is off: ${reason}`,
    cure: `The uplink may compute even plain UDP checksums wrongly: try "ethtool -K ${uplink} tx off". Else look at what lies between the hosts.`,
  };
}

function foundOff(device: string): Finding {
  return {
    severity: 'info',
    code: 'CHECKSUM_OFFLOAD_FOUND_OFF',
    subject: device,
    message:
      'transmit checksum offload was off when the daemon started, and is left so; large transfers are slower for it',
    cure: `If nobody wants it off: ethtool -K ${device} ${TX_CHECKSUM} on, or TxChecksumOffload "on".`,
  };
}
