import assert from 'node:assert/strict';
import {
  computeDelta,
  createNetworkController,
  createReconciler,
  isTartanError,
  ROUTE_PROTOCOL_TARTAN,
  ROUTE_TABLE,
  silentLogger,
  systemClock,
  type BackendNetwork,
  type Delta,
  type IpPrefix,
  type Lease,
  type Plan,
  type RtNetlink,
} from '@tartan/core';
import type { BackendFixture } from './fixture';
import { snapshotOf } from './fixture';
import type { FamilyMode } from './subject';

/** The backend at work as in the daemon: controller and reconciler over the host's kernel, in real time. */
export class RunningBackend {
  private readonly stopping = new AbortController();
  private readonly parts: Promise<unknown>[];
  private readonly controller;
  /** The latest plan that reached the reconciler. */
  plan: Plan | undefined;

  private constructor(
    private readonly fixture: BackendFixture,
    private readonly networks: readonly IpPrefix[],
    readonly network: BackendNetwork,
  ) {
    const common = { netlink: this.netlink, networks, clock: systemClock, logger: silentLogger };
    const reconciler = createReconciler({ ...common, retry: { initialMs: 10, maxMs: 100 }, fights: { limit: 1_000 } });
    this.controller = createNetworkController({
      ...common,
      reconciler: {
        setPlan: (plan) => {
          this.plan = plan;
          reconciler.setPlan(plan);
        },
      },
    });
    this.controller.setNetwork({ network, capabilities: fixture.module.capabilities });
    this.parts = [reconciler.run(this.stopping.signal), this.controller.run(this.stopping.signal)];
  }

  /** Runs `body` with a backend at work, and stops it whatever happens. */
  static async with(
    fixture: BackendFixture,
    mode: FamilyMode,
    body: (running: RunningBackend) => Promise<void>,
  ): Promise<void> {
    const { network } = await fixture.start(mode);
    const { config } = await fixture.context(mode);
    const networks = [config.ipv4?.network, config.ipv6?.network].filter((prefix) => prefix !== undefined);
    const running = new RunningBackend(fixture, networks, network);
    try {
      await body(running);
    } finally {
      await running.stop();
    }
  }

  get netlink(): RtNetlink {
    return this.fixture.host.netlink;
  }

  /** Sets the peers and waits until the kernel is as the plan for them says. */
  async converge(leases: readonly Lease[]): Promise<void> {
    this.setPeers(leases);
    await this.whenPlanned();
    await this.settle();
  }

  setPeers(leases: readonly Lease[]): void {
    this.controller.setSnapshot(snapshotOf(leases));
  }

  whenPlanned(): Promise<void> {
    return this.controller.whenPlanned(AbortSignal.timeout(this.patienceMs));
  }

  /** Waits until nothing is left to do. */
  async settle(): Promise<void> {
    let open: string[] = [];
    const settled = await this.eventually(async () => {
      const { linkOps, ops, waiting } = await this.delta();
      open = [
        ...[...linkOps, ...ops].map(({ op, subject }) => `${op.op} ${subject}`),
        ...waiting.map(({ key }) => key),
      ];
      return open.length === 0;
    });
    assert.ok(settled, `still to do after ${this.patienceMs} ms: ${open.slice(0, 5).join(', ')}`);
  }

  /** True as soon as `condition` holds; false when it never does in time. A look that fails counts as "not yet". */
  async eventually(condition: () => Promise<boolean>): Promise<boolean> {
    const deadline = performance.now() + this.patienceMs;
    for (;;) {
      if (await condition().catch(isKernelError)) return true;
      if (performance.now() > deadline) return false;
      await systemClock.sleep(5);
    }
  }

  /** What a pass would have to do now, by the kernel's own word. */
  async delta(): Promise<Delta> {
    const plan = this.plan;
    assert.ok(plan, 'there is a plan');
    const tables = new Set([ROUTE_TABLE.main, ...plan.desired.routes.map(({ table }) => table ?? ROUTE_TABLE.main)]);
    const routes = await Promise.all([...tables].map((table) => this.netlink.listRoutes({ table })));
    return computeDelta({
      desired: plan.desired,
      ownership: { ...plan.ownership, routeProtocol: ROUTE_PROTOCOL_TARTAN, networks: this.networks },
      actual: {
        links: await this.netlink.listLinks(),
        addresses: await this.netlink.listAddresses(),
        routes: routes.flat(),
        neighbours: await this.netlink.listNeighbours(),
        fdb: await this.netlink.listFdb(),
      },
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.parts);
  }

  private get patienceMs(): number {
    return this.fixture.subject.convergeWithinMs ?? 5_000;
  }
}

/** False for errors of the kernel; others are faults of the suite or the backend and go on. */
function isKernelError(error: unknown): false {
  if (isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) return false;
  throw error;
}
