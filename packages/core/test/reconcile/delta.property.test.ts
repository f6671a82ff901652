import fc from 'fast-check';
import {
  createProtocolNames,
  MacAddress,
  parseIpAddress,
  readActualState,
  type ActualState,
  type KernelState,
  type PlannedOp,
  type Route,
} from '@tartan/core';
import { type FakeKernel } from '@tartan/netlink/testing';
import { indexedDelta } from '../../src/reconcile/delta';
import { indexDesired } from '../../src/reconcile/desired-index';
import { planSieve } from '../../src/reconcile/plan-sieve';
import { deltaOf, host, opLines, ownership, route, state } from './support';

/*
 * The delta against a model of the kernel: whatever was there before, whatever fails on the way, it ends at "desired and
 * foreign", and no wanted prefix is ever without a route in between.
 */

const DEVICE = 'flannel.1';
const peers = [2, 3, 4, 5];
const own = {
  devices: [DEVICE],
  adoptRoutesVia: [2, 3].flatMap((n) => [parseIpAddress(`192.168.50.${n}`), parseIpAddress(`fd00::${n}`)]),
};

const mac = (n: number): MacAddress => MacAddress.parse(`02:00:00:00:00:0${n}`);
const peer = fc.constantFrom(...peers);
const metric = fc.constantFrom('', ' metric 5');
const family = fc.constantFrom(4, 6);
const prefix = (wanted: number, n: number): string => (wanted === 4 ? `10.5.${n}.0/24` : `fc00:0:0:${n}::/64`);
const via = (wanted: number, n: number): string =>
  wanted === 4 ? `via 192.168.50.${n} dev eth0` : `via fd00::${n} dev eth0`;

/** A route text without protocol, as both desired and present routes have it. */
const routeText = fc
  .tuple(family, peer, peer, metric)
  .map(([wanted, n, hop, suffix]) => `${prefix(wanted, n)} ${via(wanted, hop)}${suffix}`);

const desiredState: fc.Arbitrary<Partial<KernelState>> = fc.record({
  routes: fc
    .uniqueArray(routeText, { maxLength: 6, selector: keyOfText })
    .map((texts) => texts.map((text) => route(text))),
  neighbours: fc
    .uniqueArray(fc.tuple(peer, peer), { maxLength: 3, selector: ([n]) => n })
    .map((pairs) => pairs.map(([n, m]) => ({ ifname: DEVICE, address: parseIpAddress(`10.5.${n}.0`), mac: mac(m) }))),
  fdb: fc
    .uniqueArray(fc.tuple(peer, peer), { maxLength: 3, selector: ([n]) => n })
    .map((pairs) => pairs.map(([n, m]) => ({ ifname: DEVICE, mac: mac(n), dst: parseIpAddress(`192.168.50.${m}`) }))),
  addresses: fc
    .uniqueArray(peer, { maxLength: 2 })
    .map((all) => all.map((n) => ({ ifname: DEVICE, address: parseIpAddress(`10.5.1.${n}`), prefixLength: 32 }))),
});

/** What somebody did to the host before: routes of four makers, and objects on our device. */
const present = fc.record({
  routes: fc.array(fc.tuple(routeText, fc.constantFrom('158', 'boot', 'static', '12')), { maxLength: 8 }),
  elsewhere: fc.array(fc.tuple(peer, fc.constantFrom('158', 'boot')), { maxLength: 2 }),
  neighbours: fc.array(fc.tuple(peer, peer), { maxLength: 3 }),
  fdb: fc.array(fc.tuple(peer, peer), { maxLength: 3 }),
  addresses: fc.array(peer, { maxLength: 2 }),
});

function keyOfText(text: string): string {
  const [dst] = text.split(' ');
  return `${dst} ${text.includes('metric') ? '5' : '-'}`;
}

function kernelWith(past: typeof present extends fc.Arbitrary<infer T> ? T : never): FakeKernel {
  const kernel = host();
  const lowerIndex = kernel.link('eth0').index;
  kernel.addLink({
    name: DEVICE,
    kind: 'vxlan',
    vxlan: { vni: 1, port: 8472, lowerIndex, learning: false, gbp: false },
  });
  const routes = [
    ...past.routes.map(([text, protocol]) => `${text} proto ${protocol}`),
    ...past.elsewhere.map(([n, protocol]) => `10.9.${n}.0/24 via 192.168.50.${n} dev eth0 proto ${protocol}`),
  ];
  for (const text of routes) ifFree(() => kernel.addRoute(text));
  for (const [n, m] of past.neighbours) kernel.addNeighbour(DEVICE, `10.5.${n}.0`, mac(m).toString());
  for (const [n, m] of past.fdb) kernel.addFdb(DEVICE, mac(n).toString(), `192.168.50.${m}`);
  for (const n of past.addresses) kernel.addAddress(DEVICE, `10.5.1.${n}/32`);
  return kernel;
}

/** Two routes with one key cannot both be there. */
function ifFree(add: () => void): void {
  try {
    add();
  } catch (error) {
    if (!String(error).includes('EEXIST')) throw error;
  }
}

async function foreignRoutes(kernel: FakeKernel): Promise<string[]> {
  const isForeign = ({ protocol, gateway, dst }: Route): boolean =>
    protocol !== 2 &&
    (dst.toString().startsWith('10.9.') ||
      (protocol !== 158 && !(protocol === 3 && own.adoptRoutesVia.some((hop) => gateway?.equals(hop)))));
  return (await kernel.listRoutes()).filter(isForeign).map(lineOf).sort();
}

function lineOf({ dst, gateway, metric: cost, protocol }: Route): string {
  return `${dst.toString()} via ${gateway?.toString() ?? '-'} metric ${cost} proto ${protocol}`;
}

async function ourRoutes(kernel: FakeKernel): Promise<string[]> {
  const routes = await kernel.listRoutes({ protocol: 158 });
  return routes
    .filter(({ dst }) => !dst.toString().startsWith('10.9.'))
    .map(lineOf)
    .sort();
}

/** Applies op by op; `fails` says which are refused. */
async function applyEach(
  kernel: FakeKernel,
  ops: readonly PlannedOp[],
  fails: (position: number) => boolean,
  after: () => void,
): Promise<void> {
  for (const [position, { op }] of ops.entries()) {
    if (fails(position)) continue;
    const [result] = await kernel.apply([op]);
    if (!result!.ok) throw result!.error;
    after();
  }
}

describe('delta', () => {
  it('ends at desired and foreign, touches nothing foreign, and has nothing to do then', async () => {
    await fc.assert(
      fc.asyncProperty(present, desiredState, async (past, desired) => {
        const kernel = kernelWith(past);
        const foreign = await foreignRoutes(kernel);
        const delta = await deltaOf(kernel, desired, own);
        await applyEach(
          kernel,
          delta.ops,
          () => false,
          () => undefined,
        );

        const wanted = desired.routes!.filter((one) => !isBlocked(one, delta.blocked));
        expect(await ourRoutes(kernel)).toEqual(
          wanted
            .map(({ dst, gateway, metric: cost }) =>
              lineOf({ dst, gateway, protocol: 158, metric: cost ?? (dst.family === 6 ? 1024 : 0) } as Route),
            )
            .sort(),
        );
        expect(await foreignRoutes(kernel)).toEqual(foreign);
        expect(opLines(await deltaOf(kernel, desired, own))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('never leaves a wanted prefix without a route that it had', async () => {
    await fc.assert(
      fc.asyncProperty(present, desiredState, async (past, desired) => {
        const kernel = kernelWith(past);
        const covered = desired
          .routes!.map(({ dst }) => dst.toString())
          .filter((dst) => kernel.routesTo(dst).length > 0);
        const delta = await deltaOf(kernel, desired, own);
        await applyEach(
          kernel,
          delta.ops,
          () => false,
          () => {
            for (const dst of covered) expect([dst, kernel.routesTo(dst).length]).not.toEqual([dst, 0]);
          },
        );
      }),
      { numRuns: 300 },
    );
  });

  it('is the same when what is in place is let go while it is read', async () => {
    await fc.assert(
      fc.asyncProperty(present, desiredState, fc.boolean(), fc.boolean(), async (past, desired, addOnly, down) => {
        const kernel = kernelWith(past);
        // Most of the plan is in place, as after most passes; what came before it may stand beside it.
        const first = await deltaOf(kernel, { ...desired, routes: desired.routes!.slice(1) }, own);
        await kernel.apply(first.ops.map(({ op }) => op));
        for (const [text, protocol] of past.routes) ifFree(() => kernel.addRoute(`${text} proto ${protocol}`));
        if (down) kernel.setLinkDown(DEVICE);
        const index = indexDesired(state(desired), ownership(own), addOnly);
        const links = await kernel.listLinks();
        const scope = { devices: index.ownership.devices, tables: index.tables };
        const sieve = planSieve(index, links);
        const names = createProtocolNames();
        const whole = await readActualState(kernel, scope, links);
        const rest = await readActualState(kernel, scope, links, sieve);
        const matched = sieve.inPlace.routes.size + sieve.inPlace.neighbours.size + sieve.inPlace.fdb.size;
        expect(sizeOf(whole) - sizeOf(rest)).toBe(matched);
        expect(indexedDelta(index, rest, names, sieve.inPlace)).toEqual(indexedDelta(index, whole, names));
      }),
      { numRuns: 300 },
    );
  });

  it('converges later whatever fails now', async () => {
    await fc.assert(
      fc.asyncProperty(present, desiredState, fc.array(fc.boolean()), async (past, desired, fails) => {
        const [kernel, undisturbed] = [kernelWith(past), kernelWith(past)];
        const first = await deltaOf(kernel, desired, own);
        await applyEach(
          kernel,
          first.ops,
          (position) => fails[position] ?? false,
          () => undefined,
        );
        const second = await deltaOf(kernel, desired, own);
        await applyEach(
          kernel,
          second.ops,
          () => false,
          () => undefined,
        );
        await applyEach(
          undisturbed,
          (await deltaOf(undisturbed, desired, own)).ops,
          () => false,
          () => undefined,
        );
        expect(kernel.snapshot()).toEqual(undisturbed.snapshot());
      }),
      { numRuns: 300 },
    );
  });
});

function sizeOf({ routes, neighbours, fdb }: ActualState): number {
  return routes.length + neighbours.length + fdb.length;
}

function isBlocked(
  { dst, metric: cost }: { dst: { toString(): string; family: number }; metric?: number },
  blocked: readonly string[],
): boolean {
  return blocked.includes(`route 254 ${dst.toString()} ${cost ?? (dst.family === 6 ? 1024 : 0)}`);
}
