import { isTartanError, MacAddress, type Json } from '@tartan/core';
import { isUnicastMac } from './vtep-mac';

/*
 * What nodes tell each other about their devices: BackendData for IPv4, BackendV6Data for IPv6 (flannel-compat 2.3).
 *
 *   {"VNI":1,"VtepMAC":"c2:25:54:cf:0e:af"}
 *
 * Read as Go's decoder reads it: names in any case, the last of several counts, null is absence. Early flannel published the MAC
 * alone; then the VNI counts as ours.
 */

export interface VtepData {
  /** undefined: not stated. */
  readonly vni: number | undefined;
  readonly mac: MacAddress;
}

/** The published form; members in Go's order. */
export function encodeVtepData({ vni, mac }: { readonly vni: number; readonly mac: MacAddress }): Json {
  return { VNI: vni, VtepMAC: mac.toString() };
}

/** A peer's data, or why it cannot be used. */
export function parseVtepData(data: Json | undefined): VtepData | { readonly problem: string } {
  if (data === undefined || data === null) return { problem: 'it publishes no VTEP address' };
  if (typeof data !== 'object' || Array.isArray(data)) return { problem: 'its backend data is not a JSON object' };
  const vni = member(data, 'vni');
  const mac = member(data, 'vtepmac');
  if (vni !== undefined && !isUint32(vni)) return { problem: 'its VNI is not a whole number' };
  if (typeof mac !== 'string') return { problem: 'its VtepMAC is missing or not a text' };
  const parsed = parseGoMac(mac);
  if (!parsed) return { problem: `its VtepMAC ${JSON.stringify(mac.slice(0, 40))} is not a MAC address of 6 bytes` };
  return isUnicastMac(parsed) ? { vni, mac: parsed } : { problem: `its VtepMAC ${mac} is not a unicast address` };
}

function member(data: Readonly<Record<string, Json>>, folded: string): Json | undefined {
  const found = Object.entries(data).filter(([name]) => name.toLowerCase() === folded);
  return found.at(-1)?.[1] ?? undefined;
}

function isUint32(value: Json): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

/** net.ParseMAC of Go takes colons, hyphens, and Cisco's dots: 0000.5e00.5301. */
function parseGoMac(text: string): MacAddress | undefined {
  const dotted = /^([0-9a-f]{2})([0-9a-f]{2})\.([0-9a-f]{2})([0-9a-f]{2})\.([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  try {
    return MacAddress.parse(dotted ? dotted.slice(1).join(':') : text);
  } catch (error) {
    if (!isTartanError(error, 'ADDRESS_INVALID')) throw error;
    return undefined;
  }
}
