import type { InterfaceAddress, InterfaceAddressSpec } from '../netlink';
import type { DeltaContext, KindDelta, PlannedOp, WaitingObject } from './delta-parts';
import type { DesiredAddress } from './kernel-state';
import { addressKey } from './object-key';

/*
 * Addresses on our own devices. All of them are ours except IPv6 link-local ones, which the kernel makes: an address that a
 * DHCP client or NetworkManager put on an overlay device diverts traffic, so it goes.
 */

export function addressDelta(context: DeltaContext): KindDelta {
  const present = addressesByKey(context);
  const adds: PlannedOp[] = [];
  const waiting: WaitingObject[] = [];
  for (const [key, desired] of context.index.addresses) {
    const link = context.linkByName.get(desired.ifname);
    if (!link) waiting.push({ key: `address ${key}`, ifname: desired.ifname, reason: 'missing' });
    else if (!isUsable(present.get(key))) {
      adds.push(addressOp(key, desired.ifname, { op: 'address-replace', address: toSpec(desired, link.index) }));
    }
  }
  return { adds, deletes: strayAddresses(context, present), waiting, findings: [] };
}

function addressesByKey(context: DeltaContext): Map<string, InterfaceAddress> {
  const own = context.actual.addresses.filter((entry) => context.index.devices.has(context.linkName(entry.ifindex)));
  return new Map(
    own.map((entry) => [addressKey(context.linkName(entry.ifindex), entry.address, entry.prefixLength), entry]),
  );
}

function isUsable(entry: InterfaceAddress | undefined): boolean {
  return entry !== undefined && !entry.dadFailed;
}

function strayAddresses(context: DeltaContext, present: ReadonlyMap<string, InterfaceAddress>): PlannedOp[] {
  return [...present]
    .filter(([key, { address }]) => !context.index.addresses.has(key) && !(address.family === 6 && address.isLinkLocal))
    .map(([key, { ifindex, address, prefixLength }]) =>
      addressOp(key, context.linkName(ifindex), {
        op: 'address-delete',
        address: { ifindex, address, prefixLength },
      }),
    );
}

/** Duplicate detection has nobody to ask on a device without broadcast, and would keep the address unusable for a second. */
function toSpec({ address, prefixLength }: DesiredAddress, ifindex: number): InterfaceAddressSpec {
  return { ifindex, address, prefixLength, ...(address.family === 6 && { noDad: true }) };
}

function addressOp(key: string, ifname: string, op: PlannedOp['op']): PlannedOp {
  return { op, kind: 'address', key: `address ${key}`, subject: `address ${key}`, ifname };
}
