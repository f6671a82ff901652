import {
  ROUTE_TABLE,
  type Clock,
  type DumpSieve,
  type FdbEntry,
  type InterfaceAddress,
  type IpAddress,
  type IpFamily,
  type KernelEvent,
  type KernelEventGroup,
  type KernelOp,
  type KernelOpResult,
  type KernelSubscription,
  type Link,
  type LinkFeature,
  type Logger,
  type Neighbour,
  type Random,
  type Route,
  type RouteFilter,
  type RtNetlink,
} from '@tartan/core';
import { applyInOrder } from './apply-in-order';
import { decodeAddress, encodeAddressDump } from './codec/address-codec';
import { RTM } from './codec/constants';
import { decodeLink, encodeLinkDump } from './codec/link-codec';
import { decodeFdb, decodeNeighbour, encodeNeighbourDump } from './codec/neighbour-codec';
import { decodeRoute } from './codec/route-codec';
import { encodeRouteDump } from './codec/route-requests';
import { Connection } from './connection';
import { dump, type DumpRequest } from './dump';
import { errnoNumber, kernelSocket } from './errno';
import { Ethtool } from './ethtool';
import { IoctlFeatures, type FeatureIoctl } from './feature-ioctl';
import { LinkFeatures, type FeatureInterface } from './link-features';
import { lookupRoutes } from './lookup';
import { Subscription } from './subscription';
import type { Sysctls } from './sysctl';
import { NETLINK_PROTOCOL, type Transport } from './transport/transport';

export interface KernelNetlinkOptions {
  readonly transport: Transport;
  readonly sysctls: Sysctls;
  /** Absent: features over netlink only. */
  readonly featureIoctl?: FeatureIoctl | undefined;
  /** `auto` unless told. */
  readonly featureInterface?: FeatureInterface;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timeoutMs: number;
}

interface DeviceFilter {
  readonly family?: IpFamily;
  readonly ifindex?: number;
}

/** Filters that the kernel cannot find (ENODEV, ENOENT) and families it does not have fit nothing. */
const emptyOn = new Set((['ENODEV', 'ENOENT', 'EAFNOSUPPORT', 'EOPNOTSUPP'] as const).map(errnoNumber));

/**
 * The contract over AF_NETLINK sockets: one for changes and lookups, one for dumps, so that a long dump does not hold up a
 * change, one for device features, and one per subscription. Sockets are opened when first needed and again after a failure.
 */
export class KernelNetlink implements RtNetlink {
  private readonly requests: Connection;
  private readonly dumps: Connection;
  private readonly generic: Connection;
  private readonly features: LinkFeatures;
  private readonly subscriptions = new Set<Subscription>();
  private closed = false;

  constructor(private readonly options: KernelNetlinkOptions) {
    this.requests = new Connection(options);
    this.dumps = new Connection(options);
    this.generic = new Connection({ ...options, protocol: NETLINK_PROTOCOL.generic });
    const { featureIoctl, featureInterface = 'auto' } = options;
    this.features = new LinkFeatures({
      choice: featureInterface,
      ethtool: new Ethtool(this.generic),
      ioctl: featureIoctl && new IoctlFeatures(featureIoctl),
    });
  }

  listLinks(): Promise<Link[]> {
    return this.dump({
      operation: 'list links',
      type: RTM.newLink,
      encode: (writer, sequence) => encodeLinkDump(writer, sequence),
      decode: decodeLink,
    });
  }

  listLinkFeatures(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    return this.features.list(ifindex);
  }

  listAddresses(filter: DeviceFilter = {}): Promise<InterfaceAddress[]> {
    const { ifindex } = filter;
    return this.perFamily(filter, (family) => ({
      operation: 'list addresses',
      type: RTM.newAddress,
      emptyOn,
      encode: (writer, sequence, strict) => encodeAddressDump(writer, family, strict ? (ifindex ?? 0) : 0, sequence),
      decode: (view, start, end) => {
        const entry = decodeAddress(view, start, end);
        return entry?.address.family === family && isOf(ifindex, entry.ifindex) ? entry : undefined;
      },
    }));
  }

  listRoutes(filter: RouteFilter = {}, sieve?: DumpSieve<Route>): Promise<Route[]> {
    const { table = ROUTE_TABLE.main, protocol, oif } = filter;
    return this.perFamily(filter, (family) => ({
      operation: 'list routes',
      type: RTM.newRoute,
      emptyOn,
      sieve,
      encode: (writer, sequence, strict) => encodeRouteDump(writer, family, filter, sequence, strict),
      decode: (view, start, end) => {
        const route = decodeRoute(view, start, end);
        const wanted =
          route?.dst.family === family &&
          route.table === table &&
          isOf(protocol, route.protocol) &&
          isOf(oif, route.oif);
        return wanted ? route : undefined;
      },
    }));
  }

  listNeighbours(filter: DeviceFilter = {}, sieve?: DumpSieve<Neighbour>): Promise<Neighbour[]> {
    const { ifindex } = filter;
    return this.perFamily(filter, (family) => ({
      operation: 'list neighbours',
      type: RTM.newNeighbour,
      emptyOn,
      sieve,
      encode: (writer, sequence) => encodeNeighbourDump(writer, family, ifindex, sequence),
      decode: (view, start, end) => {
        const entry = decodeNeighbour(view, start, end);
        return entry?.address.family === family && isOf(ifindex, entry.ifindex) ? entry : undefined;
      },
    }));
  }

  listFdb(filter: { readonly ifindex?: number } = {}, sieve?: DumpSieve<FdbEntry>): Promise<FdbEntry[]> {
    return this.dump({
      operation: 'list forwarding entries',
      type: RTM.newNeighbour,
      emptyOn,
      sieve,
      encode: (writer, sequence) => encodeNeighbourDump(writer, 'bridge', undefined, sequence),
      decode: (view, start, end) => {
        const entry = decodeFdb(view, start, end);
        return entry && isOf(filter.ifindex, entry.ifindex) ? entry : undefined;
      },
    });
  }

  lookupRoutes(destinations: readonly IpAddress[]): Promise<(Route | undefined)[]> {
    return lookupRoutes(this.requests, destinations);
  }

  apply(ops: readonly KernelOp[]): Promise<KernelOpResult[]> {
    const { requests, features } = this;
    return applyInOrder({ requests, features }, ops);
  }

  subscribe(groups: readonly KernelEventGroup[], listener: (event: KernelEvent) => void): KernelSubscription {
    if (this.closed) throw kernelSocket('subscribe', 'EBADF');
    const subscription: Subscription = new Subscription({
      ...this.options,
      groups,
      listener,
      onClose: () => this.subscriptions.delete(subscription),
    });
    this.subscriptions.add(subscription);
    return subscription;
  }

  async readSysctl(path: string): Promise<string | undefined> {
    if (this.closed) throw kernelSocket(`read sysctl ${path}`, 'EBADF');
    return this.options.sysctls.read(path);
  }

  async writeSysctl(path: string, value: string): Promise<void> {
    if (this.closed) throw kernelSocket(`write sysctl ${path}`, 'EBADF');
    return this.options.sysctls.write(path, value);
  }

  close(): void {
    this.closed = true;
    this.requests.close();
    this.dumps.close();
    this.generic.close();
    this.features.close();
    for (const subscription of [...this.subscriptions]) subscription.close();
  }

  private async perFamily<Item>(
    { family }: { readonly family?: IpFamily },
    request: (family: IpFamily) => DumpRequest<Item>,
  ): Promise<Item[]> {
    if (family !== undefined) return this.dump(request(family));
    const [first, second] = await Promise.all([this.dump(request(4)), this.dump(request(6))]);
    return [...first, ...second];
  }

  private dump<Item>(request: DumpRequest<Item>): Promise<Item[]> {
    const { clock, random } = this.options;
    return dump({ connection: this.dumps, clock, random }, request);
  }
}

function isOf(wanted: number | undefined, found: number | undefined): boolean {
  return wanted === undefined || wanted === found;
}
