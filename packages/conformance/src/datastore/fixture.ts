import assert from 'node:assert/strict';
import {
  isTartanError,
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Prefix,
  type Datastore,
  type ErrorCode,
  type LeaseAttrs,
  type LeaseEvent,
  type LeaseSubnets,
  type WatchResponse,
} from '@tartan/core';

/** A datastore to be tested, and the world around it that the contract gives no hold of. */
export interface DatastoreSubject {
  readonly datastore: Datastore;
  /** Another client of the same data, as another node would have. */
  connect(): Promise<Datastore>;
  setConfig(text: string): Promise<void>;
  /** Makes or replaces a lease as an administrator or another program would. */
  putLease(subnets: LeaseSubnets, attrs: LeaseAttrs): Promise<void>;
  /** Puts something under the key that is not a lease. */
  putUnreadable(key: string): Promise<void>;
  /** Deletes a key, whoever holds it. */
  removeKey(key: string): Promise<void>;
  /** Lets so much time pass that a time to live of `seconds`, and any grace, is over. Needed with expiry only. */
  readonly pass?: (seconds: number) => Promise<void>;
  /** Drops the history so far. Absent where a watch cannot be too late. */
  readonly compact?: () => Promise<void>;
  /** True when every single change has a revision of its own that all clients agree on; else watches may join changes. */
  readonly everyChange: boolean;
  /** Makes the data unreachable, and reachable again. */
  breakOff(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Any call is through after this, in milliseconds, or it hangs. */
export const PATIENCE_MS = 20_000;
/** Long enough that nothing runs out by itself. */
export const TTL = 600;

/** Holds the subject of the running test. */
export class DatastoreFixture {
  private current: DatastoreSubject | null = null;
  private readonly cleanups: (() => unknown)[] = [];

  open(subject: DatastoreSubject, features: { allocation: boolean; expiry: boolean }): void {
    this.current = subject;
    const { allocation, expiry } = subject.datastore.capabilities;
    assert.deepEqual({ allocation, expiry }, { allocation: features.allocation, expiry: features.expiry });
  }

  get subject(): DatastoreSubject {
    assert.ok(this.current);
    return this.current;
  }

  get datastore(): Datastore {
    return this.subject.datastore;
  }

  /** A signal that aborts when the test is over. */
  readonly signal = (): AbortSignal => this.controller().signal;

  controller(): AbortController {
    const controller = new AbortController();
    this.cleanups.push(() => controller.abort(new Error('the test is over')));
    return controller;
  }

  async connect(): Promise<Datastore> {
    const other = await this.subject.connect();
    this.cleanups.push(() => other.close());
    return other;
  }

  /** Starts a watch and reads it in the background. */
  watch(afterRevision: bigint, datastore = this.datastore): WatchLog {
    const log = new WatchLog(datastore, afterRevision);
    this.cleanups.push(() => log.stop());
    return log;
  }

  async close(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
    await this.current?.close();
    this.current = null;
  }
}

/** Everything that one watch has said so far. */
export class WatchLog {
  readonly responses: WatchResponse[] = [];
  /** What ended it. */
  ended: Error | null = null;
  private readonly controller = new AbortController();
  private readonly reading: Promise<void>;

  constructor(datastore: Datastore, afterRevision: bigint) {
    this.reading = this.read(datastore.watch(afterRevision, this.controller.signal));
  }

  get events(): LeaseEvent[] {
    return this.responses.flatMap(({ events }) => events);
  }

  /** Resolves once `condition` holds; rejects when the watch ends first or nothing happens for too long. */
  async until(condition: (log: this) => boolean, what: string): Promise<void> {
    await eventually(() => {
      if (condition(this)) return true;
      if (this.ended) throw this.ended;
      return false;
    }, what);
  }

  /** Resolves when the watch stands, which its first response tells. */
  standing(): Promise<void> {
    return this.until(({ responses }) => responses.length > 0, 'the watch stands');
  }

  /** What ends it by itself. */
  async failure(): Promise<Error> {
    await eventually(() => this.ended !== null, 'the watch ends');
    return this.ended as Error;
  }

  async stop(reason = new Error('stopped')): Promise<Error> {
    this.controller.abort(reason);
    await this.reading;
    return this.ended as Error;
  }

  private async read(watch: AsyncIterable<WatchResponse>): Promise<void> {
    try {
      for await (const response of watch) this.responses.push(response);
      this.ended = new Error('the watch ended without an error');
    } catch (error) {
      this.ended = error as Error;
    }
  }
}

/** `put 10.5.1.0-24`, `delete 10.5.1.0-24`, `skipped foo`. */
export function show(event: LeaseEvent): string {
  if (event.type === 'put') return `put ${event.record.key}`;
  return event.type === 'delete' ? `delete ${event.key}` : `skipped ${event.entry.key}`;
}

export function revisionOf(event: LeaseEvent): bigint {
  return event.type === 'put' ? event.record.modRevision : event.modRevision;
}

/** Waits for a condition without a fixed pause; the time only bounds a failure. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Asserts that a call rejects with one of the codes. */
export async function rejectsWith(call: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isTartanError(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`);
    return true;
  });
}

export function attrsOf(host: number, more: Partial<LeaseAttrs> = {}): LeaseAttrs {
  return {
    publicIP: Ipv4Address.parse(`192.168.50.${host}`),
    publicIPv6: null,
    backendType: 'vxlan',
    backendData: { VNI: 1, VtepMAC: `02:00:00:00:00:${host.toString(16).padStart(2, '0')}` },
    owner: { node: `node-${host}`, machine: `machine-${host}` },
    ...more,
  };
}

export function place(subnet: string | null, ipv6Subnet: string | null = null): LeaseSubnets {
  return {
    subnet: subnet === null ? null : Ipv4Prefix.parse(subnet),
    ipv6Subnet: ipv6Subnet === null ? null : Ipv6Prefix.parse(ipv6Subnet),
  };
}

/** Text that is equal for equal attributes, whatever caches their addresses hold. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item)));
}
