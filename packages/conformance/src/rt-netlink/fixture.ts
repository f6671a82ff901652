import assert from 'node:assert/strict';
import {
  isTartanError,
  parseIpAddress,
  parseIpPrefix,
  type KernelEvent,
  type KernelEventGroup,
  type KernelOp,
  type Link,
  type LinkSpec,
  type Route,
  type RouteSpec,
  type RtNetlink,
} from '@tartan/core';

/** What an implementation, or the kernel below it, can do. Tests branch on these and never on which implementation it is. */
export interface RtNetlinkCapabilities {
  /** Errors carry the kernel's text. */
  readonly extendedAck: boolean;
  readonly ipv6: boolean;
}

export interface RtNetlinkSubject {
  readonly capabilities: RtNetlinkCapabilities;
  /** Another handle on the same namespace; the suite closes it. */
  open(): RtNetlink;
  /** Releases the namespace. Runs also after a failed test. */
  close(): Promise<void> | void;
}

export interface KernelRefusal {
  readonly errnoName: string;
  readonly extendedAck?: string;
}

/** Protocol number that the suite's routes carry; any unused one would do. */
export const PROTOCOL = 99;

/** The namespace of the test that runs, with what tests of all areas need. */
export class NetlinkFixture {
  private current: { readonly subject: RtNetlinkSubject; readonly handles: RtNetlink[] } | undefined;

  async open(subject: RtNetlinkSubject): Promise<void> {
    this.current = { subject, handles: [subject.open()] };
    // A namespace is born with lo down, and an address on it only when it comes up.
    await this.ok({ op: 'link-change', ifindex: 1, change: { up: true } });
  }

  async close(): Promise<void> {
    const current = this.current;
    this.current = undefined;
    for (const handle of current?.handles ?? []) handle.close();
    await current?.subject.close();
  }

  get capabilities(): RtNetlinkCapabilities {
    return this.opened.subject.capabilities;
  }

  get netlink(): RtNetlink {
    return this.opened.handles[0] as RtNetlink;
  }

  /** A further handle, as another process would have. */
  another(): RtNetlink {
    const handle = this.opened.subject.open();
    this.opened.handles.push(handle);
    return handle;
  }

  /** Applies ops that must all succeed. */
  async ok(...ops: KernelOp[]): Promise<void> {
    const results = await this.netlink.apply(ops);
    results.forEach((result, place) => {
      assert.ok(result.ok, `${ops[place]?.op ?? ''}: ${result.ok ? '' : result.error.message}`);
    });
  }

  /** Applies one op that must be refused, and gives the refusal. */
  async refused(op: KernelOp): Promise<KernelRefusal> {
    const [result] = await this.netlink.apply([op]);
    assert.ok(result && !result.ok, `${op.op} was expected to be refused`);
    assert.ok(isTartanError(result.error, 'KERNEL_REFUSED'), result.error.message);
    return result.error.data;
  }

  /** Creates a link, quiet (no link-local address) unless told. */
  async addLink(spec: LinkSpec): Promise<Link> {
    await this.ok({ op: 'link-create', link: { addrGenMode: 1, ...spec } });
    return this.link(spec.name);
  }

  async link(name: string): Promise<Link> {
    const found = await this.findLink(name);
    assert.ok(found, `link ${name} does not exist`);
    return found;
  }

  async findLink(name: string): Promise<Link | undefined> {
    return (await this.netlink.listLinks()).find((link) => link.name === name);
  }

  /** veth pair net0/net1, up on both ends; net0 has 192.0.2.1/24 and, where there is IPv6, 2001:db8::1/64. */
  async addNetwork(): Promise<Link> {
    await this.ok({ op: 'link-create', link: { name: 'net0', kind: 'veth', peerName: 'net1', addrGenMode: 1 } });
    const far = await this.link('net1');
    const near = await this.link('net0');
    await this.ok(
      { op: 'link-change', ifindex: far.index, change: { addrGenMode: 1 } },
      { op: 'link-change', ifindex: far.index, change: { up: true } },
      { op: 'link-change', ifindex: near.index, change: { up: true } },
    );
    await this.addAddress(near.index, '192.0.2.1/24');
    if (this.capabilities.ipv6) await this.addAddress(near.index, '2001:db8::1/64');
    return this.link('net0');
  }

  async addAddress(ifindex: number, text: string): Promise<void> {
    await this.ok({ op: 'address-replace', address: { ifindex, ...interfaceAddress(text), noDad: true } });
  }

  /** Main-table routes to exactly `dst`. */
  async routesTo(dst: string): Promise<Route[]> {
    const prefix = parseIpPrefix(dst);
    const routes = await this.netlink.listRoutes({ family: prefix.family });
    return routes.filter((route) => route.dst.equals(prefix));
  }

  /** Asks until `holds` does: the kernel tells its FIBs of carrier later, from a work queue. Rejects after 5 s. */
  async eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (!(await holds())) assert.ok(performance.now() < deadline, `not within 5 s: ${what}`);
  }

  /** Collects events of `groups`; the subscription is live when this resolves. */
  async watch(groups: readonly KernelEventGroup[]): Promise<EventCollector> {
    const collector = new EventCollector();
    const subscription = this.another().subscribe(groups, (event) => collector.add(event));
    await subscription.ready;
    return collector;
  }

  private get opened(): NonNullable<NetlinkFixture['current']> {
    assert.ok(this.current, 'no namespace is open');
    return this.current;
  }
}

/** Remembers events and lets a test wait for the one it wants. */
export class EventCollector {
  readonly events: KernelEvent[] = [];
  private readonly waiting = new Set<() => void>();

  add(event: KernelEvent): void {
    this.events.push(event);
    for (const check of this.waiting) check();
  }

  /** The first event, past or future, that `wanted` accepts. Rejects after 5 s. */
  async until<Wanted extends KernelEvent>(
    what: string,
    wanted: (event: KernelEvent) => event is Wanted,
  ): Promise<Wanted> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = this.events.find(wanted);
        if (!found) return;
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.waiting.delete(check);
        const seen = this.events.map((event) => event.type).join(', ');
        reject(new Error(`no event "${what}" within 5 s; seen: ${seen}`));
      }, 5_000);
      this.waiting.add(check);
      check();
    });
  }
}

/** `192.0.2.1/24` as an address and its length. */
export function interfaceAddress(text: string): {
  address: ReturnType<typeof parseIpAddress>;
  prefixLength: number;
} {
  const [address, length] = text.split('/') as [string, string];
  return { address: parseIpAddress(address), prefixLength: Number(length) };
}

/** A route of the suite's protocol: `route('10.5.1.0/24', '192.0.2.2')`. */
export function route(dst: string, gateway?: string, rest: Partial<RouteSpec> = {}): RouteSpec {
  return {
    dst: parseIpPrefix(dst),
    protocol: PROTOCOL,
    ...(gateway === undefined ? {} : { gateway: parseIpAddress(gateway) }),
    ...rest,
  };
}
