import {
  createNetworkController,
  emptyKernelState,
  Ipv4Address,
  Ipv4Prefix,
  type BackendCapabilities,
  type BackendNetwork,
  type DataPath,
  type Finding,
  type Lease,
  type LeaseSnapshot,
  type NetworkController,
  type Plan,
  type PlanInput,
} from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import type { FakeKernel } from '@tartan/netlink/testing';
import { host, networks } from './support';

const capabilities: BackendCapabilities = {
  ipv4: true,
  ipv6: true,
  needsSameL2: true,
  needsOwnPublicIP: true,
  hitlessRestart: true,
  underlayFacts: true,
};

function peer(n: number, publicIP = `192.168.50.${n}`): Lease {
  return {
    subnet: Ipv4Prefix.parse(`10.5.${n}.0/24`),
    ipv6Subnet: null,
    attrs: { publicIP: Ipv4Address.parse(publicIP), publicIPv6: null, backendType: 'test' },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

let revision = 0;
function snapshot(...leases: Lease[]): LeaseSnapshot {
  return { revision: String(++revision), leases };
}

/** A backend that writes down how it was told to reach each peer. */
class RecordingNetwork implements BackendNetwork {
  readonly mtuBytes = 1500;
  readonly seen: string[] = [];
  readonly evidence: (string | undefined)[] = [];
  fails = false;
  /** What inspect() finds, undefined when it fails. */
  found: readonly Finding[] | undefined = [];
  inspections = 0;

  constructor(readonly underlayInterest: 'none' | 'routes' | 'neighbours' = 'routes') {}

  plan({ snapshot: { leases }, underlay, evidence }: PlanInput): Plan {
    this.evidence.push(evidence?.brokenTxChecksums);
    if (this.fails) throw new Error('the backend is broken');
    const routes = leases.map(({ attrs: { publicIP } }) => {
      const route = underlay.routeTo(publicIP);
      return route
        ? [publicIP, route.gateway ?? 'on-link', route.ifname, route.broadcast, route.neighbour].join(' ').trim()
        : `${publicIP.toString()} unknown`;
    });
    this.seen.push(routes.join(', '));
    return { desired: emptyKernelState, ownership: { adoptRoutesVia: [], devices: [] }, findings: [] };
  }

  inspect(): Promise<readonly Finding[]> {
    this.inspections++;
    return this.found ? Promise.resolve(this.found) : Promise.reject(new Error('it cannot look'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Bench {
  readonly kernel: FakeKernel;
  readonly clock: FakeClock;
  readonly logger: MemoryLogger;
  readonly network: RecordingNetwork;
  readonly controller: NetworkController;
  readonly plans: Plan[];
  stop(): Promise<void>;
}

let bench: Bench;

function open(): Bench {
  const kernel = host();
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const plans: Plan[] = [];
  const controller = createNetworkController({
    netlink: kernel,
    reconciler: { setPlan: (plan) => plans.push(plan) },
    networks,
    clock,
    logger,
    random: () => 0.5,
  });
  const stopping = new AbortController();
  const ended = controller.run(stopping.signal);
  return {
    kernel,
    clock,
    logger,
    network: new RecordingNetwork(),
    controller,
    plans,
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

beforeEach(() => {
  bench = open();
});
afterEach(() => bench.stop());

describe('network controller', () => {
  it('plans once it has both a network and a snapshot', async () => {
    const { controller, clock, network, plans } = bench;
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(1_000);
    expect(plans).toEqual([]);
    controller.setNetwork({ network, capabilities });
    await clock.advance(0);
    await controller.whenPlanned();
    expect(plans).toHaveLength(1);
    expect(controller.status()).toEqual({ peers: 1, plannedRevision: String(revision), problem: null });
  });

  it('tells the backend how the kernel reaches each peer', async () => {
    const { controller, clock, network, kernel } = bench;
    kernel.addRoute('10.0.0.0/8 via 192.168.50.254 dev eth0');
    kernel.addLink({ name: 'wg0', pointToPoint: true, addresses: ['192.168.60.1/24'] });
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2), peer(3, '10.0.0.3'), peer(4, '192.168.60.4'), peer(5, '172.16.0.1')));
    await clock.advance(0);
    expect(network.seen).toEqual([
      '192.168.50.2 on-link eth0 true, 10.0.0.3 192.168.50.254 eth0 true, 192.168.60.4 on-link wg0 false, 172.16.0.1 unknown',
    ]);
  });

  it('looks nothing up for a backend that does not ask', async () => {
    const { controller, clock, network, kernel } = bench;
    controller.setNetwork({ network, capabilities: { ...capabilities, underlayFacts: false } });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(200_000);
    expect(network.seen).toEqual(['192.168.50.2 unknown']);
    expect(kernel.count('lookup-routes')).toBe(0);
  });

  it('plans again with evidence, once; the first report of a kind counts, for every network and snapshot after it', async () => {
    const { controller, clock, network } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    controller.reportEvidence({});
    controller.reportEvidence({ brokenTxChecksums: 'first' });
    controller.reportEvidence({ brokenTxChecksums: 'second' });
    await clock.advance(0);
    await controller.whenPlanned();
    controller.reportEvidence({ brokenTxChecksums: 'third' });
    await clock.advance(100_000);
    expect(network.evidence).toEqual([undefined, 'first']);
    const next = new RecordingNetwork();
    controller.setNetwork({ network: next, capabilities });
    await clock.advance(0);
    expect(next.evidence).toEqual(['first']);
  });

  it('keeps evidence that comes before the first network', async () => {
    const { controller, clock, network } = bench;
    controller.reportEvidence({ brokenTxChecksums: 'early' });
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    expect(network.evidence).toEqual(['early']);
  });

  it('plans the latest snapshot, and each only once', async () => {
    const { controller, clock, network } = bench;
    controller.setNetwork({ network, capabilities });
    for (const n of [2, 3, 4]) controller.setSnapshot(snapshot(peer(n)));
    await clock.advance(300_000);
    expect(network.seen).toEqual(['192.168.50.4 on-link eth0 true']);
  });

  it('plans again when the kernel would take another way to a peer', async () => {
    const { controller, clock, network, kernel } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    kernel.addRoute('192.168.50.2/32 via 192.168.50.254 dev eth0');
    await clock.advance(100);
    kernel.removeRoutes('192.168.50.2/32');
    await clock.advance(100);
    expect(network.seen).toEqual([
      '192.168.50.2 on-link eth0 true',
      '192.168.50.2 192.168.50.254 eth0 true',
      '192.168.50.2 on-link eth0 true',
    ]);
  });

  it.each<[string, (kernel: FakeKernel) => void]>([
    ['the link went down', (kernel) => kernel.setLinkDown('eth0')],
    ['the interface lost its address', (kernel) => kernel.removeAddress('eth0', '192.168.50.1/24')],
    ['the interface is gone', (kernel) => kernel.removeLink('eth0')],
    [
      'notifications were lost',
      (kernel) => {
        kernel.holdEvents();
        kernel.removeAddress('eth0', '192.168.50.1/24');
        kernel.loseEvents();
        kernel.releaseEvents();
      },
    ],
  ])('looks again when %s', async (_, disturb) => {
    const { controller, clock, network, kernel } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    disturb(kernel);
    await clock.advance(100);
    expect(network.seen.at(-1)).toBe('192.168.50.2 unknown');
  });

  it('does not look again for pods, and not for its own routes', async () => {
    const { controller, clock, network, kernel } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    const looks = kernel.count('lookup-routes');
    for (let pod = 1; pod <= 20; pod++) {
      kernel.addLink({ name: `veth${pod}` });
      kernel.addRoute(`10.5.1.${pod}/32 dev veth${pod} proto boot`);
    }
    kernel.addRoute('10.5.2.0/24 via 192.168.50.2 dev eth0 proto 158');
    await clock.advance(1_000);
    expect(kernel.count('lookup-routes')).toBe(looks);
  });

  it('looks from time to time anyway, and plans only when something has changed', async () => {
    const { controller, clock, network, kernel, plans } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    kernel.holdEvents();
    await clock.advance(70_000);
    expect(plans).toHaveLength(1);
    expect(kernel.count('lookup-routes')).toBe(2);
    kernel.addRoute('192.168.50.2/32 via 192.168.50.254 dev eth0');
    await clock.advance(70_000);
    expect(plans).toHaveLength(2);
  });

  it('keeps the last good plan while the backend throws, says so once, and recovers', async () => {
    const { controller, clock, network, plans, logger } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    network.fails = true;
    controller.setSnapshot(snapshot(peer(3)));
    await clock.advance(60_000);
    expect(plans).toHaveLength(1);
    expect(controller.status()).toMatchObject({
      problem: 'the backend is broken',
      plannedRevision: String(revision - 1),
    });
    expect(logger.matching('no plan could be made')).toHaveLength(1);
    network.fails = false;
    await clock.advance(20_000);
    expect(plans).toHaveLength(2);
    expect(controller.status()).toMatchObject({ problem: null, plannedRevision: String(revision) });
    expect(logger.matching('plans are made again')).toHaveLength(1);
  });

  it('keeps the last good plan while the kernel cannot be asked', async () => {
    const { controller, clock, network, kernel, plans } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    const works = kernel.failWhen(({ op }) => op === 'lookup-routes', 'ENOBUFS', { socket: true });
    controller.setSnapshot(snapshot(peer(2), peer(3)));
    await clock.advance(5_000);
    expect(plans).toHaveLength(1);
    works();
    await clock.advance(10_000);
    expect(plans).toHaveLength(2);
  });

  it('plans anew with another network', async () => {
    const { controller, clock, network } = bench;
    const second = new RecordingNetwork();
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    controller.setNetwork({ network: second, capabilities });
    await clock.advance(0);
    expect([network.seen.length, second.seen.length]).toEqual([1, 1]);
  });

  it('leaves no timer and no subscription behind', async () => {
    const { controller, clock, network, kernel, stop } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    await stop();
    expect([clock.timers, kernel.subscriptions]).toEqual([0, 0]);
  });

  it('does not ask about peers without an address', async () => {
    const { controller, clock, network, kernel } = bench;
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2, '0.0.0.0')));
    await clock.advance(0);
    expect(network.seen).toEqual(['0.0.0.0 unknown']);
    expect(kernel.count('lookup-routes')).toBe(0);
  });
});

describe('what a network wants to know of the underlay', () => {
  it('nothing: no look-up is made, whatever the backend can do', async () => {
    const { controller, clock, kernel } = bench;
    const network = new RecordingNetwork('none');
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(120_000);
    expect(network.seen).toEqual(['192.168.50.2 unknown']);
    expect(kernel.count('lookup-routes')).toBe(0);
  });

  describe('whether peers answer', () => {
    const network = (): RecordingNetwork => new RecordingNetwork('neighbours');
    const answers = '192.168.50.2 on-link eth0 true answers';
    const silent = '192.168.50.2 on-link eth0 true silent';
    const unknown = '192.168.50.2 on-link eth0 true';

    async function started(prepare: (kernel: FakeKernel) => void = () => undefined): Promise<RecordingNetwork> {
      const { controller, clock, kernel } = bench;
      prepare(kernel);
      const recording = network();
      controller.setNetwork({ network: recording, capabilities });
      controller.setSnapshot(snapshot(peer(2)));
      await clock.advance(1_000);
      return recording;
    }

    it('is asked, and planned with as soon as it is known', async () => {
      const { seen } = await started();
      expect(seen).toEqual([unknown, answers]);
    });

    it('is known at once where the kernel knows it', async () => {
      const { seen } = await started((kernel) => kernel.probeNeighbour('eth0', '192.168.50.2'));
      expect(seen).toEqual([answers]);
      expect(bench.kernel.count('neighbour-probe')).toBe(0);
    });

    it('is asked again from time to time while a peer is silent', async () => {
      const { seen } = await started((kernel) => kernel.setSilent('192.168.50.2'));
      expect(seen).toEqual([unknown, silent]);
      bench.kernel.setSilent('192.168.50.2', false);
      await bench.clock.advance(70_000);
      expect(seen).toEqual([unknown, silent, answers]);
    });

    it('changes when a peer falls silent, and back', async () => {
      const { seen } = await started();
      bench.kernel.setSilent('192.168.50.2');
      // The kernel shows an entry that somebody deletes as failed first, and so a peer that is there is asked again.
      bench.kernel.removeNeighbour('eth0', '192.168.50.2');
      await bench.clock.advance(1_000);
      expect(seen).toEqual([unknown, answers, silent]);
      bench.kernel.setSilent('192.168.50.2', false);
      await bench.clock.advance(70_000);
      expect(seen.at(-1)).toBe(answers);
    });

    it('is not asked of peers behind a router', async () => {
      const { seen } = await started((kernel) => kernel.addRoute('192.168.50.2/32 via 192.168.50.254 dev eth0'));
      expect(seen).toEqual(['192.168.50.2 192.168.50.254 eth0 true']);
      expect(bench.kernel.count('neighbour-probe')).toBe(0);
    });
  });
});

/** A data path that writes down what it is programmed with. */
class RecordingDataPath implements DataPath {
  readonly programmed: number[] = [];
  plansBefore: number[] = [];
  failure: Error | null = null;
  drift: () => void = () => undefined;
  watchers = 0;

  program(plan: Plan): Promise<void> {
    this.plansBefore.push(bench.plans.length);
    if (this.failure) return Promise.reject(this.failure);
    this.programmed.push(plan.findings.length);
    return Promise.resolve();
  }

  watch(onDrift: () => void): { close(): void } {
    this.watchers++;
    this.drift = onDrift;
    return {
      close: () => {
        this.watchers--;
      },
    };
  }

  status(): never {
    throw new Error('not asked here');
  }
}

describe('a data path', () => {
  function withDataPath(): { network: BackendNetwork; dataPath: RecordingDataPath } {
    const dataPath = new RecordingDataPath();
    const plain = new RecordingNetwork('none');
    const network = {
      mtuBytes: 1472,
      plan: (input: PlanInput) => plain.plan(input),
      dataPath,
      close: () => plain.close(),
    };
    return { network, dataPath };
  }

  it('is programmed before the kernel, once per plan', async () => {
    const { controller, clock, plans } = bench;
    const { network, dataPath } = withDataPath();
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    await controller.whenPlanned();
    controller.setSnapshot(snapshot(peer(3)));
    await clock.advance(300_000);
    expect(dataPath.plansBefore).toEqual([0, 1]);
    expect(plans).toHaveLength(2);
  });

  it('that refuses keeps the kernel at the last plan, shows why, and is tried again', async () => {
    const { controller, clock, plans, logger } = bench;
    const { network, dataPath } = withDataPath();
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    dataPath.failure = new Error('no loop');
    controller.setSnapshot(snapshot(peer(3)));
    await clock.advance(5_000);
    expect(plans).toHaveLength(1);
    expect(controller.status()).toMatchObject({ problem: 'no loop', plannedRevision: String(revision - 1) });
    expect(logger.matching('no plan could be made')).toHaveLength(1);
    dataPath.failure = null;
    await clock.advance(20_000);
    expect(plans).toHaveLength(2);
    expect(controller.status()).toMatchObject({ problem: null, plannedRevision: String(revision) });
  });

  it('that lost what it had is programmed again from the same snapshot', async () => {
    const { controller, clock, plans } = bench;
    const { network, dataPath } = withDataPath();
    controller.setNetwork({ network, capabilities });
    controller.setSnapshot(snapshot(peer(2)));
    await clock.advance(0);
    dataPath.failure = new Error('still gone');
    dataPath.drift();
    await clock.advance(1);
    expect(dataPath.programmed).toHaveLength(1);
    dataPath.failure = null;
    await clock.advance(1_000);
    await controller.whenPlanned();
    expect(dataPath.programmed).toHaveLength(2);
    expect(plans).toHaveLength(2);
  });

  it('is watched while its network is the one that counts', async () => {
    const { controller, clock, stop } = bench;
    const [first, second] = [withDataPath(), withDataPath()];
    controller.setNetwork({ network: first.network, capabilities });
    await clock.advance(0);
    expect(first.dataPath.watchers).toBe(1);
    controller.setNetwork({ network: second.network, capabilities });
    expect([first.dataPath.watchers, second.dataPath.watchers]).toEqual([0, 1]);
    await stop();
    expect(second.dataPath.watchers).toBe(0);
  });
});

describe('what a backend finds on its host', () => {
  const found: Finding = { severity: 'warning', code: 'IN_THE_WAY', subject: 'eth0', message: 'something' };
  const shown = (): string[][] => bench.plans.map(({ findings }) => findings.map(({ code }) => code));

  function begin(): void {
    bench.controller.setNetwork({ network: bench.network, capabilities });
    bench.controller.setSnapshot(snapshot(peer(2)));
  }

  it('is handed over with the plan, and goes with the next look after it is gone', async () => {
    const { clock, network } = bench;
    network.found = [found];
    begin();
    await clock.advance(0);
    expect(shown()).toEqual([[], ['IN_THE_WAY']]);
    network.found = [];
    await clock.advance(59_000);
    expect(shown()).toHaveLength(2);
    await clock.advance(2_000);
    expect(shown()).toEqual([[], ['IN_THE_WAY'], []]);
    expect(network.seen).toHaveLength(1);
  });

  it('stays with later plans, and is looked for once a minute however often peers change', async () => {
    const { clock, network, controller } = bench;
    network.found = [found];
    begin();
    for (let n = 3; n < 9; n++) {
      await clock.advance(1_000);
      controller.setSnapshot(snapshot(peer(2), peer(n)));
    }
    await clock.advance(0);
    expect(network.inspections).toBe(1);
    expect(shown().at(-1)).toEqual(['IN_THE_WAY']);
  });

  it("is looked for soon after the host's networks changed, where they concern the overlay", async () => {
    const { clock, network, kernel } = bench;
    begin();
    await clock.advance(0);
    kernel.addLink({ name: 'lan', addresses: ['172.16.0.1/24'] });
    await clock.advance(5_000);
    expect(network.inspections).toBe(1);
    kernel.addLink({ name: 'docker0', kind: 'bridge', addresses: ['10.5.77.1/24'] });
    network.found = [found];
    await clock.advance(1_000);
    expect(network.inspections).toBe(2);
    expect(shown().at(-1)).toEqual(['IN_THE_WAY']);
  });

  it('stands while the host cannot be looked at, which is logged once', async () => {
    const { clock, network, logger } = bench;
    network.found = [found];
    begin();
    await clock.advance(0);
    network.found = undefined;
    await clock.advance(300_000);
    expect(shown().at(-1)).toEqual(['IN_THE_WAY']);
    expect(logger.lines.filter(({ message }) => message.includes('could not be inspected'))).toHaveLength(1);
  });

  it('stands until the next network has looked itself', async () => {
    const { clock, network, controller } = bench;
    network.found = [found];
    begin();
    await clock.advance(0);
    const next = new RecordingNetwork();
    controller.setNetwork({ network: next, capabilities });
    await clock.advance(0);
    expect(shown().slice(-2)).toEqual([['IN_THE_WAY'], []]);
    expect(next.inspections).toBe(1);
  });
});
