import { createHash } from 'node:crypto';
import { MacAddress, type IpFamily, type OwnerIdentity } from '@tartan/core';

/*
 * Peers program our MAC statically and never ask for it again, so a MAC that changes cuts us off from each peer until that has
 * heard of the change. A random one, as flannel takes, changes with every reboot. Ours is derived from what stays: the machine,
 * the node's name, the VNI and the family. Two hosts cloned with one machine id still differ by name; should they not, plan()
 * finds both with one MAC and says so.
 *
 * The text that is hashed is part of the interface: changing it changes the MAC of every node at its next reboot.
 */

const APPLICATION = 'tartan vtep mac, version 1';
/** The two low bits of the first byte: locally administered, unicast (IEEE 802-2014 section 8.2). */
const LOCAL_BIT = 0x02;
const GROUP_BIT = 0x01;

export interface VtepMacInput {
  readonly identity: OwnerIdentity;
  readonly vni: number;
  readonly family: IpFamily;
}

/** The MAC address of a new device: the first six bytes of a SHA-256, as a locally administered unicast address. */
export function deriveVtepMac({ identity, vni, family }: VtepMacInput): MacAddress {
  const text = [APPLICATION, identity.machine ?? '', identity.node, vni, family].join('\n');
  const bytes = createHash('sha256').update(text).digest().subarray(0, 6);
  bytes[0] = ((bytes[0] as number) | LOCAL_BIT) & ~GROUP_BIT;
  return MacAddress.fromBytes(bytes);
}

/** False for group addresses and for all zeros: no device may have those (is_valid_ether_addr, linux/etherdevice.h, v6.1). */
export function isUnicastMac(mac: MacAddress): boolean {
  const bytes = mac.toBytes();
  return ((bytes[0] as number) & GROUP_BIT) === 0 && bytes.some((byte) => byte !== 0);
}
