import type { VxlanChange, VxlanData } from '@tartan/core';
import { IFLA, IFLA_INFO, IFLA_VXLAN } from './constants';
import type { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';

/*
 * IFLA_INFO_DATA of vxlan devices: include/uapi/linux/if_link.h and vxlan_nl2conf() / vxlan_fill_info() of
 * drivers/net/vxlan/vxlan_core.c, v6.1. Booleans are u8 but for GBP, which is a flag that can only be set at creation.
 */

export function encodeVxlan(writer: MessageWriter, vxlan: VxlanData): void {
  const data = writer.startNest(IFLA_INFO.data);
  writer.attributeU32(IFLA_VXLAN.id, vxlan.vni);
  encodeEnds(writer, vxlan);
  if (vxlan.group) {
    writer.attributeAddress(vxlan.group.family === 4 ? IFLA_VXLAN.group : IFLA_VXLAN.group6, vxlan.group);
  }
  writer.attributeU8(IFLA_VXLAN.learning, vxlan.learning ? 1 : 0);
  // Off unless told, unlike learning (vxlan_nl2conf()).
  if (vxlan.l2miss) writer.attributeU8(IFLA_VXLAN.l2miss, 1);
  if (vxlan.l3miss) writer.attributeU8(IFLA_VXLAN.l3miss, 1);
  if (vxlan.gbp) writer.flag(IFLA_VXLAN.gbp);
  if (vxlan.port > 0) writer.attributePort(IFLA_VXLAN.port, vxlan.port);
  writer.endNest(data);
}

/** IFLA_LINKINFO for RTM_NEWLINK on a device that exists; what is absent stays. */
export function encodeVxlanChange(writer: MessageWriter, change: VxlanChange): void {
  const info = writer.startNest(IFLA.linkInfo);
  writer.attributeString(IFLA_INFO.kind, 'vxlan');
  const data = writer.startNest(IFLA_INFO.data);
  encodeEnds(writer, change);
  if (change.learning !== undefined) writer.attributeU8(IFLA_VXLAN.learning, change.learning ? 1 : 0);
  writer.endNest(data);
  writer.endNest(info);
}

/** Undefined when there is no VNI. */
export function decodeVxlan(attributes: AttributeCursor): VxlanData | undefined {
  const found: { -readonly [Key in keyof VxlanData]?: VxlanData[Key] | undefined } = {};
  while (attributes.next()) vxlanAttribute(found, attributes);
  const { vni, port = 0, learning = false, gbp = false, l2miss = false, l3miss = false } = found;
  if (vni === undefined) return undefined;
  return {
    vni,
    port,
    learning,
    gbp,
    l2miss,
    l3miss,
    ...(found.local ? { local: found.local } : {}),
    ...(found.lowerIndex ? { lowerIndex: found.lowerIndex } : {}),
    ...(found.group ? { group: found.group } : {}),
  };
}

function vxlanAttribute(
  found: { -readonly [Key in keyof VxlanData]?: VxlanData[Key] | undefined },
  attribute: AttributeCursor,
): void {
  switch (attribute.type) {
    case IFLA_VXLAN.id:
      found.vni = attribute.u32();
      break;
    case IFLA_VXLAN.link:
      found.lowerIndex = attribute.u32();
      break;
    case IFLA_VXLAN.local:
    case IFLA_VXLAN.local6:
      found.local = attribute.address();
      break;
    case IFLA_VXLAN.group:
    case IFLA_VXLAN.group6:
      found.group = attribute.address();
      break;
    case IFLA_VXLAN.port:
      found.port = attribute.port();
      break;
    case IFLA_VXLAN.learning:
      found.learning = attribute.u8() === 1;
      break;
    case IFLA_VXLAN.l2miss:
      found.l2miss = attribute.u8() === 1;
      break;
    case IFLA_VXLAN.l3miss:
      found.l3miss = attribute.u8() === 1;
      break;
    case IFLA_VXLAN.gbp:
      found.gbp = true;
      break;
  }
}

function encodeEnds(writer: MessageWriter, { lowerIndex, local }: Pick<VxlanData, 'lowerIndex' | 'local'>): void {
  if (lowerIndex !== undefined) writer.attributeU32(IFLA_VXLAN.link, lowerIndex);
  if (local) writer.attributeAddress(local.family === 4 ? IFLA_VXLAN.local : IFLA_VXLAN.local6, local);
}
