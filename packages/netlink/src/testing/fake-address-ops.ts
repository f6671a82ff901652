import {
  Ipv6Address,
  ROUTE_PROTOCOL,
  ROUTE_SCOPE,
  ROUTE_TABLE,
  hostPrefix,
  type InterfaceAddress,
  type InterfaceAddressSpec,
  type MacAddress,
  type Route,
} from '@tartan/core';
import { prefixOf } from './fake-route-table';
import { Refusal, type FakeLink, type FakeTables } from './fake-tables';
import { dropRoute, flushIpv4Routes, putRoute } from './fake-route-ops';

/** RTM_NEWADDR with NLM_F_CREATE | NLM_F_REPLACE. */
export function replaceAddress(tables: FakeTables, spec: InterfaceAddressSpec): void {
  const link = tables.link(spec.ifindex);
  if (spec.prefixLength > (spec.address.family === 4 ? 32 : 128)) throw new Refusal('EINVAL', 'Invalid prefix length');
  const entry: InterfaceAddress = {
    ifindex: link.index,
    address: spec.address,
    prefixLength: spec.prefixLength,
    scope: spec.scope ?? (spec.address.isLoopback ? ROUTE_SCOPE.host : defaultScope(spec)),
    permanent: true,
    temporary: false,
    deprecated: false,
    tentative: false,
    dadFailed: false,
    ...(spec.address.family === 4 ? { label: link.name } : {}),
  };
  const place = tables.addresses.findIndex((other) => sameAddress(other, spec));
  if (place === -1) tables.addresses.push(entry);
  else tables.addresses[place] = entry;
  tables.emit({ type: 'address', action: 'new', address: entry });
  if (place === -1) addRoutesOf(tables, link, entry);
}

/** RTM_DELADDR. Deleting the first IPv4 address of a subnet takes the others with it (promote_secondaries is 0). */
export function deleteAddress(tables: FakeTables, spec: InterfaceAddressSpec): void {
  tables.link(spec.ifindex);
  const entry = tables.addresses.find((other) => sameAddress(other, spec));
  if (!entry) throw new Refusal('EADDRNOTAVAIL', `${spec.address.family === 4 ? 'ipv4' : 'ipv6'}: Address not found`);
  if (entry.address.family === 4 && !isSecondary(tables, entry)) {
    for (const secondary of sameSubnet(tables, entry).filter((other) => other !== entry))
      removeEntry(tables, secondary);
  }
  removeEntry(tables, entry);
  if (entry.address.family === 4 && tables.addressesOf(entry.ifindex, 4).length === 0) {
    flushIpv4Routes(tables, (route) => route.oif === entry.ifindex);
  }
}

/** Takes one address off without a check: the link goes away, or lost its IPv6 addresses by going down. */
export function removeEntry(tables: FakeTables, entry: InterfaceAddress): void {
  const last = !tables.addresses.some((other) => other !== entry && other.address.equals(entry.address));
  tables.addresses.splice(tables.addresses.indexOf(entry), 1);
  tables.emit({ type: 'address', action: 'del', address: entry });
  const own = [...tables.routes.all()].filter((route) => belongsTo(tables, route, entry));
  for (const route of own) dropRoute(tables, route);
  if (last) flushIpv4Routes(tables, (route) => route.prefSrc?.equals(entry.address) ?? false);
}

/** The routes that the kernel makes by itself: the address in table local, its subnet in main while the link is up. */
export function addRoutesOf(tables: FakeTables, link: FakeLink, entry: InterfaceAddress): void {
  const { address } = entry;
  const local = { ...kernelRoute(link.index), type: 'local' as const, scope: ROUTE_SCOPE.host };
  const localRoute: Route = {
    ...local,
    dst: hostPrefix(address),
    table: ROUTE_TABLE.local,
    ...(address.family === 4 ? { prefSrc: address } : { scope: ROUTE_SCOPE.universe }),
  };
  if ((address.family === 4 || link.up) && !hasKernelRoute(tables, localRoute)) putRoute(tables, localRoute);
  const connected = connectedRoute(tables, link, entry);
  if (connected && !hasKernelRoute(tables, connected)) putRoute(tables, connected);
}

/** addrconf adds fe80::/64 with an EUI-64 address when a link comes up and its addr_gen_mode is 0. */
export function addLinkLocal(tables: FakeTables, link: FakeLink): void {
  if (link.addrGenMode !== 0 || link.loopback || !link.mac) return;
  if (tables.addressesOf(link.index, 6).some((entry) => entry.address.isLinkLocal)) return;
  replaceAddress(tables, { ifindex: link.index, address: eui64(link.mac), prefixLength: 64 });
}

function connectedRoute(tables: FakeTables, link: FakeLink, entry: InterfaceAddress): Route | undefined {
  const { address, prefixLength } = entry;
  if (!link.up || link.loopback) return undefined;
  const base = { ...kernelRoute(link.index), dst: prefixOf(address, prefixLength), table: ROUTE_TABLE.main };
  if (address.family === 6) return { ...base, metric: 256 };
  if (prefixLength === 32 || isSecondary(tables, entry)) return undefined;
  return { ...base, scope: ROUTE_SCOPE.link, prefSrc: address };
}

function kernelRoute(oif: number): Omit<Route, 'dst' | 'table'> {
  return {
    protocol: ROUTE_PROTOCOL.kernel,
    scope: ROUTE_SCOPE.universe,
    type: 'unicast',
    metric: 0,
    tos: 0,
    oif,
    onlink: false,
    dead: false,
  };
}

function hasKernelRoute(tables: FakeTables, wanted: Route): boolean {
  return tables.routes.to(wanted.table, wanted.dst).some((route) => route.oif === wanted.oif && isKernels(route));
}

function belongsTo(tables: FakeTables, route: Route, entry: InterfaceAddress): boolean {
  if (!isKernels(route) || route.oif !== entry.ifindex) return false;
  if (route.table === ROUTE_TABLE.local) return route.dst.equals(hostPrefix(entry.address));
  if (!route.dst.equals(prefixOf(entry.address, entry.prefixLength))) return false;
  // Another address in the same subnet keeps the IPv6 route; the IPv4 one goes with the address that it names as source.
  return entry.address.family === 4
    ? (route.prefSrc?.equals(entry.address) ?? false)
    : sameSubnet(tables, entry).length === 0;
}

function isKernels(route: Route): boolean {
  return route.protocol === ROUTE_PROTOCOL.kernel;
}

function sameAddress(entry: InterfaceAddress, spec: InterfaceAddressSpec): boolean {
  return (
    entry.ifindex === spec.ifindex && entry.prefixLength === spec.prefixLength && entry.address.equals(spec.address)
  );
}

function sameSubnet(tables: FakeTables, entry: InterfaceAddress): InterfaceAddress[] {
  const subnet = prefixOf(entry.address, entry.prefixLength);
  return tables
    .addressesOf(entry.ifindex, entry.address.family)
    .filter((other) => other.prefixLength === entry.prefixLength && subnet.contains(other.address));
}

function isSecondary(tables: FakeTables, entry: InterfaceAddress): boolean {
  const first = sameSubnet(tables, entry)[0];
  return first !== undefined && first !== entry;
}

function defaultScope(spec: InterfaceAddressSpec): number {
  return spec.address.family === 6 && spec.address.isLinkLocal ? ROUTE_SCOPE.link : ROUTE_SCOPE.universe;
}

/** RFC 4291, appendix A: fffe between the halves of the MAC address, universal bit flipped. */
function eui64(mac: MacAddress): Ipv6Address {
  const bytes = mac.toBytes();
  const head = Buffer.from('fe80000000000000', 'hex');
  const first = (bytes[0] as number) ^ 0x02;
  return Ipv6Address.fromBytes(
    Buffer.concat([head, Buffer.from([first]), bytes.subarray(1, 3), Buffer.from('fffe', 'hex'), bytes.subarray(3)]),
  );
}
