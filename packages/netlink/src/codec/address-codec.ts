import type { InterfaceAddress, InterfaceAddressSpec, IpAddress, IpFamily } from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import { IFA, IFA_F, NLM_F, RTM, SIZE } from './constants';
import { familyBytes, familyNumber, toFamily } from './family';
import { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';

/*
 * Addresses: include/uapi/linux/if_addr.h (v6.1), struct ifaddrmsg, then IFA_* attributes:
 *
 *    0        1           2        3        4               8
 *   +--------+-----------+--------+--------+---------------+
 *   | family | prefixlen | flags  | scope  |   ifa_index   |
 *   +--------+-----------+--------+--------+---------------+
 *
 * ifa_flags holds only the low 8 bits; IFA_FLAGS has all 32. IFA_LOCAL is the interface's own address and IFA_ADDRESS the far
 * end on point-to-point links, otherwise both are the same; IPv6 sends IFA_LOCAL only when they differ.
 */

export function decodeAddress(view: DataView, start: number, end: number): InterfaceAddress | undefined {
  if (end - start < SIZE.ifaddrmsg) return undefined;
  const family = toFamily(view.getUint8(start));
  const prefixLength = view.getUint8(start + 1);
  if (family === undefined || prefixLength > familyBytes(family) * 8) return undefined;
  const found = addressAttributes(view, start + SIZE.ifaddrmsg, end);
  const address = found.local ?? found.address;
  if (address?.family !== family) return undefined;
  const flags = found.flags ?? view.getUint8(start + 2);
  const peer = found.address && !found.address.equals(address) ? found.address : undefined;
  return {
    ifindex: view.getUint32(start + 4, HOST_ORDER),
    address,
    prefixLength,
    ...(peer ? { peer } : {}),
    scope: view.getUint8(start + 3),
    permanent: (flags & IFA_F.permanent) !== 0,
    // The same bit is IFA_F_SECONDARY in IPv4 and IFA_F_TEMPORARY in IPv6.
    temporary: family === 6 && (flags & IFA_F.temporary) !== 0,
    deprecated: (flags & IFA_F.deprecated) !== 0,
    tentative: (flags & IFA_F.tentative) !== 0,
    dadFailed: (flags & IFA_F.dadFailed) !== 0,
    ...(found.label === undefined ? {} : { label: found.label }),
  };
}

interface AddressAttributes {
  address?: IpAddress | undefined;
  local?: IpAddress | undefined;
  label?: string;
  flags?: number | undefined;
}

function addressAttributes(view: DataView, start: number, end: number): AddressAttributes {
  const found: AddressAttributes = {};
  const attributes = new AttributeCursor(view, start, end);
  while (attributes.next()) {
    switch (attributes.type) {
      case IFA.address:
        found.address = attributes.address();
        break;
      case IFA.local:
        found.local = attributes.address();
        break;
      case IFA.label:
        found.label = attributes.text();
        break;
      case IFA.flags:
        found.flags = attributes.u32();
        break;
    }
  }
  return found;
}

export function encodeAddressDump(writer: MessageWriter, family: IpFamily, ifindex: number, sequence: number): void {
  writer.startMessage(RTM.getAddress, NLM_F.request | NLM_F.dump, sequence);
  ifaddrmsg(writer, family, 0, 0, ifindex);
  writer.endMessage();
}

export function encodeAddressReplace(writer: MessageWriter, spec: InterfaceAddressSpec, sequence: number): void {
  writer.startMessage(RTM.newAddress, NLM_F.request | NLM_F.create | NLM_F.replace, sequence);
  ifaddrmsg(writer, spec.address.family, spec.prefixLength, spec.scope ?? 0, spec.ifindex);
  bothEnds(writer, spec.address);
  if (spec.noDad && spec.address.family === 6) writer.attributeU32(IFA.flags, IFA_F.noDad);
  writer.endMessage();
}

export function encodeAddressDelete(writer: MessageWriter, spec: InterfaceAddressSpec, sequence: number): void {
  writer.startMessage(RTM.delAddress, NLM_F.request, sequence);
  ifaddrmsg(writer, spec.address.family, spec.prefixLength, 0, spec.ifindex);
  bothEnds(writer, spec.address);
  writer.endMessage();
}

function bothEnds(writer: MessageWriter, address: IpAddress): void {
  writer.attributeAddress(IFA.local, address);
  writer.attributeAddress(IFA.address, address);
}

function ifaddrmsg(
  writer: MessageWriter,
  family: IpFamily,
  prefixLength: number,
  scope: number,
  ifindex: number,
): void {
  writer.u8(familyNumber(family));
  writer.u8(prefixLength);
  writer.u8(0);
  writer.u8(scope);
  writer.u32(ifindex);
}
