import type { Link, LinkChange, LinkSpec, MacAddress, VxlanData } from '@tartan/core';
import { HOST_ORDER } from './byte-order';
import {
  AF,
  IFF,
  IFLA,
  IFLA_EVENT_FEATURES,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO,
  NLM_F,
  RTEXT_FILTER_SKIP_STATS,
  RTM,
  SIZE,
  VETH_INFO_PEER,
} from './constants';
import { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';
import { put } from './mutable';
import { decodeVxlan, encodeVxlan, encodeVxlanChange } from './vxlan-codec';

/*
 * Links: include/uapi/linux/rtnetlink.h (v6.1), struct ifinfomsg, then IFLA_* attributes:
 *
 *    0       1       2               4               8               12              16
 *   +-------+-------+---------------+---------------+---------------+---------------+
 *   |family | pad   |   ifi_type    |   ifi_index   |   ifi_flags   |   ifi_change  |
 *   +-------+-------+---------------+---------------+---------------+---------------+
 */

/**
 * Undefined for what is no link: messages of other families (AF_BRIDGE tells about ports; its RTM_DELLINK means "left the
 * bridge", not "deleted") and wireless events, which carry no name.
 */
export function decodeLink(view: DataView, start: number, end: number): Link | undefined {
  if (end - start < SIZE.ifinfomsg || view.getUint8(start) !== AF.unspec) return undefined;
  const flags = view.getUint32(start + 8, HOST_ORDER);
  const found = linkAttributes(new AttributeCursor(view, start + SIZE.ifinfomsg, end));
  if (found.name === undefined || found.mtuBytes === undefined) return undefined;
  const { name, mtuBytes, ...optional } = found;
  const loopback = (flags & IFF.loopback) !== 0;
  if (loopback) delete optional.mac;
  return {
    index: view.getInt32(start + 4, HOST_ORDER),
    name,
    mtuBytes,
    ...optional,
    up: (flags & IFF.up) !== 0,
    carrier: (flags & IFF.lowerUp) !== 0,
    loopback,
    broadcast: (flags & IFF.broadcast) !== 0,
    pointToPoint: (flags & IFF.pointToPoint) !== 0,
  };
}

/** True when a notification about a link says that its features are others now. */
export function tellsOfFeatures(view: DataView, start: number, end: number): boolean {
  const attributes = new AttributeCursor(view, start + SIZE.ifinfomsg, end);
  while (attributes.next()) if (attributes.type === IFLA.event) return attributes.u32() === IFLA_EVENT_FEATURES;
  return false;
}

interface LinkAttributes {
  name?: string;
  mtuBytes?: number;
  mac?: MacAddress;
  kind?: string;
  masterIndex?: number;
  lowerIndex?: number;
  addrGenMode?: number;
  vxlan?: VxlanData;
}

function linkAttributes(attributes: AttributeCursor): LinkAttributes {
  const found: LinkAttributes = {};
  let lowerIsElsewhere = false;
  while (attributes.next()) {
    if (attributes.type === IFLA.linkNetnsId) lowerIsElsewhere = true;
    else linkAttribute(found, attributes);
  }
  // The index of a peer in another namespace means nothing in this one.
  if (lowerIsElsewhere) delete found.lowerIndex;
  return found;
}

function linkAttribute(found: LinkAttributes, attribute: AttributeCursor): void {
  switch (attribute.type) {
    case IFLA.ifname:
      found.name = attribute.text();
      break;
    case IFLA.mtu:
      put(found, 'mtuBytes', attribute.u32());
      break;
    case IFLA.address:
      put(found, 'mac', attribute.mac());
      break;
    case IFLA.link:
      put(found, 'lowerIndex', index(attribute));
      break;
    case IFLA.master:
      put(found, 'masterIndex', index(attribute));
      break;
    case IFLA.linkInfo:
      linkInfo(found, attribute.nested());
      break;
    case IFLA.afSpec:
      put(found, 'addrGenMode', addrGenMode(attribute.nested()));
      break;
  }
}

/** 0 is no interface. */
function index(attribute: AttributeCursor): number | undefined {
  const value = attribute.u32();
  return value === 0 ? undefined : value;
}

/** IFLA_LINKINFO holds IFLA_INFO_KIND first; IFLA_INFO_DATA means what the kind says. */
function linkInfo(found: LinkAttributes, attributes: AttributeCursor): void {
  while (attributes.next()) {
    if (attributes.type === IFLA_INFO.kind) found.kind = attributes.text();
    else if (attributes.type === IFLA_INFO.data && found.kind === 'vxlan') {
      put(found, 'vxlan', decodeVxlan(attributes.nested()));
    }
  }
}

/** IFLA_AF_SPEC holds one attribute per address family. */
function addrGenMode(families: AttributeCursor): number | undefined {
  while (families.next()) {
    if (families.type !== AF.inet6) continue;
    const inet6 = families.nested();
    while (inet6.next()) if (inet6.type === IFLA_INET6_ADDR_GEN_MODE) return inet6.u8();
  }
  return undefined;
}

export function encodeLinkDump(writer: MessageWriter, sequence: number): void {
  start(writer, RTM.getLink, NLM_F.request | NLM_F.dump, sequence, { ifindex: 0 });
  writer.attributeU32(IFLA.extMask, RTEXT_FILTER_SKIP_STATS);
  writer.endMessage();
}

/** Everything of `link` but addrGenMode, which a link can be told only once it exists; then it stays down until told. */
export function encodeLinkCreate(writer: MessageWriter, link: LinkSpec, sequence: number): void {
  const up = link.up === true && link.addrGenMode === undefined;
  start(writer, RTM.newLink, NLM_F.request | NLM_F.create | NLM_F.exclusive, sequence, { up: up || undefined });
  writer.attributeText(IFLA.ifname, link.name);
  if (link.mtuBytes !== undefined) writer.attributeU32(IFLA.mtu, link.mtuBytes);
  if (link.mac !== undefined) writer.attributeMac(IFLA.address, link.mac);
  if (link.txQueueLength !== undefined) writer.attributeU32(IFLA.txQueueLength, link.txQueueLength);
  if (link.masterIndex !== undefined) writer.attributeU32(IFLA.master, link.masterIndex);
  const info = writer.startNest(IFLA.linkInfo);
  writer.attributeString(IFLA_INFO.kind, link.kind);
  if (link.vxlan) encodeVxlan(writer, link.vxlan);
  if (link.peerName !== undefined) encodeVethPeer(writer, link.peerName);
  writer.endNest(info);
  writer.endMessage();
}

/** RTM_NEWLINK on an existing link, named by index, or by name right after its creation. */
export function encodeLinkChange(
  writer: MessageWriter,
  target: { readonly ifindex: number } | { readonly ifname: string },
  change: Omit<LinkChange, 'addrGenMode'>,
  sequence: number,
): void {
  const ifindex = 'ifindex' in target ? target.ifindex : 0;
  start(writer, RTM.newLink, NLM_F.request, sequence, { ifindex, up: change.up });
  const name = 'ifname' in target ? target.ifname : change.name;
  if (name !== undefined) writer.attributeText(IFLA.ifname, name);
  if (change.mtuBytes !== undefined) writer.attributeU32(IFLA.mtu, change.mtuBytes);
  if (change.mac !== undefined) writer.attributeMac(IFLA.address, change.mac);
  if (change.masterIndex !== undefined) writer.attributeU32(IFLA.master, change.masterIndex);
  if (change.vxlan !== undefined) encodeVxlanChange(writer, change.vxlan);
  writer.endMessage();
}

/** IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE } }. */
export function encodeAddrGenMode(
  writer: MessageWriter,
  target: { readonly ifindex: number } | { readonly ifname: string },
  mode: number,
  sequence: number,
): void {
  start(writer, RTM.newLink, NLM_F.request, sequence, 'ifindex' in target ? target : { ifindex: 0 });
  if ('ifname' in target) writer.attributeText(IFLA.ifname, target.ifname);
  const families = writer.startNest(IFLA.afSpec);
  const inet6 = writer.startNest(AF.inet6);
  writer.attributeU8(IFLA_INET6_ADDR_GEN_MODE, mode);
  writer.endNest(inet6);
  writer.endNest(families);
  writer.endMessage();
}

export function encodeLinkDelete(writer: MessageWriter, ifindex: number, sequence: number): void {
  start(writer, RTM.delLink, NLM_F.request, sequence, { ifindex });
  writer.endMessage();
}

function start(
  writer: MessageWriter,
  type: number,
  flags: number,
  sequence: number,
  link: { readonly ifindex?: number; readonly up?: boolean | undefined },
): void {
  writer.startMessage(type, flags, sequence);
  ifinfomsg(writer, link.ifindex ?? 0, link.up);
}

/** `up` undefined leaves the flags as they are: ifi_change is the mask of what is to be set. */
function ifinfomsg(writer: MessageWriter, ifindex: number, up?: boolean): void {
  writer.u8(AF.unspec);
  writer.u8(0);
  writer.u16(0);
  writer.u32(ifindex);
  writer.u32(up === true ? IFF.up : 0);
  writer.u32(up === undefined ? 0 : IFF.up);
}

/** VETH_INFO_PEER holds a whole ifinfomsg with its attributes: drivers/net/veth.c, veth_newlink(). */
function encodeVethPeer(writer: MessageWriter, peerName: string): void {
  const data = writer.startNest(IFLA_INFO.data);
  const peer = writer.startBlock(VETH_INFO_PEER);
  ifinfomsg(writer, 0);
  writer.attributeText(IFLA.ifname, peerName);
  writer.endNest(peer);
  writer.endNest(data);
}
