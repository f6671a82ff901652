import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  parseIpAddress,
  parseIpPrefix,
  type DesiredTraffic,
  type IpFamily,
  type IpPrefix,
  type TrafficManager,
  type TrafficPolicy,
} from '@tartan/core';

/*
 * The world of the suite. One segment joins four hosts; the node under test is the router of `outside`, and `peer` reaches the third host's
 * pods only through it:
 *
 *   pod ─ node ─┬─ peer ─ peerPod
 *               │   └ stranger: an address of no overlay, behind the node for `outside`
 *               ├─ third ─ thirdPod
 *               └─ outside
 */

export interface PlaceAddresses {
  readonly 4: string;
  readonly 6: string;
}

/** Addresses that the subject has to give out. */
export const PLACES = {
  node: { 4: '192.168.50.1', 6: 'fd50::1' },
  peer: { 4: '192.168.50.2', 6: 'fd50::2' },
  third: { 4: '192.168.50.3', 6: 'fd50::3' },
  outside: { 4: '192.168.50.4', 6: 'fd50::4' },
  pod: { 4: '10.42.1.2', 6: 'fc00:42:0:1::2' },
  peerPod: { 4: '10.42.2.2', 6: 'fc00:42:0:2::2' },
  thirdPod: { 4: '10.42.3.2', 6: 'fc00:42:0:3::2' },
  stranger: { 4: '203.0.113.1', 6: '2001:db8:ff::1' },
} as const satisfies Record<string, PlaceAddresses>;

export type Place = keyof typeof PLACES;

export const families = [4, 6] as const;
export const NETWORK = { 4: '10.42.0.0/16', 6: 'fc00:42::/48' } as const;
export const SUBNET = { 4: '10.42.1.0/24', 6: 'fc00:42:0:1::/64' } as const;

export interface TrafficFlow {
  readonly from: Exclude<Place, 'stranger'>;
  readonly to: Place;
  readonly family: IpFamily;
  /** The node sets this mark on the packet before it is routed, as kube-proxy does; 0 unless told. */
  readonly mark?: number;
}

export interface ManagerOptions {
  readonly policy: TrafficPolicy;
  readonly previousNetworks?: readonly IpPrefix[];
}

export interface TrafficSubject {
  /** A manager of the node, not running yet. */
  create(options: ManagerOptions): TrafficManager;
  /** Sends one datagram from a port that was not used before. The source that the receiver saw; null when it did not arrive. */
  send(flow: TrafficFlow): Promise<string | null>;
  /** Lets the node drop what it forwards, as Docker does (policy) or as distributions do (a last rule), in both families. */
  blockForwarding(how: 'policy' | 'last-rule'): Promise<void>;
  /** Deletes every packet filter rule of the node, whoever made it. */
  flushRules(): Promise<void>;
  /** Takes everything of the test back. Runs also after a failed test. */
  close(): Promise<void>;
}

/** Anything that is to come true does so within this time. */
const PATIENCE_MS = 8_000;

export type PolicyChange = Partial<Omit<TrafficPolicy, 'nonMasqueradeCidrs'>> & {
  readonly excluded?: readonly string[];
};

interface Running {
  readonly manager: TrafficManager;
  readonly stop: () => Promise<void>;
}

/** Holds the subject of the running test. */
export class TrafficFixture {
  private current: TrafficSubject | undefined;
  private readonly managers: Running[] = [];

  open(subject: TrafficSubject): void {
    this.current = subject;
  }

  async close(): Promise<void> {
    for (const { stop } of this.managers.splice(0)) await stop();
    await this.current?.close();
    this.current = undefined;
  }

  get subject(): TrafficSubject {
    assert.ok(this.current);
    return this.current;
  }

  /** A running manager with rules in force. */
  async start(
    change: PolicyChange = {},
    desired: DesiredTraffic = desiredTraffic(),
    previousNetworks: readonly IpPrefix[] = [],
  ): Promise<Running> {
    const manager = this.subject.create({ policy: trafficPolicy(change), previousNetworks });
    const abort = new AbortController();
    const running = manager.run(abort.signal);
    const one = {
      manager,
      stop: async () => {
        abort.abort(new Error('stopping'));
        await running;
      },
    };
    this.managers.push(one);
    await state(manager, desired);
    return one;
  }

  /** The receiver sees `source`: its name in PLACES, or null when nothing arrives. */
  async sees(flow: Omit<TrafficFlow, 'family'>, source: Place | null): Promise<void> {
    await Promise.all(
      families.map(async (family) => {
        const expected = source && PLACES[source][family];
        assert.equal(await this.subject.send({ ...flow, family }), expected, `${describe(flow)} in IPv${family}`);
      }),
    );
  }

  /** It comes to be so within a few seconds. */
  async comesToSee(flow: Omit<TrafficFlow, 'family'>, source: Place | null): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await this.sees(flow, source);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(20);
      }
    }
  }
}

/** States rules and waits until they are in force. */
export async function state(manager: TrafficManager, desired: DesiredTraffic): Promise<void> {
  manager.setRules(desired);
  try {
    await manager.whenSynced(AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    throw new Error(`the rules are not in force: ${JSON.stringify(manager.status())}`, { cause: error });
  }
}

export function desiredTraffic(
  change: Partial<Omit<DesiredTraffic, 'nodeAddresses'>> & { readonly nodes?: readonly Place[] } = {},
): DesiredTraffic {
  const { nodes = [], ...rest } = change;
  const family = (which: IpFamily) => ({
    network: parseIpPrefix(NETWORK[which]),
    subnet: parseIpPrefix(SUBNET[which]),
  });
  return {
    ipv4: family(4),
    ipv6: family(6),
    enableNFTables: false,
    nodeAddresses: nodes.flatMap((place) => families.map((which) => parseIpAddress(PLACES[place][which]))),
    interfaces: [],
    devices: [],
    ...rest,
  };
}

export function trafficPolicy({ excluded = [], ...change }: PolicyChange = {}): TrafficPolicy {
  return {
    masquerade: true,
    fullyRandom: true,
    forward: true,
    masqueradeNodeTraffic: true,
    nonMasqueradeCidrs: excluded.map(parseIpPrefix),
    ...change,
  };
}

function describe({ from, to, mark }: Omit<TrafficFlow, 'family'>): string {
  return `${from} to ${to}${mark === undefined ? '' : ` with mark 0x${mark.toString(16)}`}`;
}
