import {
  MacAddress,
  parseIpAddress,
  parseIpPrefix,
  type FdbEntry,
  type InterfaceAddress,
  type IpAddress,
  type KernelEvent,
  type KernelEventGroup,
  type KernelOp,
  type KernelOpResult,
  type KernelSubscription,
  type Link,
  type LinkChange,
  type LinkFeature,
  type Neighbour,
  type Route,
  type RouteSpec,
  type RtNetlink,
} from '@tartan/core';
import type { ErrnoName } from '../errno';
import { deleteAddress, replaceAddress } from './fake-address-ops';
import { FakeEvents } from './fake-events';
import { setFeatures, viewFeatures } from './fake-feature-ops';
import { FakeFailures, type FailureOptions, type FakeRequest, type FakeRequestName } from './fake-failures';
import { changeLink, deleteLink, registerLink, setPlugged, setUp, type PlainLink } from './fake-link-ops';
import { deleteFdb, deleteNeighbour, probeNeighbour, replaceFdb, replaceNeighbour } from './fake-neighbour-ops';
import { FakeNetlink } from './fake-netlink';
import { addRoute, dropRoute, viewRoute } from './fake-route-ops';
import { FakeTables, type FakeLink } from './fake-tables';
import { parseRoute, snapshotOf, type FakeSnapshot } from './fake-text';

export interface FakeLinkSpec extends Omit<PlainLink, 'mac' | 'loopback'> {
  readonly mac?: MacAddress | string;
  /** true unless told. */
  readonly up?: boolean;
  /** Such as '192.168.0.1/24'. */
  readonly addresses?: readonly string[];
}

/**
 * A kernel in memory, for tests: one network namespace with links, addresses, routes, neighbours, FDB and sysctls that behave
 * like the real ones, down to errnos, extended-ack texts and the notifications that the kernel forgets to send (IPv4 routes
 * vanish without one when their link goes down). The same conformance suite runs over it and over real namespaces.
 *
 * It is an RtNetlink itself; `open()` gives further handles on the same state, as a restarted daemon would have. The other
 * methods are the rest of the world: an administrator, another daemon, a cable. They act at once and throw on nonsense.
 */
export class FakeKernel implements RtNetlink {
  /** How often each call was made, and each op of apply() carried out. */
  readonly counts = new Map<FakeRequestName, number>();
  /** Every call and op since the last clearRecord(), in order. */
  readonly requests: FakeRequest[] = [];

  private readonly events = new FakeEvents();
  private readonly failures = new FakeFailures();
  private readonly tables = new FakeTables((event) => this.events.emit(event));
  private readonly own: FakeNetlink;
  private gateShut: { readonly opened: Promise<void>; readonly open: () => void } | undefined;

  /** A fresh kernel has lo, up, with 127.0.0.1/8 and ::1/128, as index 1. */
  constructor() {
    this.own = new FakeNetlink(this.core());
    const loopback = registerLink(this.tables, { name: 'lo', mtuBytes: 65536, loopback: true });
    setUp(this.tables, loopback, true);
    this.addAddress('lo', '127.0.0.1/8');
    this.addAddress('lo', '::1/128');
  }

  /** Another handle on this kernel; closing it leaves the others and the state alone. */
  open(): RtNetlink {
    return new FakeNetlink(this.core());
  }

  // --- Things that go wrong ---

  /** The next `times` (1 unless told) requests of this name fail. */
  failNext(op: FakeRequestName, errno: ErrnoName, options: FailureOptions & { readonly times?: number } = {}): void {
    this.failures.add((request) => request.op === op, options.times ?? 1, errno, options);
  }

  /** Every request that `predicate` accepts fails, until the returned function is called. */
  failWhen(predicate: (request: FakeRequest) => boolean, errno: ErrnoName, options: FailureOptions = {}): () => void {
    return this.failures.add(predicate, Infinity, errno, options);
  }

  /** Takes back every failure that was asked for. */
  clearFailures(): void {
    this.failures.clear();
  }

  /** Undelivered events are lost, as on a receive overrun: subscribers get `resync` instead. */
  loseEvents(): void {
    this.events.lose();
  }

  /** Events wait until releaseEvents(). With loseEvents() between them a whole period goes unseen. */
  holdEvents(): void {
    this.events.hold();
  }

  releaseEvents(): void {
    this.events.release();
  }

  /** Calls of all handles wait until releaseCalls(): for tests of cancellation and of overlapping calls. */
  holdCalls(): void {
    if (this.gateShut) return;
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.gateShut = { opened, open };
  }

  releaseCalls(): void {
    this.gateShut?.open();
    this.gateShut = undefined;
  }

  /** Resolves when every event has been delivered. */
  settled(): Promise<void> {
    return this.events.settled();
  }

  // --- The rest of the world ---

  addLink(spec: FakeLinkSpec): Link {
    const { mac, up = true, addresses = [], ...rest } = spec;
    const link = registerLink(this.tables, {
      addrGenMode: 1,
      ...rest,
      ...(mac === undefined ? {} : { mac: typeof mac === 'string' ? MacAddress.parse(mac) : mac }),
    });
    this.tables.emitLink(link);
    if (up) setUp(this.tables, link, true);
    for (const address of addresses) this.addAddress(link.name, address);
    return this.tables.viewLink(link);
  }

  /** The link of this name as it is now. Throws when there is none. */
  link(name: string): Link {
    return this.tables.viewLink(this.named(name));
  }

  hasLink(name: string): boolean {
    return this.tables.linkNamed(name) !== undefined;
  }

  setLinkUp(name: string): void {
    setUp(this.tables, this.named(name), true);
  }

  setLinkDown(name: string): void {
    setUp(this.tables, this.named(name), false);
  }

  /** Pulls or plugs the cable; the link stays administratively as it is. */
  setCarrier(name: string, carrier: boolean): void {
    setPlugged(this.tables, this.named(name), carrier);
  }

  changeLink(name: string, change: LinkChange): void {
    changeLink(this.tables, this.named(name).index, change);
  }

  /** As `ethtool -K` by somebody else. */
  setFeature(name: string, feature: string, on: boolean): void {
    setFeatures(this.tables, this.named(name).index, { [feature]: on });
  }

  /** `on`, `off`, or undefined where the link has no such feature. */
  feature(name: string, feature: string): 'on' | 'off' | undefined {
    const found = viewFeatures(this.named(name)).get(feature);
    return found && (found.active ? 'on' : 'off');
  }

  removeLink(name: string): void {
    deleteLink(this.tables, this.named(name).index);
  }

  /** Removes the link and makes it again with the same settings and addresses: same name, new index. */
  recreateLink(name: string): Link {
    const old = this.named(name);
    const addresses = this.tables.addressesOf(old.index).map((one) => `${one.address.toString()}/${one.prefixLength}`);
    const { up, mtuBytes, addrGenMode, kind, mac, lowerIndex, vxlan } = old;
    this.removeLink(name);
    return this.addLink({
      name,
      up,
      mtuBytes,
      addrGenMode,
      addresses,
      ...(kind === undefined ? {} : { kind }),
      ...(mac === undefined ? {} : { mac }),
      ...(lowerIndex === undefined ? {} : { lowerIndex }),
      ...(vxlan === undefined ? {} : { vxlan }),
    });
  }

  addAddress(ifname: string, text: string): void {
    replaceAddress(this.tables, { ifindex: this.named(ifname).index, ...interfaceAddress(text) });
  }

  removeAddress(ifname: string, text: string): void {
    deleteAddress(this.tables, { ifindex: this.named(ifname).index, ...interfaceAddress(text) });
  }

  /** As `ip route add` would: '10.5.1.0/24 via 192.168.0.2 dev eth0 proto boot metric 10 onlink'. */
  addRoute(route: string | RouteSpec): void {
    addRoute(this.tables, typeof route === 'string' ? parseRoute(this.tables, route) : route);
  }

  /** Deletes every main-table route to `dst`, or only those that `which` accepts. Returns how many there were. */
  removeRoutes(dst: string, which: (route: Route) => boolean = () => true): number {
    const doomed = this.tables.routes.to(254, parseIpPrefix(dst)).filter(which);
    for (const route of doomed) dropRoute(this.tables, route);
    return doomed.length;
  }

  addNeighbour(ifname: string, address: string, mac: string): void {
    const ifindex = this.named(ifname).index;
    replaceNeighbour(this.tables, { ifindex, address: parseIpAddress(address), mac: MacAddress.parse(mac) });
  }

  removeNeighbour(ifname: string, address: string): void {
    deleteNeighbour(this.tables, { ifindex: this.named(ifname).index, address: parseIpAddress(address) });
  }

  /** From now on nobody answers to this address; or somebody does again. What the kernel knows already stays. */
  setSilent(address: string, silent = true): void {
    if (silent) this.tables.silent.add(parseIpAddress(address).toString());
    else this.tables.silent.delete(parseIpAddress(address).toString());
  }

  /** The kernel finds out about an address, as by a packet to it. */
  probeNeighbour(ifname: string, address: string): void {
    probeNeighbour(this.tables, { ifindex: this.named(ifname).index, address: parseIpAddress(address) });
  }

  addFdb(ifname: string, mac: string, dst: string): void {
    const ifindex = this.named(ifname).index;
    replaceFdb(this.tables, { ifindex, mac: MacAddress.parse(mac), dst: parseIpAddress(dst) });
  }

  removeFdb(ifname: string, mac: string): void {
    deleteFdb(this.tables, { ifindex: this.named(ifname).index, mac: MacAddress.parse(mac) });
  }

  /** Adds or sets a value, whatever the rules of the real /proc/sys. */
  setSysctl(path: string, value: string): void {
    this.tables.sysctls.values.set(path, value);
  }

  sysctl(path: string): string | undefined {
    return this.tables.sysctls.values.get(path);
  }

  // --- What is there ---

  /** Links (without lo), addresses, main-table routes (without the kernel's own), neighbours and FDB as sorted text. */
  snapshot(): FakeSnapshot {
    return snapshotOf(this.tables);
  }

  /** Main-table routes to exactly `dst`, lowest metric first. */
  routesTo(dst: string): Route[] {
    return this.tables.routes.to(254, parseIpPrefix(dst)).map((route) => viewRoute(this.tables, route));
  }

  /** How often `op` was asked for since the last clearRecord(). */
  count(op: FakeRequestName): number {
    return this.counts.get(op) ?? 0;
  }

  /** Ops of apply() only, in order. */
  appliedOps(): KernelOp[] {
    return this.requests.filter(isKernelOp);
  }

  clearRecord(): void {
    this.counts.clear();
    this.requests.length = 0;
  }

  /** Open subscriptions of all handles: lets a test see leaks. */
  get subscriptions(): number {
    return this.events.subscriptions;
  }

  // --- RtNetlink ---

  listLinks(): Promise<Link[]> {
    return this.own.listLinks();
  }

  listLinkFeatures(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    return this.own.listLinkFeatures(ifindex);
  }

  listAddresses(filter?: Parameters<RtNetlink['listAddresses']>[0]): Promise<InterfaceAddress[]> {
    return this.own.listAddresses(filter);
  }

  listRoutes(...query: Parameters<RtNetlink['listRoutes']>): Promise<Route[]> {
    return this.own.listRoutes(...query);
  }

  listNeighbours(...query: Parameters<RtNetlink['listNeighbours']>): Promise<Neighbour[]> {
    return this.own.listNeighbours(...query);
  }

  listFdb(...query: Parameters<RtNetlink['listFdb']>): Promise<FdbEntry[]> {
    return this.own.listFdb(...query);
  }

  lookupRoutes(destinations: readonly IpAddress[]): Promise<(Route | undefined)[]> {
    return this.own.lookupRoutes(destinations);
  }

  apply(ops: readonly KernelOp[]): Promise<KernelOpResult[]> {
    return this.own.apply(ops);
  }

  subscribe(groups: readonly KernelEventGroup[], listener: (event: KernelEvent) => void): KernelSubscription {
    return this.own.subscribe(groups, listener);
  }

  readSysctl(path: string): Promise<string | undefined> {
    return this.own.readSysctl(path);
  }

  writeSysctl(path: string, value: string): Promise<void> {
    return this.own.writeSysctl(path, value);
  }

  close(): void {
    this.own.close();
  }

  private core(): ConstructorParameters<typeof FakeNetlink>[0] {
    return {
      tables: this.tables,
      events: this.events,
      failures: this.failures,
      record: (request) => {
        this.requests.push(request);
        this.counts.set(request.op, (this.counts.get(request.op) ?? 0) + 1);
      },
      gate: () => this.gateShut?.opened ?? Promise.resolve(),
    };
  }

  private named(name: string): FakeLink {
    const link = this.tables.linkNamed(name);
    if (!link) throw new Error(`no fake link is named ${name}`);
    return link;
  }
}

function interfaceAddress(text: string): { address: IpAddress; prefixLength: number } {
  const [address, length] = text.split('/') as [string, string | undefined];
  const parsed = parseIpAddress(address);
  return { address: parsed, prefixLength: length === undefined ? (parsed.family === 4 ? 32 : 128) : Number(length) };
}

const callNames: ReadonlySet<string> = new Set<FakeRequestName>([
  'apply',
  'list-links',
  'list-link-features',
  'list-addresses',
  'list-routes',
  'list-neighbours',
  'list-fdb',
  'lookup-routes',
  'subscribe',
  'read-sysctl',
  'write-sysctl',
]);

function isKernelOp(request: FakeRequest): request is KernelOp {
  return !callNames.has(request.op);
}
