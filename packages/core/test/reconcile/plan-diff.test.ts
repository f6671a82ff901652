import fc from 'fast-check';
import { MacAddress, parseIpAddress, type DesiredRoute, type Plan } from '@tartan/core';
import { type FakeKernel } from '@tartan/netlink/testing';
import { MAC_A, host, planOf, route } from './support';
import { start, stopAll, type Running } from './running';

/** A peer as a vxlan backend sees it; equal numbers are equal objects. */
interface PeerState {
  readonly n: number;
  readonly mac: number;
  readonly address: number;
  readonly direct: boolean;
}

const peerState: fc.Arbitrary<PeerState> = fc.record({
  n: fc.integer({ min: 2, max: 9 }),
  mac: fc.integer({ min: 1, max: 3 }),
  address: fc.integer({ min: 2, max: 4 }),
  direct: fc.boolean(),
});
const plans = fc.array(fc.uniqueArray(peerState, { selector: ({ n }) => n, maxLength: 6 }), {
  minLength: 1,
  maxLength: 6,
});

const mac = ({ n, mac: m }: PeerState): MacAddress => MacAddress.parse(`0a:00:00:00:0${m}:0${n}`);

function routeOf({ n, address, direct }: PeerState): DesiredRoute {
  return direct
    ? route(`10.5.${n}.0/24 via 192.168.50.${address} dev eth0`)
    : route(`10.5.${n}.0/24 via 10.5.${n}.0 dev flannel.1 onlink`);
}

function plan(peers: readonly PeerState[], mtuBytes = 1450): Plan {
  return planOf(
    {
      links: [
        {
          name: 'flannel.1',
          kind: 'vxlan',
          mtuBytes,
          mac: MAC_A,
          up: true,
          vxlan: {
            vni: 1,
            port: 8472,
            local: parseIpAddress('192.168.50.1'),
            lowerIfname: 'eth0',
            learning: false,
            gbp: false,
          },
        },
      ],
      addresses: [{ ifname: 'flannel.1', address: parseIpAddress('10.5.1.0'), prefixLength: 32 }],
      neighbours: peers.map((one) => ({
        ifname: 'flannel.1',
        address: parseIpAddress(`10.5.${one.n}.0`),
        mac: mac(one),
      })),
      fdb: peers.map((one) => ({
        ifname: 'flannel.1',
        mac: mac(one),
        dst: parseIpAddress(`192.168.50.${one.address}`),
      })),
      routes: peers.map(routeOf),
    },
    { devices: ['flannel.1'] },
  );
}

const two: PeerState = { n: 2, mac: 1, address: 2, direct: false };
const three: PeerState = { n: 3, mac: 1, address: 3, direct: false };

/** What a full pass makes of an empty kernel. */
async function fromScratch(peers: readonly PeerState[]): Promise<unknown> {
  const kernel = host();
  const one = start(kernel, plan(peers));
  await one.advance(1_000);
  await one.stop();
  return kernel.snapshot();
}

async function settled(kernel: FakeKernel, first: Plan): Promise<Running> {
  const one = start(kernel, first, { fullPassIntervalMs: 1e9 });
  await one.advance(1_000);
  kernel.clearRecord();
  return one;
}

/** Dumps of what there are thousands of. */
function dumps(kernel: FakeKernel): number {
  return kernel.count('list-fdb') + kernel.count('list-neighbours') + kernel.count('list-routes');
}

afterEach(stopAll);

describe('a changed plan', () => {
  it('is applied without a dump, and with nothing but what differs', async () => {
    const kernel = host();
    const { reconciler, advance } = await settled(kernel, plan([two, three]));
    reconciler.setPlan(plan([two, { ...three, mac: 2 }]));
    await advance(100);
    expect(dumps(kernel)).toBe(0);
    expect(kernel.appliedOps().map(({ op }) => op)).toEqual(['neighbour-replace', 'fdb-replace', 'fdb-delete']);
    expect(kernel.snapshot()).toEqual(await fromScratch([two, { ...three, mac: 2 }]));
    expect(reconciler.status().synced).toBe(true);
  });

  it('changes nothing where the plans are equal', async () => {
    const kernel = host();
    const { reconciler, advance } = await settled(kernel, plan([two, three]));
    reconciler.setPlan(plan([two, three]));
    await advance(100);
    expect(kernel.requests.map(({ op }) => op)).toEqual(['list-links']);
    expect(reconciler.status().synced).toBe(true);
  });

  it('replaces a route that changes its way in one step', async () => {
    const kernel = host();
    const { reconciler, advance } = await settled(kernel, plan([two]));
    reconciler.setPlan(plan([{ ...two, direct: true }]));
    await advance(100);
    expect(kernel.appliedOps().map(({ op }) => op)).toEqual(['route-replace']);
    reconciler.setPlan(plan([two]));
    await advance(100);
    expect(kernel.snapshot()).toEqual(await fromScratch([two]));
    expect(dumps(kernel)).toBe(0);
  });

  it('leaves the same kernel as a full pass, whatever the sequence', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (sequence) => {
        const kernel = host();
        const { reconciler, advance, stop } = await settled(kernel, plan([]));
        for (const peers of sequence) {
          reconciler.setPlan(plan(peers));
          await advance(100);
        }
        expect(dumps(kernel)).toBe(0);
        expect(kernel.snapshot()).toEqual(await fromScratch(sequence.at(-1) as PeerState[]));
        await stop();
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, (kernel: FakeKernel) => void]>([
    ['something was heard', (kernel) => kernel.removeNeighbour('flannel.1', '10.5.2.0')],
    ['something was missed', (kernel) => kernel.loseEvents()],
  ])('is compared with the kernel when %s since', async (_, disturb) => {
    const kernel = host();
    const { reconciler, advance } = await settled(kernel, plan([two]));
    disturb(kernel);
    await kernel.settled();
    reconciler.setPlan(plan([two, three]));
    await advance(100);
    expect(dumps(kernel)).toBeGreaterThan(0);
    expect(kernel.snapshot()).toEqual(await fromScratch([two, three]));
  });

  it('is compared with the kernel when the device changes', async () => {
    const kernel = host();
    const { reconciler, advance } = await settled(kernel, plan([two]));
    reconciler.setPlan(plan([two, three], 1400));
    await advance(100);
    expect(dumps(kernel)).toBeGreaterThan(0);
    expect(kernel.link('flannel.1').mtuBytes).toBe(1400);
  });

  it('is compared with the kernel when something is refused, and the reason is found', async () => {
    const kernel = host();
    const { reconciler, advance, codes } = await settled(kernel, plan([two]));
    kernel.holdEvents();
    kernel.addRoute('10.5.3.0/24 via 192.168.50.77 dev eth0 proto static');
    reconciler.setPlan(plan([two, three]));
    await advance(100);
    expect(kernel.routesTo('10.5.3.0/24')).toHaveLength(1);
    expect(dumps(kernel)).toBeGreaterThan(0);
    expect(codes()).toContain('ROUTE_CONFLICT');
    kernel.releaseEvents();
  });

  it('that follows one with a foreign route in its way is compared with the kernel each time', async () => {
    const kernel = host();
    kernel.addRoute('10.5.3.0/24 via 192.168.50.77 dev eth0 proto static');
    const { reconciler, advance } = await settled(kernel, plan([three]));
    reconciler.setPlan(plan([three, two]));
    await advance(100);
    expect(dumps(kernel)).toBeGreaterThan(0);
  });
});
