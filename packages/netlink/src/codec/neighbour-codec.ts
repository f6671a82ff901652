import {
  NEIGHBOUR_FLAG,
  NEIGHBOUR_STATE,
  type FdbEntry,
  type FdbSpec,
  type IpFamily,
  type Neighbour,
  type NeighbourSpec,
} from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import { AF, NDA, NLM_F, NTF_SELF, RTM, SIZE } from './constants';
import { familyNumber, toFamily } from './family';
import { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';
import { put, type Mutable } from './mutable';

/*
 * Neighbours (AF_INET, AF_INET6) and forwarding entries (AF_BRIDGE) share one message: include/uapi/linux/neighbour.h (v6.1),
 * struct ndmsg, then NDA_* attributes:
 *
 *    0        1       2               4               8               10      11      12
 *   +--------+-------+---------------+---------------+---------------+-------+-------+
 *   | family | pad   |      pad      |  ndm_ifindex  |   ndm_state   | flags | type  |
 *   +--------+-------+---------------+---------------+---------------+-------+-------+
 */

export function decodeNeighbour(view: DataView, start: number, end: number): Neighbour | undefined {
  if (end - start < SIZE.ndmsg) return undefined;
  const family = toFamily(view.getUint8(start));
  if (family === undefined) return undefined;
  const entry: Mutable<Partial<Neighbour>> = header(view, start);
  const attributes = new AttributeCursor(view, start + SIZE.ndmsg, end);
  while (attributes.next()) {
    if (attributes.type === NDA.dst) put(entry, 'address', attributes.address());
    else if (attributes.type === NDA.lladdr) put(entry, 'mac', attributes.mac());
  }
  return entry.address?.family === family ? (entry as Neighbour) : undefined;
}

/** Undefined for entries without a MAC address. */
export function decodeFdb(view: DataView, start: number, end: number): FdbEntry | undefined {
  if (end - start < SIZE.ndmsg || view.getUint8(start) !== AF.bridge) return undefined;
  const entry: Mutable<Partial<FdbEntry>> = header(view, start);
  const attributes = new AttributeCursor(view, start + SIZE.ndmsg, end);
  while (attributes.next()) fdbAttribute(entry, attributes);
  return entry.mac ? (entry as FdbEntry) : undefined;
}

function fdbAttribute(entry: Mutable<Partial<FdbEntry>>, attribute: AttributeCursor): void {
  switch (attribute.type) {
    case NDA.lladdr:
      put(entry, 'mac', attribute.mac());
      break;
    case NDA.dst:
      put(entry, 'dst', attribute.address());
      break;
    case NDA.vni:
      put(entry, 'vni', attribute.u32());
      break;
    case NDA.port:
      put(entry, 'port', attribute.port());
      break;
    case NDA.master:
      put(entry, 'masterIndex', attribute.u32());
      break;
  }
}

function header(view: DataView, start: number): { ifindex: number; state: number; flags: number } {
  return {
    ifindex: view.getInt32(start + 4, HOST_ORDER),
    state: view.getUint16(start + 8, HOST_ORDER),
    flags: view.getUint8(start + 10),
  };
}

/** `family` AF_BRIDGE dumps the forwarding database. Strictly checked requests may name one device. */
export function encodeNeighbourDump(
  writer: MessageWriter,
  family: IpFamily | 'bridge',
  ifindex: number | undefined,
  sequence: number,
): void {
  writer.startMessage(RTM.getNeighbour, NLM_F.request | NLM_F.dump, sequence);
  ndmsg(writer, family === 'bridge' ? AF.bridge : familyNumber(family), 0, 0, 0);
  if (ifindex !== undefined && family !== 'bridge') writer.attributeU32(NDA.ifindex, ifindex);
  writer.endMessage();
}

export function encodeNeighbourReplace(writer: MessageWriter, spec: NeighbourSpec, sequence: number): void {
  writer.startMessage(RTM.newNeighbour, NLM_F.request | NLM_F.create | NLM_F.replace, sequence);
  const state = spec.state ?? NEIGHBOUR_STATE.permanent;
  ndmsg(writer, familyNumber(spec.address.family), spec.ifindex, state, 0);
  writer.attributeAddress(NDA.dst, spec.address);
  writer.attributeMac(NDA.lladdr, spec.mac);
  writer.endMessage();
}

export function encodeNeighbourDelete(
  writer: MessageWriter,
  spec: Pick<NeighbourSpec, 'ifindex' | 'address'>,
  sequence: number,
): void {
  writer.startMessage(RTM.delNeighbour, NLM_F.request, sequence);
  ndmsg(writer, familyNumber(spec.address.family), spec.ifindex, 0, 0);
  writer.attributeAddress(NDA.dst, spec.address);
  writer.endMessage();
}

/** neigh_add() with NTF_USE (net/core/neighbour.c, v6.1) looks the address up as a packet to it would. */
export function encodeNeighbourProbe(
  writer: MessageWriter,
  spec: Pick<NeighbourSpec, 'ifindex' | 'address'>,
  sequence: number,
): void {
  writer.startMessage(RTM.newNeighbour, NLM_F.request | NLM_F.create, sequence);
  ndmsg(writer, familyNumber(spec.address.family), spec.ifindex, 0, NEIGHBOUR_FLAG.use);
  writer.attributeAddress(NDA.dst, spec.address);
  writer.endMessage();
}

export function encodeFdbReplace(writer: MessageWriter, spec: FdbSpec, sequence: number): void {
  writer.startMessage(RTM.newNeighbour, NLM_F.request | NLM_F.create | NLM_F.replace, sequence);
  ndmsg(writer, AF.bridge, spec.ifindex, spec.state ?? NEIGHBOUR_STATE.permanent, NTF_SELF);
  writer.attributeAddress(NDA.dst, spec.dst);
  writer.attributeMac(NDA.lladdr, spec.mac);
  writer.endMessage();
}

/** Without NDA_DST every destination of the MAC address goes. */
export function encodeFdbDelete(
  writer: MessageWriter,
  spec: Pick<FdbSpec, 'ifindex' | 'mac'> & Partial<Pick<FdbSpec, 'dst'>>,
  sequence: number,
): void {
  writer.startMessage(RTM.delNeighbour, NLM_F.request, sequence);
  ndmsg(writer, AF.bridge, spec.ifindex, 0, NTF_SELF);
  if (spec.dst) writer.attributeAddress(NDA.dst, spec.dst);
  writer.attributeMac(NDA.lladdr, spec.mac);
  writer.endMessage();
}

/** ndm_type means nothing in these requests. */
function ndmsg(writer: MessageWriter, family: number, ifindex: number, state: number, flags: number): void {
  writer.u8(family);
  writer.u8(0);
  writer.u16(0);
  writer.u32(ifindex);
  writer.u16(state);
  writer.u8(flags);
  writer.u8(0);
}
