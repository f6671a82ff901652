import assert from 'node:assert/strict';
import {
  parseIpPrefix,
  ROUTE_PROTOCOL,
  type IpAddress,
  type KernelEvent,
  type KernelOp,
  type Lease,
  type Link,
  type Plan,
  type RtNetlink,
} from '@tartan/core';
import type { SuiteRunner } from '../runner';
import type { BackendFixture } from './fixture';
import { OWN_NODE, underlayIpv4, underlayIpv6 } from './nodes';
import { subnetsOf } from './planning';
import { RunningBackend } from './running';
import { UNDERLAY, type FamilyMode } from './subject';

const PEERS = 3;

/** What the plan does to a kernel: peers are reached, drift is repaired, nothing else is touched, and stopping changes nothing. */
export function kernelSuite({ describe, it }: SuiteRunner, fixture: BackendFixture): void {
  for (const mode of fixture.modes) {
    describe(`on the kernel, ${mode},`, () => {
      it('every peer is reached, and a peer that left no longer in particular', () =>
        RunningBackend.with(fixture, mode, async (running) => {
          const peers = await fixture.peers(PEERS, mode);
          await running.converge(peers);
          await assertReached(running.netlink, peers);
          await running.converge(peers.slice(1));
          await assertReached(running.netlink, peers.slice(1));
          await running.converge([]);
        }));

      it('a second look finds nothing to do', () =>
        RunningBackend.with(fixture, mode, async (running) => {
          await running.converge(await fixture.peers(PEERS, mode));
          const { linkOps, ops, findings } = await running.delta();
          assert.deepEqual([linkOps, ops, findings], [[], [], []]);
        }));

      it('everything that is deleted comes back', () =>
        RunningBackend.with(fixture, mode, async (running) => {
          const peers = await fixture.peers(PEERS, mode);
          await running.converge(peers);
          for (const op of await deletions(running.netlink, running.plan)) {
            await applyAll(running.netlink, [op]);
            await running.settle();
          }
          await assertReached(running.netlink, peers);
        }));

      it('everything comes back after the underlay was down', () =>
        RunningBackend.with(fixture, mode, async (running) => {
          const peers = await fixture.peers(PEERS, mode);
          await running.converge(peers);
          await flapUnderlay(running.netlink);
          const back = await running.eventually(() => isReached(running.netlink, peers));
          assert.ok(back, 'peers are not reached again');
          await running.settle();
        }));

      it('what belongs to others stays as it is', () => assertOthersUntouched(fixture, mode));

      it('stopping and closing leaves the kernel as it is', async () => {
        const peers = await fixture.peers(PEERS, mode);
        await RunningBackend.with(fixture, mode, async (running) => {
          await running.converge(peers);
          await running.stop();
          await running.network.close();
          if (fixture.module.capabilities.hitlessRestart) await assertReached(running.netlink, peers);
        });
      });

      it('a restart takes no route away', () => assertHitlessRestart(fixture, mode));
    });
  }
}

async function assertReached(netlink: RtNetlink, peers: readonly Lease[]): Promise<void> {
  const missing = await unreached(netlink, peers);
  assert.deepEqual(missing, [], 'the kernel has no route to these pods');
}

async function isReached(netlink: RtNetlink, peers: readonly Lease[]): Promise<boolean> {
  return (await unreached(netlink, peers)).length === 0;
}

/** One address of a pod in each subnet; those that the kernel knows no way to. */
async function unreached(netlink: RtNetlink, peers: readonly Lease[]): Promise<string[]> {
  const pods: IpAddress[] = subnetsOf(peers).map((subnet) =>
    subnet.family === 4 ? subnet.address.add(10) : subnet.address.add(10n),
  );
  const routes = await netlink.lookupRoutes(pods);
  return pods.filter((_, position) => routes[position]?.type !== 'unicast').map((pod) => pod.toString());
}

async function applyAll(netlink: RtNetlink, ops: readonly KernelOp[]): Promise<void> {
  for (const result of await netlink.apply(ops)) if (!result.ok) throw result.error;
}

/** One operation per desired object that takes it away behind the backend's back. */
async function deletions(netlink: RtNetlink, plan: Plan | undefined): Promise<KernelOp[]> {
  assert.ok(plan, 'there is a plan');
  const links = new Map((await netlink.listLinks()).map((link) => [link.name, link]));
  const indexOf = (ifname: string): number => (links.get(ifname) as Link).index;
  const { routes, neighbours, fdb, addresses } = plan.desired;
  return [
    ...routes.map(({ dst, table }): KernelOp => ({
      op: 'route-delete',
      route: { dst, protocol: 0, ...(table !== undefined && { table }) },
    })),
    ...neighbours.map(({ ifname, address }): KernelOp => ({
      op: 'neighbour-delete',
      neighbour: { ifindex: indexOf(ifname), address },
    })),
    ...fdb.map(({ ifname, mac }): KernelOp => ({ op: 'fdb-delete', fdb: { ifindex: indexOf(ifname), mac } })),
    ...addresses.map(({ ifname, address, prefixLength }): KernelOp => ({
      op: 'address-delete',
      address: { ifindex: indexOf(ifname), address, prefixLength },
    })),
  ];
}

/** Down and up again. IPv6 addresses do not survive that by themselves (keep_addr_on_down); a network manager restores them. */
async function flapUnderlay(netlink: RtNetlink): Promise<void> {
  const link = (await netlink.listLinks()).find(({ name }) => name === UNDERLAY.ifname) as Link;
  const ifindex = link.index;
  await applyAll(netlink, [
    { op: 'link-change', ifindex, change: { up: false } },
    { op: 'link-change', ifindex, change: { up: true } },
    { op: 'address-replace', address: { ifindex, address: underlayIpv4(OWN_NODE), prefixLength: 16 } },
    { op: 'address-replace', address: { ifindex, address: underlayIpv6(OWN_NODE), prefixLength: 64, noDad: true } },
  ]);
}

async function assertOthersUntouched(fixture: BackendFixture, mode: FamilyMode): Promise<void> {
  const { netlink } = fixture.host;
  const oif = ((await netlink.listLinks()).find(({ name }) => name === UNDERLAY.ifname) as Link).index;
  const foreign = [
    { dst: parseIpPrefix('198.51.100.0/24'), protocol: ROUTE_PROTOCOL.static },
    { dst: parseIpPrefix('10.200.1.0/24'), protocol: ROUTE_PROTOCOL.static },
    { dst: parseIpPrefix('198.51.101.0/24'), protocol: ROUTE_PROTOCOL.boot },
    { dst: parseIpPrefix('fc00:0:0:c801::/64'), protocol: ROUTE_PROTOCOL.static },
  ];
  await applyAll(
    netlink,
    foreign.map((route) => ({ op: 'route-add', route: { ...route, oif } })),
  );
  await RunningBackend.with(fixture, mode, async (running) => {
    await running.converge(await fixture.peers(PEERS, mode));
    await running.converge([]);
  });
  const left = await netlink.listRoutes();
  for (const { dst, protocol } of foreign) {
    assert.ok(
      left.some((route) => route.dst.equals(dst) && route.protocol === protocol),
      `${dst.toString()} is gone`,
    );
  }
}

/** Watches the kernel while a second daemon takes over from the first. */
async function assertHitlessRestart(fixture: BackendFixture, mode: FamilyMode): Promise<void> {
  if (!fixture.module.capabilities.hitlessRestart) return;
  const peers = await fixture.peers(PEERS, mode);
  await RunningBackend.with(fixture, mode, async (running) => {
    await running.converge(peers);
    await running.stop();
    await running.network.close();
  });
  const lost: string[] = [];
  const subscription = fixture.host.netlink.subscribe(['link', 'route'], (event) => {
    if (isLoss(event)) lost.push(event.type === 'route' ? event.route.dst.toString() : event.type);
  });
  try {
    await subscription.ready;
    await RunningBackend.with(fixture, mode, async (running) => {
      await running.converge(peers);
      await assertReached(running.netlink, peers);
    });
    assert.deepEqual(lost, [], 'taken away during the restart');
  } finally {
    subscription.close();
  }
}

function isLoss(event: KernelEvent): boolean {
  return (event.type === 'route' || event.type === 'link') && event.action === 'del';
}
