import { MacAddress, type LinkChange, type LinkSpec, type VxlanChange, type VxlanData } from '@tartan/core';
import { addLinkLocal, addRoutesOf, removeEntry } from './fake-address-ops';
import { initialFeatures } from './fake-feature-ops';
import { flushFdb, flushNeighbours } from './fake-neighbour-ops';
import { dropRoute, flushIpv4Routes } from './fake-route-ops';
import { Refusal, type FakeLink, type FakeTables } from './fake-tables';

/** IFNAMSIZ - 1. */
const NAME_MAX = 15;

export interface PlainLink {
  readonly name: string;
  readonly kind?: string;
  readonly mtuBytes?: number;
  readonly mac?: MacAddress;
  readonly addrGenMode?: number;
  readonly loopback?: boolean;
  readonly pointToPoint?: boolean;
  readonly masterIndex?: number;
  readonly lowerIndex?: number;
  readonly vxlan?: FakeLink['vxlan'];
}

/** Puts a link, down, into the tables. Throws EEXIST and EINVAL like register_netdevice(). */
export function registerLink(tables: FakeTables, spec: PlainLink): FakeLink {
  if (spec.name.length === 0 || spec.name.length > NAME_MAX || /[/\s:]/.test(spec.name)) throw new Refusal('EINVAL');
  if (tables.linkNamed(spec.name)) throw new Refusal('EEXIST');
  const index = tables.nextIndex();
  const link: FakeLink = {
    index,
    name: spec.name,
    kind: spec.kind,
    mtuBytes: spec.mtuBytes ?? 1500,
    mac: spec.loopback || spec.pointToPoint ? spec.mac : (spec.mac ?? inventedMac(index)),
    up: false,
    plugged: true,
    loopback: spec.loopback ?? false,
    pointToPoint: spec.pointToPoint ?? false,
    masterIndex: spec.masterIndex,
    lowerIndex: spec.lowerIndex,
    addrGenMode: spec.addrGenMode ?? 0,
    vxlan: spec.vxlan,
    features: initialFeatures(spec.loopback ?? false),
  };
  tables.links.set(index, link);
  tables.sysctls.addDevice(link.name);
  return link;
}

/** RTM_NEWLINK with NLM_F_CREATE | NLM_F_EXCL. */
export function createLink(tables: FakeTables, spec: LinkSpec): void {
  if (spec.masterIndex !== undefined) tables.link(spec.masterIndex);
  if (tables.linkNamed(spec.name)) throw new Refusal('EEXIST');
  const shared = pick(spec);
  let link: FakeLink;
  if (spec.kind === 'vxlan') link = createVxlan(tables, spec, shared);
  else if (spec.kind === 'veth') link = createVeth(tables, spec, shared);
  else link = registerLink(tables, shared);
  tables.emitLink(link);
  if (spec.up) setUp(tables, link, true);
}

/** RTM_NEWLINK for a link that exists: what can be refused is looked at first, then everything is set. */
export function changeLink(tables: FakeTables, ifindex: number, change: LinkChange): void {
  const link = tables.link(ifindex);
  if (change.name !== undefined && change.name !== link.name) rename(tables, link, change.name);
  if (change.vxlan !== undefined) changeVxlan(tables, link, change.vxlan);
  if (change.mtuBytes !== undefined) {
    checkMtu(tables, link, change.mtuBytes);
    link.mtuBytes = change.mtuBytes;
  }
  if (change.mac !== undefined) link.mac = change.mac;
  if (change.addrGenMode !== undefined) link.addrGenMode = change.addrGenMode;
  if (change.masterIndex !== undefined) {
    if (change.masterIndex !== 0) tables.link(change.masterIndex);
    link.masterIndex = change.masterIndex === 0 ? undefined : change.masterIndex;
  }
  if (change.up === undefined || change.up === link.up) tables.emitLink(link);
  else setUp(tables, link, change.up);
}

/** RTM_DELLINK: takes the veth peer and the tunnels on top of the link along. */
export function deleteLink(tables: FakeTables, ifindex: number): void {
  const link = tables.link(ifindex);
  if (link.loopback) throw new Refusal('EOPNOTSUPP');
  unregister(tables, link);
}

export function setUp(tables: FakeTables, link: FakeLink, up: boolean): void {
  if (link.up === up) return;
  withCarrierEvents(tables, link, () => {
    link.up = up;
  });
  if (up) {
    for (const entry of tables.addressesOf(link.index)) addRoutesOf(tables, link, entry);
    addLinkLocal(tables, link);
  } else goneDown(tables, link);
}

export function setPlugged(tables: FakeTables, link: FakeLink, plugged: boolean): void {
  withCarrierEvents(tables, link, () => {
    link.plugged = plugged;
  });
}

/** A change of one link can give or take carrier at its veth peer and its bridge. */
function withCarrierEvents(tables: FakeTables, link: FakeLink, change: () => void): void {
  const related = [link.kind === 'veth' ? link.lowerIndex : undefined, link.masterIndex]
    .map((index) => (index === undefined ? undefined : tables.links.get(index)))
    .filter((other) => other !== undefined)
    .map((other) => ({ other, carrier: tables.hasCarrier(other) }));
  change();
  tables.emitLink(link);
  for (const { other, carrier } of related) if (tables.hasCarrier(other) !== carrier) tables.emitLink(other);
}

function goneDown(tables: FakeTables, link: FakeLink): void {
  flushNeighbours(tables, link.index);
  flushIpv4Routes(tables, (route) => route.oif === link.index);
  for (const route of [...tables.routes.all()]) {
    if (route.dst.family === 6 && route.oif === link.index && !link.loopback) dropRoute(tables, route);
  }
  for (const entry of tables.addressesOf(link.index, 6)) if (!link.loopback) removeEntry(tables, entry);
}

function unregister(tables: FakeTables, link: FakeLink): void {
  if (!tables.links.has(link.index)) return;
  for (const other of [...tables.links.values()]) {
    if (other.lowerIndex === link.index && other.kind === 'vxlan') unregister(tables, other);
    if (other.masterIndex === link.index) other.masterIndex = undefined;
  }
  if (link.up) setUp(tables, link, false);
  goneDown(tables, link);
  for (const entry of tables.addressesOf(link.index)) removeEntry(tables, entry);
  flushFdb(tables, link.index);
  const peer = link.kind === 'veth' && link.lowerIndex !== undefined ? tables.links.get(link.lowerIndex) : undefined;
  tables.links.delete(link.index);
  tables.sysctls.removeDevice(link.name);
  tables.emitLink(link, 'del');
  if (peer) unregister(tables, peer);
}

function rename(tables: FakeTables, link: FakeLink, name: string): void {
  if (tables.linkNamed(name)) throw new Refusal('EEXIST');
  if (name.length > NAME_MAX || name.length === 0) throw new Refusal('EINVAL');
  tables.sysctls.removeDevice(link.name);
  link.name = name;
  tables.sysctls.addDevice(name);
}

function createVxlan(tables: FakeTables, spec: LinkSpec, shared: PlainLink): FakeLink {
  const { vxlan } = spec;
  if (!vxlan) throw new Refusal('EINVAL');
  if (vxlan.lowerIndex !== undefined && !tables.links.has(vxlan.lowerIndex)) {
    throw new Refusal('ENODEV', 'Invalid local interface, device not found');
  }
  for (const other of tables.links.values()) {
    if (
      other.vxlan?.vni === vxlan.vni &&
      other.vxlan.port === vxlan.port &&
      familyOf(other.vxlan) === familyOf(vxlan)
    ) {
      throw new Refusal('EEXIST', 'A VXLAN device with the specified VNI already exists');
    }
  }
  const limit = vxlanMtuLimit(tables, vxlan);
  return registerLink(tables, {
    ...shared,
    vxlan,
    mtuBytes: Math.min(spec.mtuBytes ?? limit ?? 1500, limit ?? 65535),
    ...(vxlan.lowerIndex === undefined ? {} : { lowerIndex: vxlan.lowerIndex }),
  });
}

/** vxlan_changelink(). */
function changeVxlan(tables: FakeTables, link: FakeLink, change: VxlanChange): void {
  if (!link.vxlan) throw new Refusal('EOPNOTSUPP');
  if (change.local && change.local.family !== familyOf(link.vxlan)) {
    throw new Refusal('EOPNOTSUPP', 'New local address family does not match old');
  }
  if (change.lowerIndex !== undefined && !tables.links.has(change.lowerIndex)) {
    throw new Refusal('ENODEV', 'Invalid local interface, device not found');
  }
  link.vxlan = { ...link.vxlan, ...change };
  if (change.lowerIndex !== undefined) link.lowerIndex = change.lowerIndex;
  link.mtuBytes = Math.min(link.mtuBytes, vxlanMtuLimit(tables, link.vxlan) ?? link.mtuBytes);
}

/** A device without local address is an IPv4 one. */
function familyOf({ local }: VxlanData): 4 | 6 {
  return local?.family ?? 4;
}

function createVeth(tables: FakeTables, spec: LinkSpec, shared: PlainLink): FakeLink {
  const peerName = spec.peerName ?? freeName(tables, 'veth');
  if (peerName === spec.name || tables.linkNamed(peerName)) throw new Refusal('EEXIST');
  const peer = registerLink(tables, { name: peerName, kind: 'veth' });
  const link = registerLink(tables, { ...shared, lowerIndex: peer.index });
  peer.lowerIndex = link.index;
  tables.emitLink(peer);
  return link;
}

/** 20 + 8 + 8 + 14 over IPv4, 40 + 8 + 8 + 14 over IPv6: drivers/net/vxlan, VXLAN_HEADROOM and VXLAN6_HEADROOM. */
function vxlanMtuLimit(tables: FakeTables, vxlan: NonNullable<LinkSpec['vxlan']>): number | undefined {
  const lower = vxlan.lowerIndex === undefined ? undefined : tables.links.get(vxlan.lowerIndex);
  return lower && lower.mtuBytes - (vxlan.local?.family === 6 ? 70 : 50);
}

function checkMtu(tables: FakeTables, link: FakeLink, mtuBytes: number): void {
  if (mtuBytes < 68) throw new Refusal('EINVAL', 'mtu less than device minimum');
  if (mtuBytes > 65535 && !link.loopback) throw new Refusal('EINVAL', 'mtu greater than device maximum');
  const limit = link.vxlan && vxlanMtuLimit(tables, link.vxlan);
  if (limit !== undefined && mtuBytes > limit) throw new Refusal('EINVAL');
}

function pick(spec: LinkSpec): PlainLink {
  const { name, kind, mtuBytes, mac, addrGenMode, masterIndex } = spec;
  return {
    name,
    kind,
    ...(mtuBytes === undefined ? {} : { mtuBytes }),
    ...(mac === undefined ? {} : { mac }),
    ...(addrGenMode === undefined ? {} : { addrGenMode }),
    ...(masterIndex === undefined ? {} : { masterIndex }),
  };
}

function freeName(tables: FakeTables, stem: string): string {
  let number = 0;
  while (tables.linkNamed(`${stem}${number}`)) number++;
  return `${stem}${number}`;
}

/** Locally administered, different for each link, the same on every run. */
function inventedMac(index: number): MacAddress {
  return MacAddress.fromBytes(Uint8Array.from([0x02, 0xfa, 0xce, 0, index >> 8, index & 0xff]));
}
