import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Prefix,
  type Datastore,
  type LeaseAttrs,
  type LeaseEvent,
  type LeaseSubnets,
  type WatchResponse,
} from '@tartan/core';

export const PREFIX = '/coreos.com/network';
export const TTL = 600;

export function attrsOf(host: number, more: Partial<LeaseAttrs> = {}): LeaseAttrs {
  const publicIP = Ipv4Address.parse(`192.168.50.${host}`);
  return { publicIP, publicIPv6: null, backendType: 'host-gw', owner: { node: `node-${host}` }, ...more };
}

export function place(subnet: string | null, ipv6Subnet: string | null = null): LeaseSubnets {
  return {
    subnet: subnet === null ? null : Ipv4Prefix.parse(subnet),
    ipv6Subnet: ipv6Subnet === null ? null : Ipv6Prefix.parse(ipv6Subnet),
  };
}

export const forever = new AbortController().signal;

/** Closes, after each test, what the test opened; last opened first. */
export class Cleanup {
  private readonly tasks: (() => unknown)[] = [];

  add<Thing>(thing: Thing, close: (thing: Thing) => unknown): Thing {
    this.tasks.push(() => close(thing));
    return thing;
  }

  async run(): Promise<void> {
    for (const task of this.tasks.splice(0).reverse()) await task();
  }
}

/** Reads a watch in the background. */
export class Watched {
  readonly responses: WatchResponse[] = [];
  readonly ended: Promise<Error>;
  private readonly controller = new AbortController();

  constructor(datastore: Datastore, afterRevision: bigint) {
    this.ended = this.read(datastore.watch(afterRevision, this.controller.signal));
  }

  get events(): LeaseEvent[] {
    return this.responses.flatMap(({ events }) => events);
  }

  stop(): Promise<Error> {
    this.controller.abort(new Error('stopped'));
    return this.ended;
  }

  private async read(watch: AsyncIterable<WatchResponse>): Promise<Error> {
    try {
      for await (const response of watch) this.responses.push(response);
      return new Error('the watch ended without an error');
    } catch (error) {
      return error as Error;
    }
  }
}

/** Milliseconds that a call takes until it settles, and how. */
export async function timed(call: Promise<unknown>): Promise<{ ms: number; error: Error | null }> {
  const start = performance.now();
  const error = await call.then(
    () => null,
    (reason: unknown) => reason as Error,
  );
  return { ms: performance.now() - start, error };
}
