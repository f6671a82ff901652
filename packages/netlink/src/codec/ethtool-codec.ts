import type { LinkFeature } from '@tartan/core';
import { openGeneric, startGeneric } from './generic-codec';
import type { AttributeCursor } from './message-reader';
import type { MessageWriter } from './message-writer';

/*
 * Device features through ethtool's netlink interface: Documentation/networking/ethtool-netlink.rst, "FEATURES_GET" and "Bit sets",
 * and include/uapi/linux/ethtool_netlink.h, both v6.1. Bits have names and their numbers differ between kernels, so sets travel
 * in the long form, which says names:
 *
 *   FEATURES_WANTED { BITSET_BITS { BIT { NAME "tx-checksum-ip-generic", VALUE }, BIT { NAME "tx-gro" }, ... } }
 *
 * In a set with NOMASK, which stands first, each bit that is listed is on. In one without, VALUE says so, and what is not listed is not
 * meant.
 */

/** Name of the generic netlink family and its version. */
export const ETHTOOL = { name: 'ethtool', version: 1 } as const;

const MESSAGE = { featuresGet: 11, featuresSet: 12, featuresGetReply: 11, featuresSetReply: 12 } as const;
const FEATURES = { header: 1, hardware: 2, wanted: 3, active: 4, noChange: 5 } as const;
const HEADER_DEV_INDEX = 1;
const BITSET = { noMask: 1, bits: 3 } as const;
const BIT = { name: 2, value: 3 } as const;
const BITS_BIT = 1;

export interface EthtoolRequest {
  /** Message type of the family. */
  readonly type: number;
  readonly sequence: number;
  readonly ifindex: number;
}

export function encodeFeaturesGet(writer: MessageWriter, { type, sequence, ifindex }: EthtoolRequest): void {
  startGeneric(writer, { type, command: MESSAGE.featuresGet, version: ETHTOOL.version, sequence });
  header(writer, ifindex);
  writer.endMessage();
}

/** Features that are not named stay as they are. */
export function encodeFeaturesSet(
  writer: MessageWriter,
  { type, sequence, ifindex }: EthtoolRequest,
  features: Readonly<Record<string, boolean>>,
): void {
  startGeneric(writer, { type, command: MESSAGE.featuresSet, version: ETHTOOL.version, sequence });
  header(writer, ifindex);
  const wanted = writer.startNest(FEATURES.wanted);
  const bits = writer.startNest(BITSET.bits);
  for (const [name, on] of Object.entries(features)) {
    const bit = writer.startNest(BITS_BIT);
    writer.attributeText(BIT.name, name);
    if (on) writer.flag(BIT.value);
    writer.endNest(bit);
  }
  writer.endNest(bits);
  writer.endNest(wanted);
  writer.endMessage();
}

/** The answer to encodeFeaturesGet; undefined for any other message. */
export function decodeFeatures(view: DataView, start: number, end: number): Map<string, LinkFeature> | undefined {
  const message = openGeneric(view, start, end);
  if (message?.command !== MESSAGE.featuresGetReply) return undefined;
  const sets = bitSets(message.attributes);
  const on = (set: number, name: string): boolean => sets.get(set)?.get(name) ?? false;
  const features = new Map<string, LinkFeature>();
  // The set of what the hardware can change comes with a mask of all features, so it names every one.
  for (const [name, inHardware] of sets.get(FEATURES.hardware) ?? []) {
    const changeable = inHardware && !on(FEATURES.noChange, name);
    features.set(name, { active: on(FEATURES.active, name), wanted: on(FEATURES.wanted, name), changeable });
  }
  return features;
}

/**
 * The names in the answer to encodeFeaturesSet whose state is not what was asked for; undefined for any other message. The kernel calls
 * that success: features that are fixed, and those that wait for others.
 */
export function decodeUnmetFeatures(view: DataView, start: number, end: number): string[] | undefined {
  const message = openGeneric(view, start, end);
  if (message?.command !== MESSAGE.featuresSetReply) return undefined;
  return [...(bitSets(message.attributes).get(FEATURES.wanted)?.keys() ?? [])];
}

function header(writer: MessageWriter, ifindex: number): void {
  const nest = writer.startNest(FEATURES.header);
  writer.attributeU32(HEADER_DEV_INDEX, ifindex);
  writer.endNest(nest);
}

/** Attribute type → name → on. */
function bitSets(attributes: AttributeCursor): Map<number, Map<string, boolean>> {
  const sets = new Map<number, Map<string, boolean>>();
  while (attributes.next()) {
    if (attributes.type !== FEATURES.header) sets.set(attributes.type, bitSet(attributes.nested()));
  }
  return sets;
}

function bitSet(attributes: AttributeCursor): Map<string, boolean> {
  const bits = new Map<string, boolean>();
  let noMask = false;
  while (attributes.next()) {
    if (attributes.type === BITSET.noMask) noMask = true;
    if (attributes.type !== BITSET.bits) continue;
    const list = attributes.nested();
    while (list.next()) addBit(bits, list.nested(), noMask);
  }
  return bits;
}

/** `listed`: being in the list means on. */
function addBit(bits: Map<string, boolean>, attributes: AttributeCursor, listed: boolean): void {
  let name: string | undefined;
  let on = listed;
  while (attributes.next()) {
    if (attributes.type === BIT.name) name = attributes.text();
    else if (attributes.type === BIT.value) on = true;
  }
  if (name !== undefined) bits.set(name, on);
}
