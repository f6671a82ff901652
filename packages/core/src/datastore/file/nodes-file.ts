/**
 * The static nodes file: one JSON document, the same on every host, in which an administrator assigns subnets.
 *
 *   { "network": { "Network": "10.5.0.0/16", "Backend": { "Type": "host-gw" } },
 *     "nodes": [ { "name": "a", "publicIP": "192.168.50.1", "subnet": "10.5.1.0/24" }, … ] }
 *
 * `network` is the network config of the original, kept as text. Names match in any case. A node that does not make sense is
 * left out with a reason and the others stand, two that overlap included: the first one counts. A document that does not parse is no answer at all.
 */
import { readFile, stat } from 'node:fs/promises';
import { nearestName } from '../../config/nearest-name';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../../ip';
import { leaseKey, type Json, type LeaseAttrs, type LeaseSubnets } from '../../lease/lease';
import { encodeLeaseValue, foldMemberName, formatLeaseKey, goJsonText, readMembers } from '../codec';
import type { Clock } from '../../runtime';
import type { Scan, ScannedEntry, ScanSource } from './scan';
import { SettledCache } from './settled-cache';
import { UnusableContent } from './unusable-content';

const NODE_MEMBERS = [
  'name',
  'publicIP',
  'publicIPv6',
  'subnet',
  'ipv6Subnet',
  'backendType',
  'backendData',
  'backendV6Data',
] as const;
type NodeMember = (typeof NODE_MEMBERS)[number];

/** Backends whose leases carry no type (flannel-compat 0.4); udp is what an absent backend means. */
const TYPELESS = new Set(['udp', 'alloc', 'tencent-vpc']);
const DEFAULT_BACKEND = 'udp';

/** An editor that writes in place needs a moment. */
const REREADS = 5;
const REREAD_PAUSE_MS = 50;

export class NodesFile implements ScanSource {
  private readonly cache: SettledCache<Scan>;

  constructor(
    readonly path: string,
    private readonly clock: Clock,
  ) {
    this.cache = new SettledCache(clock);
  }

  async scan(): Promise<Scan> {
    for (let reads = 1; ; reads++) {
      try {
        const stats = await stat(this.path, { bigint: true });
        return await this.cache.get(this.path, stats, async () => parse(await readFile(this.path, 'utf8')));
      } catch (error) {
        if (reads >= REREADS || (error as { code?: unknown }).code !== undefined) throw error;
        await this.clock.sleep(REREAD_PAUSE_MS);
      }
    }
  }
}

function parse(text: string): Scan {
  try {
    return parseNodesFile(text);
  } catch (error) {
    throw new UnusableContent((error as Error).message, { cause: error });
  }
}

/** Throws Error with a one-line reason when the document as a whole cannot be used. */
export function parseNodesFile(text: string): Scan {
  const members = membersOf(text, 'the file is');
  const config = members.get('network') ?? null;
  const nodes = members.get('nodes') ?? '[]';
  if (config !== null) membersOf(config, '"network" is');
  const list = JSON.parse(nodes) as Json;
  if (!Array.isArray(list)) throw new Error('"nodes" is not a list');
  const defaultType = backendTypeOf(config);
  const entries = new Map<string, ScannedEntry>();
  for (const [index, node] of list.entries()) addNode(entries, node, index, defaultType);
  return { config, entries };
}

function membersOf(text: string, what: string): Map<string, string> {
  const members = readMembers(text);
  if (!members.ok) throw new Error(`${what} ${members.reason}`);
  return new Map(members.value.map(({ name, text: value }) => [foldMemberName(name), value]));
}

/** The type that nodes publish when they state none. */
function backendTypeOf(config: string | null): string {
  const backend = config === null ? undefined : membersOf(config, '"network" is').get('backend');
  const type = backend === undefined ? DEFAULT_BACKEND : memberText(backend, 'type');
  return TYPELESS.has(type) ? '' : type;
}

function memberText(object: string, name: string): string {
  const members = readMembers(object);
  const text = members.ok ? members.value.findLast((member) => foldMemberName(member.name) === name)?.text : undefined;
  const value = text === undefined ? '' : (JSON.parse(text) as Json);
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function addNode(entries: Map<string, ScannedEntry>, node: Json, index: number, defaultType: string): void {
  const identity = JSON.stringify([defaultType, node]);
  let key = `nodes[${index}]`;
  try {
    const members = nodeMembers(node);
    const subnets = subnetsOf(members);
    key = leaseKey(subnets);
    const attrs = attrsOf(members, defaultType);
    const rival = rivalOf(entries, subnets, attrs);
    if (rival !== null) {
      key = `nodes[${index}]`;
      throw new Error(`node "${attrs.owner?.node ?? ''}" has the same ${rival}`);
    }
    formatLeaseKey(subnets);
    encodeLeaseValue(key, attrs);
    entries.set(key, { kind: 'lease', identity, ...subnets, attrs, createRevision: 1n, reservation: true });
  } catch (error) {
    entries.set(key, { kind: 'skipped', identity, reason: (error as Error).message });
  }
}

function nodeMembers(node: Json): Map<NodeMember, Json> {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) throw new Error('the node is not an object');
  const byFold = new Map(NODE_MEMBERS.map((name) => [foldMemberName(name), name]));
  const members = new Map<NodeMember, Json>();
  for (const [name, value] of Object.entries(node)) {
    const known = byFold.get(foldMemberName(name));
    const nearest = known ? undefined : nearestName(name, NODE_MEMBERS);
    if (!known)
      throw new Error(`unknown member "${name}"${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`);
    members.set(known, value);
  }
  return members;
}

function subnetsOf(members: ReadonlyMap<NodeMember, Json>): LeaseSubnets {
  const subnet = optional(members, 'subnet', (text) => Ipv4Prefix.parse(text));
  const ipv6Subnet = optional(members, 'ipv6Subnet', (text) => Ipv6Prefix.parse(text));
  if (!subnet && !ipv6Subnet) throw new Error('the node has neither "subnet" nor "ipv6Subnet"');
  return { subnet, ipv6Subnet };
}

function attrsOf(members: ReadonlyMap<NodeMember, Json>, defaultType: string): LeaseAttrs {
  const name = optional(members, 'name', (text) => text);
  const publicIP = optional(members, 'publicIP', (text) => Ipv4Address.parse(text));
  const publicIPv6 = optional(members, 'publicIPv6', (text) => Ipv6Address.parse(text));
  if (name === null || name === '') throw new Error('the node has no "name"');
  if (!publicIP && !publicIPv6) throw new Error('the node has neither "publicIP" nor "publicIPv6"');
  const backendData = members.get('backendData');
  const backendV6Data = members.get('backendV6Data');
  return {
    publicIP: publicIP ?? Ipv4Address.fromNumber(0),
    publicIPv6,
    backendType: optional(members, 'backendType', (text) => text) ?? defaultType,
    ...(backendData !== undefined && { backendData }),
    ...(backendV6Data !== undefined && { backendV6Data }),
    owner: { node: name },
  };
}

function optional<Value>(
  members: ReadonlyMap<NodeMember, Json>,
  name: NodeMember,
  parse: (text: string) => Value,
): Value | null {
  const value = members.get(name) ?? null;
  if (value === null) return null;
  if (typeof value !== 'string') throw new Error(`"${name}" is ${goJsonText(JSON.stringify(value))}, expected text`);
  return parse(value);
}

/** What an earlier node already has; null when the place, the name and the addresses are free. */
function rivalOf(entries: ReadonlyMap<string, ScannedEntry>, subnets: LeaseSubnets, attrs: LeaseAttrs): string | null {
  for (const entry of entries.values()) {
    if (entry.kind !== 'lease') continue;
    const other = entry.attrs.owner?.node ?? '';
    const of = (what: string): string => `${what} as node "${other}"`;
    if (attrs.owner?.node === other) return of('name');
    if (subnets.subnet && entry.subnet?.overlaps(subnets.subnet)) return of('subnet, or part of it,');
    if (subnets.ipv6Subnet && entry.ipv6Subnet?.overlaps(subnets.ipv6Subnet)) return of('IPv6 subnet, or part of it,');
    if (!attrs.publicIP.isUnspecified && entry.attrs.publicIP.equals(attrs.publicIP)) return of('public address');
    if (attrs.publicIPv6 && entry.attrs.publicIPv6?.equals(attrs.publicIPv6)) return of('public IPv6 address');
  }
  return null;
}
