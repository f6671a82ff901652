import assert from 'node:assert/strict';
import {
  silentLogger,
  systemClock,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Lease,
  type LeaseSnapshot,
  type Plan,
  type UnderlayFacts,
} from '@tartan/core';
import { openFakeHost } from './fake-host';
import { externalInterfaceOf, leaseOf, networkConfig, OWN_NODE } from './nodes';
import { UNDERLAY, type BackendHost, type BackendSubject, type FamilyMode } from './subject';

/** Everybody is reached directly over the external interface. */
export const onLinkFacts: UnderlayFacts = {
  routeTo: () => ({ ifname: UNDERLAY.ifname, gateway: null, broadcast: true }),
};

/** Aborts never: for calls that no test cancels. */
export const neverAborts: AbortSignal = new AbortController().signal;

/** The host of the test that runs, and backends and leases for it. */
export class BackendFixture {
  private opened: BackendHost | undefined;
  private readonly networks: BackendNetwork[] = [];
  private readonly published = new Map<string, BackendPublication>();

  constructor(readonly subject: BackendSubject) {}

  get module(): BackendModule {
    return this.subject.module;
  }

  /** The family modes that the backend declares. */
  get modes(): FamilyMode[] {
    const { ipv4, ipv6 } = this.module.capabilities;
    return [
      ...(ipv4 ? ['IPv4' as const] : []),
      ...(ipv6 ? ['IPv6' as const] : []),
      ...(ipv4 && ipv6 ? ['dual stack' as const] : []),
    ];
  }

  get host(): BackendHost {
    assert.ok(this.opened, 'the host is open during a test');
    return this.opened;
  }

  async open(): Promise<void> {
    this.opened = await (this.subject.openHost ?? (() => openFakeHost()))();
  }

  async close(): Promise<void> {
    for (const network of this.networks.splice(0)) await network.close();
    const host = this.opened;
    this.opened = undefined;
    await host?.close();
  }

  async context(mode: FamilyMode, change: Partial<BackendContext> = {}): Promise<BackendContext> {
    return contextOn(this.subject, this.host, OWN_NODE, mode, change);
  }

  async create(mode: FamilyMode): Promise<Backend> {
    return this.module.create(await this.context(mode));
  }

  /** A backend that was prepared and started with our lease; closed after the test. */
  async start(mode: FamilyMode): Promise<{ readonly network: BackendNetwork; readonly lease: Lease }> {
    const backend = await this.create(mode);
    const lease = leaseOf(OWN_NODE, mode, await backend.prepare(neverAborts));
    const network = await backend.start(lease, neverAborts);
    this.networks.push(network);
    return { network, lease };
  }

  /** The lease of peer `n`, with what this very backend publishes there. */
  async peer(n: number, mode: FamilyMode): Promise<Lease> {
    const key = `${n} ${mode}`;
    const published = this.published.get(key) ?? (await this.publicationOf(n, mode));
    this.published.set(key, published);
    return leaseOf(n, mode, published);
  }

  async peers(count: number, mode: FamilyMode): Promise<Lease[]> {
    const leases: Lease[] = [];
    for (let n = 2; n < count + 2; n++) leases.push(await this.peer(n, mode));
    return leases;
  }

  private async publicationOf(n: number, mode: FamilyMode): Promise<BackendPublication> {
    const { peerData, module } = this.subject;
    // What the backend publishes as its type is known from our own node; only the data differ.
    if (peerData) return { ...(await this.ownPublication(mode)), ...peerData(n) };
    const host = await openFakeHost(n);
    try {
      return await module.create(await contextOn(this.subject, host, n, mode)).prepare(neverAborts);
    } finally {
      await host.close();
    }
  }

  private async ownPublication(mode: FamilyMode): Promise<BackendPublication> {
    return (await this.create(mode)).prepare(neverAborts);
  }
}

async function contextOn(
  { module, options }: BackendSubject,
  { netlink }: BackendHost,
  n: number,
  mode: FamilyMode,
  change: Partial<BackendContext> = {},
): Promise<BackendContext> {
  const link = (await netlink.listLinks()).find(({ name }) => name === UNDERLAY.ifname);
  assert.ok(link, `the host has no interface ${UNDERLAY.ifname}`);
  return {
    config: networkConfig(mode, module.type, options),
    externalInterface: externalInterfaceOf(n, mode, link.index),
    netlink,
    identity: { node: `node-${n}` },
    clock: systemClock,
    logger: silentLogger,
    ...change,
  };
}

export function snapshotOf(leases: readonly Lease[]): LeaseSnapshot {
  return { revision: '1', leases };
}

export function planOn(network: BackendNetwork, leases: readonly Lease[], underlay = onLinkFacts): Plan {
  return network.plan({ snapshot: snapshotOf(leases), underlay });
}
