import {
  createLeaseManager,
  type Lease,
  type LeaseListener,
  type LeaseManager,
  type LeaseManagerOptions,
  type LeaseRequest,
  type LeaseSnapshot,
  type OwnerIdentity,
} from '@tartan/core';
import {
  FakeClock,
  MemoryLogger,
  MemoryStore,
  type MemoryClientOptions,
  type MemoryDatastore,
} from '@tartan/core/testing';
import { attrs, config, owner, place, seeded } from './lease-fixtures';

/** A clock whose wall time can be set without any time passing. */
export class SettableClock extends FakeClock {
  wallOffsetMs = 0;

  override now(): number {
    return super.now() + this.wallOffsetMs;
  }
}

export interface NodeOptions extends Partial<LeaseManagerOptions> {
  readonly address?: string;
  readonly identity?: OwnerIdentity;
  readonly client?: MemoryClientOptions;
  readonly request?: Partial<LeaseRequest>;
}

/** A store, a clock, and nodes on it; end() stops them all and checks that nothing is left running. */
export class LeaseWorld {
  readonly clock = new SettableClock();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly nodes: TestNode[] = [];

  constructor(readonly seed = 1) {}

  node(name: string, options: NodeOptions = {}): TestNode {
    const node = new TestNode(this, name, options);
    this.nodes.push(node);
    return node;
  }

  /** Moves time in small steps until the promise settles. */
  async drive<Result>(promise: Promise<Result>, limitMs = 120_000): Promise<Result> {
    const state = { settled: false };
    const mark = (): void => void (state.settled = true);
    promise.then(mark, mark);
    await this.until(() => state.settled, limitMs, 25);
    return promise;
  }

  /** Moves time in small steps until the condition holds; returns the milliseconds that it took. */
  async until(condition: () => boolean, limitMs = 60_000, stepMs = 5): Promise<number> {
    for (let passed = 0; passed <= limitMs; passed += stepMs) {
      await this.clock.advance(passed === 0 ? 0 : stepMs);
      if (condition()) return passed;
    }
    throw new Error(`condition not met within ${limitMs} ms`);
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    if (this.clock.timers > 0) throw new Error(`${this.clock.timers} timers outlived the nodes`);
  }
}

export class TestNode {
  readonly logger = new MemoryLogger();
  readonly client: MemoryDatastore;
  readonly manager: LeaseManager;
  readonly identity: OwnerIdentity;
  readonly request: LeaseRequest;
  readonly snapshots: LeaseSnapshot[] = [];
  /** What the listener heard: `renewed`, `failed`, `lost taken`, `reacquired 10.5.1.0/24`. */
  readonly heard: string[] = [];
  lease: Lease | null = null;
  /** True from an acquisition to the next loss, as the listener hears it. */
  holds = false;
  /** How maintain() ended. */
  ended: 'no' | 'resolved' | Error = 'no';
  private readonly stopping = new AbortController();
  private readonly running: Promise<unknown>[] = [];

  constructor(
    readonly world: LeaseWorld,
    readonly name: string,
    { address, identity, client, request, ...options }: NodeOptions,
  ) {
    this.identity = identity ?? owner(name);
    this.client = world.store.connect(client);
    const number = world.nodes.length + 1;
    this.request = {
      config: config('10.5.0.0/16'),
      attrs: attrs(address ?? `192.0.2.${number}`),
      ...request,
    };
    this.manager = createLeaseManager({
      datastore: this.client,
      identity: this.identity,
      clock: world.clock,
      random: seeded(world.seed * 1000 + number),
      logger: this.logger,
      ...options,
    });
  }

  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Text of the lease's subnets. */
  get place(): string | null {
    return this.lease && place(this.lease);
  }

  /** Text of the subnets in the last snapshot, sorted; null before the first. */
  get peers(): string[] | null {
    return this.snapshots.at(-1)?.leases.map(place).sort() ?? null;
  }

  async acquire(request: Partial<LeaseRequest> = {}): Promise<Lease> {
    this.lease = await this.world.drive(this.manager.acquire({ ...this.request, ...request }, this.signal));
    this.holds = true;
    return this.lease;
  }

  maintain(): this {
    const listener: LeaseListener = {
      onRenewed: (lease) => this.hear('renewed', lease),
      onRenewalFailed: () => this.hear('failed'),
      onLost: (loss) => this.hear(`lost ${loss.reason}`),
      onReacquired: (lease) => this.hear(`reacquired ${place(lease)}`, lease),
    };
    const running = this.manager.maintain(listener, this.signal).then(
      () => (this.ended = 'resolved'),
      (error: unknown) => (this.ended = error as Error),
    );
    this.running.push(running);
    return this;
  }

  watch(): this {
    this.running.push(this.manager.watchPeers((snapshot) => this.snapshots.push(snapshot), this.signal));
    return this;
  }

  /** What start() does, without moving time. */
  async begin(): Promise<void> {
    this.watch();
    this.lease = await this.manager.acquire(this.request, this.signal);
    this.holds = true;
    this.maintain();
  }

  /** Acquires, then maintains and watches. */
  async start(request: Partial<LeaseRequest> = {}): Promise<this> {
    await this.acquire(request);
    this.maintain().watch();
    await this.world.until(() => this.snapshots.length > 0);
    return this;
  }

  /** As SIGTERM: everything ends, the lease stays. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running);
  }

  private hear(what: string, lease?: Lease): void {
    this.heard.push(what);
    if (what.startsWith('lost')) this.holds = false;
    if (what.startsWith('reacquired')) this.holds = true;
    if (lease) this.lease = lease;
  }
}
