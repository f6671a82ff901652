import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';
import type { Json, Lease, LeaseAttrs, OwnerIdentity } from '../lease';
import type { LastLease, LastLeaseKey } from './last-lease';

/** Raised when an older build could misread the file. */
export const LAST_LEASE_VERSION = 1;

export type JsonObject = Record<string, Json | undefined>;

/** One JSON object, indented: an operator may want to read it. */
export function encodeLastLease(key: LastLeaseKey, last: LastLease): string {
  return JSON.stringify({ version: LAST_LEASE_VERSION, ...key, ...last }, null, 2) + '\n';
}

export interface DecodedLastLease {
  readonly version: number;
  readonly key: LastLeaseKey;
  /** Reads the rest; only meaningful when the version is ours. Throws on anything malformed. */
  last(): LastLease;
}

/** Throws on anything malformed. */
export function decodeLastLease(text: string): DecodedLastLease {
  const file = object(JSON.parse(text), 'file');
  return {
    version: number(file['version'], 'version'),
    key: { subnetFile: string(file['subnetFile'], 'subnetFile'), datastore: string(file['datastore'], 'datastore') },
    last: () => ({
      lease: decodeLease(object(file['lease'], 'lease')),
      network: optional(file['network'], (value) => Ipv4Prefix.parse(string(value, 'network'))),
      ipv6Network: optional(file['ipv6Network'], (value) => Ipv6Prefix.parse(string(value, 'ipv6Network'))),
      mtuBytes: number(file['mtuBytes'], 'mtuBytes'),
      ipMasq: file['ipMasq'] === true,
    }),
  };
}

/** Throws on anything malformed. */
export function decodeLease(json: JsonObject): Lease {
  const lease = {
    subnet: optional(json['subnet'], (value) => Ipv4Prefix.parse(string(value, 'subnet'))),
    ipv6Subnet: optional(json['ipv6Subnet'], (value) => Ipv6Prefix.parse(string(value, 'ipv6Subnet'))),
    attrs: decodeAttrs(object(json['attrs'], 'attrs')),
    expiresAt: optional(json['expiresAt'], (value) => number(value, 'expiresAt')),
    reservation: json['reservation'] === true,
    revision: string(json['revision'], 'revision'),
  };
  if (!lease.subnet && !lease.ipv6Subnet) throw new Error('lease has no subnet');
  return lease;
}

function decodeAttrs(json: JsonObject): LeaseAttrs {
  const { backendData, backendV6Data, owner, extra } = json;
  return {
    publicIP: Ipv4Address.parse(string(json['publicIP'], 'publicIP')),
    publicIPv6: optional(json['publicIPv6'], (value) => Ipv6Address.parse(string(value, 'publicIPv6'))),
    backendType: string(json['backendType'], 'backendType'),
    ...(backendData !== undefined && { backendData }),
    ...(backendV6Data !== undefined && { backendV6Data }),
    ...(owner !== undefined && { owner: decodeOwner(object(owner, 'owner')) }),
    ...(extra !== undefined && { extra: object(extra, 'extra') as Record<string, Json> }),
  };
}

function decodeOwner({ node, machine }: JsonObject): OwnerIdentity {
  return {
    node: string(node, 'owner.node'),
    ...(machine !== undefined && { machine: string(machine, 'owner.machine') }),
  };
}

export function optional<Value>(json: Json | undefined, decode: (json: Json) => Value): Value | null {
  return json === undefined || json === null ? null : decode(json);
}

export function object(json: unknown, name: string): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error(`${name} is no object`);
  return json as JsonObject;
}

export function string(json: unknown, name: string): string {
  if (typeof json !== 'string') throw new Error(`${name} is no text`);
  return json;
}

export function number(json: unknown, name: string): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json) || json < 0) throw new Error(`${name} is no number`);
  return json;
}
