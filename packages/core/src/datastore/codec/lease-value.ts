import { isDeepStrictEqual } from 'node:util';
import { TartanError } from '../../errors';
import { Ipv4Address, Ipv6Address } from '../../ip';
import type { Json, LeaseAttrs, OwnerIdentity } from '../../lease/lease';
import { foldMemberName, goJson, goJsonText } from './go-json';
import { readMembers, type RawMember } from './json-members';
import { accepted, rejected, type Parsed } from './parsed';

/*
 * The value of a lease key (flannel-compat 2.3), shared with flanneld:
 *
 *   {"PublicIP":"192.168.50.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{…},"BackendV6Data":{…},…,"Tartan":{…}}
 *
 * Reading follows Go's decoder: members in any case, the last of several counts, a wrong type spoils the whole value. Writing
 * gives flanneld's bytes for flanneld's members, then members that neither of us knows (somebody put them there, so they stay),
 * then our own `Tartan`, which flanneld ignores. A rewrite starts from the text that stood there before: what did not change in
 * meaning keeps its spelling, so digits beyond 2^53 survive a process whose numbers are doubles.
 */
const OWNER_MEMBER = 'Tartan';
const FLANNEL_MEMBERS = new Set(['publicip', 'publicipv6', 'backendtype', 'backenddata', 'backendv6data']);
const MAPPED_PREFIX = 0xffffn;

interface Draft {
  publicIP: Ipv4Address;
  publicIPv6: Ipv6Address | null;
  backendType: string;
  backendData?: Json;
  backendV6Data?: Json;
  owner?: OwnerIdentity;
}

/** What a value says. */
export function decodeLeaseValue(text: string): Parsed<LeaseAttrs> {
  const members = readMembers(text);
  if (!members.ok) return rejected(`the value is ${members.reason}`);
  const draft: Draft = { publicIP: Ipv4Address.fromNumber(0), publicIPv6: null, backendType: '' };
  const extra = new Map<string, Json>();
  for (const member of members.value) {
    const reason = readMember(member, draft, extra);
    if (reason !== null) return rejected(reason);
  }
  return accepted(extra.size === 0 ? draft : { ...draft, extra: Object.fromEntries(extra) });
}

/** Takes one member over; returns why it cannot be taken, else null. */
function readMember({ name, text }: RawMember, draft: Draft, extra: Map<string, Json>): string | null {
  switch (foldMemberName(name)) {
    case 'publicip':
      return readInto(`${name} is ${text}, not an IPv4 address`, () => (draft.publicIP = parseGoIpv4(unquote(text))));
    case 'publicipv6':
      if (text === 'null') draft.publicIPv6 = null;
      else
        return readInto(
          `${name} is ${text}, not an IPv6 address`,
          () => (draft.publicIPv6 = parseGoIpv6(unquote(text))),
        );
      return null;
    case 'backendtype':
      if (text.startsWith('"')) draft.backendType = JSON.parse(text) as string;
      else if (text !== 'null') return `${name} is ${text}, not a string`;
      return null;
    case 'backenddata':
      draft.backendData = JSON.parse(text) as Json;
      return null;
    case 'backendv6data':
      draft.backendV6Data = JSON.parse(text) as Json;
      return null;
    default:
      readForeign(name, JSON.parse(text) as Json, draft, extra);
      return null;
  }
}

function readForeign(name: string, value: Json, draft: Draft, extra: Map<string, Json>): void {
  const owner = name === OWNER_MEMBER ? readOwner(value) : undefined;
  if (owner) draft.owner = owner;
  else extra.set(name, value);
}

function readInto(complaint: string, read: () => unknown): string | null {
  try {
    read();
    return null;
  } catch {
    return complaint;
  }
}

/** Go's address types drop the quotes and parse what is between them, without undoing JSON escapes. */
function unquote(text: string): string {
  return text.replace(/^"+|"+$/g, '');
}

/** As net.ParseIP(text).To4(): dotted, or IPv6 text of a v4-mapped address. */
function parseGoIpv4(text: string): Ipv4Address {
  if (!text.includes(':')) return Ipv4Address.parse(text);
  const { value } = Ipv6Address.parse(text);
  if (value >> 32n !== MAPPED_PREFIX) throw new RangeError('not v4-mapped');
  return Ipv4Address.fromNumber(Number(value & 0xffff_ffffn));
}

/** As net.ParseIP(text).To16(): dotted text becomes a v4-mapped address. */
function parseGoIpv6(text: string): Ipv6Address {
  if (text.includes(':')) return Ipv6Address.parse(text);
  return Ipv6Address.fromBigInt((MAPPED_PREFIX << 32n) | BigInt(Ipv4Address.parse(text).value));
}

function readOwner(value: Json): OwnerIdentity | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { Node: node, Machine: machine } = value;
  if (typeof node !== 'string') return undefined;
  return typeof machine === 'string' ? { node, machine } : { node };
}

/**
 * The value for `attrs`. `previous` is the text that it replaces: its unknown members stay unless `attrs.extra` states its own
 * set of them. Throws DATASTORE_UNWRITABLE, naming `key`, when flanneld could not read the result.
 */
export function encodeLeaseValue(key: string, attrs: LeaseAttrs, previous?: string): string {
  const before = new Map(readPrevious(previous).map((member) => [member.name, member.text]));
  const parts = [
    `"PublicIP":${goJson(attrs.publicIP.toString())}`,
    `"PublicIPv6":${attrs.publicIPv6 ? goJson(goIpv6Text(attrs.publicIPv6)) : 'null'}`,
  ];
  if (attrs.backendType !== '') parts.push(`"BackendType":${goJson(attrs.backendType)}`);
  const add = (name: string, value: Json | undefined): void => {
    if (value !== undefined) parts.push(`${goJson(name)}:${spell(value, before.get(name))}`);
  };
  add('BackendData', attrs.backendData);
  add('BackendV6Data', attrs.backendV6Data);
  for (const [name, value] of extraMembers(key, attrs, before)) add(name, value);
  if (attrs.owner) add(OWNER_MEMBER, ownerJson(attrs.owner));
  return verified(key, `{${parts.join(',')}}`);
}

function readPrevious(previous: string | undefined): readonly RawMember[] {
  const members = previous === undefined ? null : readMembers(previous);
  return members?.ok === true ? members.value : [];
}

/** The old spelling where it means the same. */
function spell(value: Json, before: string | undefined): string {
  return before !== undefined && isDeepStrictEqual(JSON.parse(before), value) ? goJsonText(before) : goJson(value);
}

function extraMembers(key: string, attrs: LeaseAttrs, before: ReadonlyMap<string, string>): [string, Json][] {
  const kept = (name: string): boolean => attrs.owner === undefined || name !== OWNER_MEMBER;
  if (attrs.extra) {
    const bad = Object.keys(attrs.extra).find((name) => FLANNEL_MEMBERS.has(foldMemberName(name)));
    if (bad !== undefined) unwritable(key, `the extra member "${bad}" would be read as one of flannel's`);
  }
  const order = [...before.keys()].filter((name) => !FLANNEL_MEMBERS.has(foldMemberName(name)));
  const extra = new Map(Object.entries(attrs.extra ?? readExtra(order, before)));
  const names = [...order.filter((name) => extra.has(name)), ...[...extra.keys()].filter((name) => !before.has(name))];
  return names.filter(kept).map((name) => [name, extra.get(name) as Json]);
}

/** Unknown members of the old text, but not an owner that `attrs` takes away. */
function readExtra(names: readonly string[], before: ReadonlyMap<string, string>): Record<string, Json> {
  const values = names.map((name): [string, Json] => [name, JSON.parse(before.get(name) as string) as Json]);
  return Object.fromEntries(values.filter(([name, value]) => name !== OWNER_MEMBER || !readOwner(value)));
}

function ownerJson(owner: OwnerIdentity): Json {
  return owner.machine === undefined ? { Node: owner.node } : { Node: owner.node, Machine: owner.machine };
}

/** Go prints v4-mapped addresses as IPv4; everything else is RFC 5952. */
function goIpv6Text(address: Ipv6Address): string {
  if (address.value >> 32n !== MAPPED_PREFIX) return address.toString();
  return Ipv4Address.fromNumber(Number(address.value & 0xffff_ffffn)).toString();
}

function verified(key: string, text: string): string {
  const back = decodeLeaseValue(text);
  if (!back.ok) unwritable(key, back.reason);
  return text;
}

function unwritable(key: string, reason: string): never {
  throw new TartanError('DATASTORE_UNWRITABLE', { key, reason });
}
