import {
  ROUTE_TABLE,
  isTartanError,
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
  type Neighbour,
  type Route,
  type RouteFilter,
  type RtNetlink,
  type TartanError,
} from '@tartan/core';
import { describeOp } from '../describe-op';
import { errnoNumber, kernelRefused, kernelSocket, meansGone } from '../errno';
import { checkSysctlPath } from '../sysctl-path';
import { applyToTables } from './fake-apply';
import type { FakeEvents } from './fake-events';
import { viewFeatures } from './fake-feature-ops';
import type { FakeFailures, FakeRequest, InjectedFailure } from './fake-failures';
import { lookupRoute } from './fake-lookup';
import { viewRoute } from './fake-route-ops';
import { Refusal, type FakeTables } from './fake-tables';

/** What a handle needs of the kernel that it was opened on. */
export interface FakeKernelCore {
  readonly tables: FakeTables;
  readonly events: FakeEvents;
  readonly failures: FakeFailures;
  /** Counts and records a request. */
  record(request: FakeRequest): void;
  /** Resolves when calls may go on. */
  gate(): Promise<void>;
}

/** One opened handle on the fake kernel, as a process would hold one. Closing it leaves the kernel's state alone. */
export class FakeNetlink implements RtNetlink {
  private closed = false;
  private readonly subscriptions = new Set<KernelSubscription>();

  constructor(private readonly core: FakeKernelCore) {}

  listLinks(): Promise<Link[]> {
    return this.call({ op: 'list-links' }, (tables) => [...tables.links.values()].map((link) => tables.viewLink(link)));
  }

  listLinkFeatures(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    return this.call({ op: 'list-link-features' }, (tables) => viewFeatures(tables.link(ifindex)));
  }

  listAddresses(filter: { readonly family?: IpFamily; readonly ifindex?: number } = {}): Promise<InterfaceAddress[]> {
    return this.call({ op: 'list-addresses' }, (tables) =>
      tables.addresses.filter((entry) => accepts(filter, entry.address.family, entry.ifindex)),
    );
  }

  listRoutes(filter: RouteFilter = {}, sieve?: DumpSieve<Route>): Promise<Route[]> {
    const { family, table = ROUTE_TABLE.main, protocol, oif } = filter;
    return this.call({ op: 'list-routes' }, (tables) => {
      const routes = [...tables.routes.all()]
        .filter(
          (route) =>
            route.table === table &&
            (family === undefined || route.dst.family === family) &&
            (protocol === undefined || route.protocol === protocol) &&
            (oif === undefined || route.oif === oif),
        )
        .map((route) => viewRoute(tables, route));
      return sifted(routes, sieve);
    });
  }

  listNeighbours(
    filter: { readonly family?: IpFamily; readonly ifindex?: number } = {},
    sieve?: DumpSieve<Neighbour>,
  ): Promise<Neighbour[]> {
    return this.call({ op: 'list-neighbours' }, (tables) => {
      const entries = [...tables.neighbours.values()];
      return sifted(
        entries.filter((entry) => accepts(filter, entry.address.family, entry.ifindex)),
        sieve,
      );
    });
  }

  listFdb(filter: { readonly ifindex?: number } = {}, sieve?: DumpSieve<FdbEntry>): Promise<FdbEntry[]> {
    return this.call({ op: 'list-fdb' }, (tables) => {
      const entries = [...tables.fdb.values()].flat();
      return sifted(
        entries.filter((entry) => accepts(filter, undefined, entry.ifindex)),
        sieve,
      );
    });
  }

  lookupRoutes(destinations: readonly IpAddress[]): Promise<(Route | undefined)[]> {
    return this.call({ op: 'lookup-routes' }, (tables) => destinations.map((address) => lookupRoute(tables, address)));
  }

  apply(ops: readonly KernelOp[]): Promise<KernelOpResult[]> {
    return this.call({ op: 'apply', ops }, () => ops.map((op) => this.applyOne(op)));
  }

  subscribe(groups: readonly KernelEventGroup[], listener: (event: KernelEvent) => void): KernelSubscription {
    if (this.closed) throw kernelSocket('subscribe', 'EBADF');
    const inner = this.core.events.subscribe(groups, listener);
    const subscription: KernelSubscription = {
      ready: inner.ready,
      close: () => {
        inner.close();
        this.subscriptions.delete(subscription);
      },
    };
    this.core.record({ op: 'subscribe' });
    this.subscriptions.add(subscription);
    return subscription;
  }

  async readSysctl(path: string): Promise<string | undefined> {
    checkSysctlPath(path);
    return this.call({ op: 'read-sysctl', path }, (tables) => tables.sysctls.values.get(path));
  }

  async writeSysctl(path: string, value: string): Promise<void> {
    checkSysctlPath(path);
    return this.call({ op: 'write-sysctl', path }, (tables) => {
      if (!tables.sysctls.values.has(path)) throw new Refusal('ENOENT');
      tables.sysctls.values.set(path, value.trim());
    });
  }

  close(): void {
    this.closed = true;
    for (const subscription of [...this.subscriptions]) subscription.close();
  }

  private async call<Result>(request: FakeRequest, work: (tables: FakeTables) => Result): Promise<Result> {
    if (this.closed) throw kernelSocket(request.op, 'EBADF');
    this.core.record(request);
    await this.core.gate();
    // The caller may have closed the handle while the gate was shut.
    this.throwIfClosed(request.op);
    const failure = this.core.failures.take(request);
    if (failure) throw injected(request.op, failure);
    try {
      return work(this.core.tables);
    } catch (error) {
      throw asRefused(nameOf(request), error);
    }
  }

  private throwIfClosed(operation: string): void {
    if (this.closed) throw kernelSocket(operation, 'ECANCELED');
  }

  private applyOne(op: KernelOp): KernelOpResult {
    this.core.record(op);
    const failure = this.core.failures.take(op);
    if (failure) return settled(op, injected(describeOp(op), failure));
    try {
      applyToTables(this.core.tables, op);
      return { ok: true };
    } catch (error) {
      return settled(op, asRefused(describeOp(op), error));
    }
  }
}

function accepts(
  filter: { readonly family?: IpFamily; readonly ifindex?: number },
  family: IpFamily | undefined,
  ifindex: number,
): boolean {
  return (
    (filter.family === undefined || filter.family === family) &&
    (filter.ifindex === undefined || filter.ifindex === ifindex)
  );
}

function nameOf(request: FakeRequest): string {
  return 'path' in request ? `${request.op} ${request.path}` : request.op;
}

function settled(op: KernelOp, error: TartanError<'KERNEL_REFUSED' | 'KERNEL_SOCKET'>): KernelOpResult {
  const gone = op.op.endsWith('-delete') && isTartanError(error, 'KERNEL_REFUSED') && meansGone(error.data.errno);
  return gone ? { ok: true } : { ok: false, error };
}

function injected(operation: string, failure: InjectedFailure): TartanError<'KERNEL_REFUSED' | 'KERNEL_SOCKET'> {
  return failure.socket
    ? kernelSocket(operation, failure.errno)
    : kernelRefused(operation, failure.number, failure.extendedAck);
}

function asRefused(operation: string, error: unknown): TartanError<'KERNEL_REFUSED'> {
  if (!(error instanceof Refusal)) throw error;
  return kernelRefused(operation, errnoNumber(error.errno), error.extendedAck);
}

function sifted<Item>(items: Item[], sieve: DumpSieve<Item> | undefined): Item[] {
  if (!sieve) return items;
  const reading = sieve.open();
  const kept = items.filter((item) => reading.keeps(item));
  reading.done();
  return kept;
}
