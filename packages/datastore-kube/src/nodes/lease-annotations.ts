import { goJson, Ipv4Address, Ipv6Address, type Json, type LeaseAttrs } from '@tartan/core';
import type { AnnotationNames } from './annotation-names';
import type { KubeNode } from './kube-node';

/*
 * What a node publishes, as annotations of its Node object (flannel-compat 3.2):
 *
 *   flannel.alpha.coreos.com/kube-subnet-manager: "true"
 *   flannel.alpha.coreos.com/backend-type: vxlan
 *   flannel.alpha.coreos.com/backend-data: {"VNI":1,"VtepMAC":"32:84:ff:8f:00:d7"}      `null` where there is none
 *   flannel.alpha.coreos.com/public-ip: 192.168.50.1
 *
 * and backend-v6-data and public-ipv6 for the other family. Who the node is needs no annotation: it is the object's name.
 */

type Property = keyof AnnotationNames;
/** null: must not be there. */
export type WantedAnnotations = Readonly<Partial<Record<Property, string | null>>>;

/** The annotations for `attrs` on a node that carries `present` already. */
export function encodeAnnotations(attrs: LeaseAttrs, present: KubeNode['annotations']): WantedAnnotations {
  const { backendType, backendData, backendV6Data, publicIP, publicIPv6 } = attrs;
  const v4 = backendType !== 'vxlan' || backendData !== undefined;
  const v6 = publishesIpv6(attrs);
  const ipv6Text = present.publicIPv6Overwrite ?? publicIPv6?.toString() ?? null;
  return {
    kubeSubnetManager: 'true',
    backendType,
    backendData: v4 ? dataText(backendData) : null,
    publicIP: v4 ? (present.publicIPOverwrite ?? publicIP.toString()) : null,
    backendV6Data: v6 ? dataText(backendV6Data) : null,
    publicIPv6: v6 ? ipv6Text : null,
  };
}

/** The original writes the IPv6 pair by backend; types that it does not know publish it when they have an address. */
function publishesIpv6({ backendType, backendV6Data, publicIPv6 }: LeaseAttrs): boolean {
  switch (backendType) {
    case 'vxlan':
      return backendV6Data !== undefined;
    case 'wireguard':
      return backendV6Data !== undefined && publicIPv6 !== null;
    case '':
      return false;
    default:
      return publicIPv6 !== null;
  }
}

function dataText(data: Json | undefined): string {
  return data === undefined ? 'null' : goJson(data);
}

/** The part of `wanted` that `present` does not say yet; null when it says all. */
export function missingAnnotations(
  wanted: WantedAnnotations,
  present: KubeNode['annotations'],
): WantedAnnotations | null {
  const missing = Object.entries(wanted).filter(([name, value]) => (present[name as Property] ?? null) !== value);
  return missing.length === 0 ? null : Object.fromEntries(missing);
}

/** True for a node that takes part: the text must be exactly this (flannel-compat 3.4). */
export function takesPart({ kubeSubnetManager }: KubeNode['annotations']): boolean {
  return kubeSubnetManager === 'true';
}

/**
 * What a node's annotations say. Throws Error with a one-line reason when they cannot be used; what they say of a family that the network
 * has not is of no interest, and no reason.
 */
export function decodeAnnotations(
  name: string,
  { publicIP, publicIPv6, backendType = '', backendData, backendV6Data }: KubeNode['annotations'],
  families: { readonly ipv4: boolean; readonly ipv6: boolean },
): LeaseAttrs {
  const ipv4 = families.ipv4 ? publicIP : undefined;
  const ipv6 = families.ipv6 ? publicIPv6 : undefined;
  if (ipv4 === undefined && ipv6 === undefined) {
    throw new Error(`the node has no ${families.ipv4 ? 'public-ip' : 'public-ipv6'} annotation`);
  }
  const data = readData(backendData);
  const v6Data = readData(backendV6Data);
  return {
    publicIP: ipv4 === undefined ? Ipv4Address.fromNumber(0) : Ipv4Address.parse(ipv4),
    publicIPv6: ipv6 === undefined ? null : Ipv6Address.parse(ipv6),
    backendType,
    ...(data !== undefined && { backendData: data }),
    ...(v6Data !== undefined && { backendV6Data: v6Data }),
    owner: { node: name },
  };
}

/** What is not JSON (the extension backend writes any text) is kept as text. */
function readData(text: string | undefined): Json | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return (JSON.parse(text) as Json) ?? undefined;
  } catch {
    return text;
  }
}
