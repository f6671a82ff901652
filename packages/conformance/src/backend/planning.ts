import assert from 'node:assert/strict';
import {
  computeDelta,
  parseIpAddress,
  ROUTE_PROTOCOL_TARTAN,
  type IpPrefix,
  type Lease,
  type Plan,
  type UnderlayFacts,
} from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { canonicalPlan, reaches } from './canonical';
import { onLinkFacts, planOn, snapshotOf, type BackendFixture } from './fixture';
import { ipv6SubnetOf, OWN_NODE, subnetOf } from './nodes';
import { UNDERLAY, type FamilyMode } from './subject';

const MANY_PEERS = 5_000;
const FEWER_PEERS = MANY_PEERS / 4;
/**
 * How many times as long the plan for MANY_PEERS may take: 4 where time grows with the peers, 16 where it grows with their square. The
 * room above 4 is for garbage collection and a busy machine, and the best of several rounds counts.
 */
const GROWTH_LIMIT = 10;
const ROUNDS = 5;
const FEWEST_ROUNDS = 3;
/** Under this a plan is quick whatever its growth, and too short to measure. Milliseconds. */
const QUICK_MS = 20;
/** However it grows, nobody waits longer than this. Milliseconds; generous, since machines are busy: figures are for benchmarks. */
const PATIENCE_MS = 20_000;

/** plan(): pure, whole, and fit for a large cluster. */
export function planningSuite({ describe, it }: SuiteRunner, fixture: BackendFixture): void {
  for (const mode of fixture.modes) {
    describe(`plan, ${mode}`, () => {
      it('says the same for the same input, also in another instance', async () => {
        const peers = await fixture.peers(5, mode);
        const { network } = await fixture.start(mode);
        const first = canonicalPlan(planOn(network, peers));
        assert.deepEqual(canonicalPlan(planOn(network, peers)), first);
        assert.deepEqual(canonicalPlan(planOn((await fixture.start(mode)).network, peers)), first);
      });

      it('does not depend on the order of the leases', async () => {
        const peers = await fixture.peers(5, mode);
        const { network } = await fixture.start(mode);
        assert.deepEqual(canonicalPlan(planOn(network, peers.toReversed())), canonicalPlan(planOn(network, peers)));
      });

      it('does not depend on what it planned before', async () => {
        const [a, b, c] = (await fixture.peers(3, mode)) as [Lease, Lease, Lease];
        const { network } = await fixture.start(mode);
        const first = canonicalPlan(planOn(network, [a, b]));
        planOn(network, [c]);
        planOn(network, []);
        assert.deepEqual(canonicalPlan(planOn(network, [a, b])), first);
      });

      it('leaves its input as it was', async () => {
        const peers = (await fixture.peers(3, mode)).map(freeze);
        const { network } = await fixture.start(mode);
        network.plan(Object.freeze({ snapshot: freeze(snapshotOf(Object.freeze(peers))), underlay: onLinkFacts }));
      });

      it('reaches every peer of the snapshot and no other', async () => {
        const [a, b] = (await fixture.peers(2, mode)) as [Lease, Lease];
        const { network } = await fixture.start(mode);
        const both = planOn(network, [a, b]);
        for (const subnet of subnetsOf([a, b])) assert.ok(reaches(both, subnet), `no route to ${subnet.toString()}`);
        const one = planOn(network, [a]);
        for (const subnet of subnetsOf([b])) {
          assert.ok(!one.desired.routes.some(({ dst }) => dst.equals(subnet)), `still a route to ${subnet.toString()}`);
        }
      });

      it('routes nothing of our own subnet elsewhere', async () => {
        const { network } = await fixture.start(mode);
        const { desired } = planOn(network, await fixture.peers(3, mode));
        const own: IpPrefix[] = [subnetOf(OWN_NODE), ipv6SubnetOf(OWN_NODE)];
        assert.deepEqual(
          desired.routes.filter(({ dst }) => own.some((subnet) => subnet.contains(dst))),
          [],
        );
      });

      it('owns everything that it asks for', async () => {
        const { network } = await fixture.start(mode);
        const plan = planOn(network, await fixture.peers(5, mode));
        assert.deepEqual(await ownershipFindings(fixture, mode, plan), []);
      });

      it('proves the segment where it needs one', async () => {
        const peers = await fixture.peers(2, mode);
        const { network } = await fixture.start(mode);
        const plan = planOn(network, peers, behindRouter);
        const { needsSameL2, underlayFacts } = fixture.module.capabilities;
        const expected = !(needsSameL2 && underlayFacts);
        for (const subnet of subnetsOf(peers)) assert.equal(reaches(plan, subnet), expected, subnet.toString());
        assert.ok(expected || plan.findings.length >= peers.length, 'every peer left out has its finding');
      });

      it('does without facts that the kernel could not give', async () => {
        const { network } = await fixture.start(mode);
        planOn(network, await fixture.peers(2, mode), { routeTo: () => undefined });
      });
    });
  }
  it(`plans ${MANY_PEERS} peers in a time that does not grow with their square`, () => assertGrowth(fixture));
}

async function assertGrowth(fixture: BackendFixture): Promise<void> {
  const mode = fixture.modes.at(-1) as FamilyMode;
  const peers = await fixture.peers(MANY_PEERS, mode);
  const fewer = peers.slice(0, FEWER_PEERS);
  const { network } = await fixture.start(mode);
  const plan = planOn(network, peers);
  for (const subnet of subnetsOf(peers.slice(-1))) assert.ok(reaches(plan, subnet));
  let [fewerMs, manyMs] = [Infinity, Infinity];
  const startedAt = performance.now();
  for (let round = 0; round < ROUNDS && (round < FEWEST_ROUNDS || !isFit(fewerMs, manyMs)); round++) {
    // In turns, so that what disturbs the one disturbs the other. One slow round over the few would excuse any over the many.
    fewerMs = Math.min(
      fewerMs,
      timeOf(() => planOn(network, fewer)),
    );
    manyMs = Math.min(
      manyMs,
      timeOf(() => planOn(network, peers)),
    );
    assert.ok(
      performance.now() - startedAt < PATIENCE_MS,
      `plan() takes ${Math.round(manyMs)} ms for ${MANY_PEERS} peers`,
    );
  }
  const [times, fewerText] = [(manyMs / fewerMs).toFixed(1), `${fewerMs.toFixed(1)} ms for ${FEWER_PEERS} peers`];
  assert.ok(isFit(fewerMs, manyMs), `plan() takes ${fewerText}, and ${times} times as long for ${MANY_PEERS}`);
}

function isFit(fewerMs: number, manyMs: number): boolean {
  return manyMs < QUICK_MS || manyMs < fewerMs * GROWTH_LIMIT;
}

/** Processor time: the clock also counts what others do on a busy machine. */
function timeOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const behindRouter: UnderlayFacts = {
  routeTo: ({ family }) => ({
    ifname: UNDERLAY.ifname,
    gateway: parseIpAddress(family === 4 ? '172.31.255.254' : 'fd00:31::ffff'),
    broadcast: true,
  }),
};

export function subnetsOf(leases: readonly Lease[]): IpPrefix[] {
  return leases.flatMap(({ subnet, ipv6Subnet }) => [...(subnet ? [subnet] : []), ...(ipv6Subnet ? [ipv6Subnet] : [])]);
}

/** What the reconciler would leave out because the plan has no right to it. */
async function ownershipFindings(fixture: BackendFixture, mode: FamilyMode, plan: Plan): Promise<string[]> {
  const { config } = await fixture.context(mode);
  const networks = [config.ipv4?.network, config.ipv6?.network].filter((network) => network !== undefined);
  const { findings } = computeDelta({
    desired: plan.desired,
    ownership: { ...plan.ownership, routeProtocol: ROUTE_PROTOCOL_TARTAN, networks },
    actual: { links: [], addresses: [], routes: [], neighbours: [], fdb: [] },
  });
  return findings.filter(({ code }) => code.startsWith('PLAN_')).map(({ code, subject }) => `${code} ${subject}`);
}

/** Freezes plain objects and arrays all the way down; addresses are immutable already. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!plain || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
