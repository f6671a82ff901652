import { backendSuite, type SuiteRunner } from '@tartan/conformance';
import {
  Ipv4Prefix,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type Plan,
  type PlanInput,
} from '@tartan/core';
import { memoryBackend } from './memory-backend';

/*
 * The suite must be able to fail. Each fault below is one that a backend's author makes; the case that is there to find it has to
 * fail, and it alone is run.
 */

interface Case {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Collects the cases instead of running them. */
function collect(module: BackendModule): Case[] {
  const cases: Case[] = [];
  const path: string[] = [];
  const before: (() => Promise<void> | void)[] = [];
  const after: (() => Promise<void> | void)[] = [];
  const runner: SuiteRunner = {
    describe: (name, body) => {
      path.push(name);
      body();
      path.pop();
    },
    it: (name, body) =>
      void cases.push({
        name: [...path, name].join(' '),
        run: async () => {
          for (const hook of before) await hook();
          try {
            await body();
          } finally {
            for (const hook of after) await hook();
          }
        },
      }),
    beforeEach: (body) => void before.push(body),
    afterEach: (body) => void after.push(body),
  };
  backendSuite(runner, { module, convergeWithinMs: 300 });
  return cases;
}

/** The memory backend with one of its parts replaced. */
function faulty(fault: {
  readonly module?: Partial<BackendModule>;
  readonly backend?: (backend: Backend, context: BackendContext) => Partial<Backend>;
  readonly network?: (network: BackendNetwork) => Partial<BackendNetwork>;
}): BackendModule {
  const create = (context: BackendContext): Backend => {
    const inner = memoryBackend.create(context);
    const backend: Backend = {
      prepare: (signal) => inner.prepare(signal),
      start: async (lease, signal) => {
        const network = await inner.start(lease, signal);
        const whole: BackendNetwork = {
          mtuBytes: network.mtuBytes,
          plan: (input) => network.plan(input),
          close: () => network.close(),
        };
        return { ...whole, ...fault.network?.(whole) };
      },
    };
    return { ...backend, ...fault.backend?.(backend, context) };
  };
  return { ...memoryBackend, create, ...fault.module };
}

const planning = (change: (plan: Plan, input: PlanInput) => Plan): BackendModule =>
  faulty({ network: ({ plan }) => ({ plan: (input) => change(plan(input), input) }) });

let calls = 0;

/** Work that grows with the square of the items. */
function comparePairs(items: readonly unknown[], rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    for (const one of items) for (const other of items) if (one === other) calls++;
  }
}

const remembered: Plan['desired']['routes'][number][] = [];

const faults: readonly [fault: string, found: RegExp, module: BackendModule][] = [
  ['a type in capitals', /states a type/, { ...memoryBackend, type: 'Memory' }],
  ['another contract version', /states a type/, { ...memoryBackend, contractVersion: 99 }],
  [
    'a type that is not its own',
    /prepare, IPv4 publishes its type/,
    faulty({ backend: () => ({ prepare: () => Promise.resolve({ backendType: 'other' }) }) }),
  ],
  [
    'data that are no JSON',
    /prepare, IPv4 publishes its type/,
    faulty({
      backend: () => ({
        prepare: () => Promise.resolve({ backendType: 'memory', backendData: new Date() as unknown as string }),
      }),
    }),
  ],
  [
    'new data at each start',
    /prepare, IPv4 publishes the same/,
    faulty({
      backend: () => ({ prepare: () => Promise.resolve({ backendType: 'memory', backendData: { room: ++calls } }) }),
    }),
  ],
  [
    'address translation accepted in spite of its capabilities',
    /prepare, IPv4 treats address translation/,
    faulty({ module: { capabilities: { ...memoryBackend.capabilities, needsOwnPublicIP: true } } }),
  ],
  ['an MTU above the underlay’s', /prepare, IPv4 gives pods an MTU/, faulty({ network: () => ({ mtuBytes: 9000 }) })],
  ['an MTU without IPv6', /prepare, IPv6 gives pods an MTU/, faulty({ network: () => ({ mtuBytes: 1000 }) })],
  [
    'a close that fails the second time',
    /prepare, IPv4 can be closed/,
    faulty({
      network: () => {
        let closed = false;
        return {
          close: () => {
            if (closed) return Promise.reject(new Error('closed already'));
            closed = true;
            return Promise.resolve();
          },
        };
      },
    }),
  ],
  [
    'chance in the plan',
    /plan, IPv4 says the same/,
    planning((plan) => ({
      ...plan,
      findings: [{ severity: 'info', code: 'CALLS', subject: 'plan', message: String(++calls) }],
    })),
  ],
  [
    'a plan that depends on the order',
    /plan, IPv4 does not depend on the order/,
    planning((plan) => ({ ...plan, desired: { ...plan.desired, routes: plan.desired.routes.slice(0, 2) } })),
  ],
  [
    'a memory of former plans',
    /plan, IPv4 does not depend on what it planned before/,
    planning((plan) => {
      remembered.push(...plan.desired.routes);
      const routes = [...new Map(remembered.map((route) => [route.dst.toString(), route])).values()];
      return { ...plan, desired: { ...plan.desired, routes } };
    }),
  ],
  [
    'changes to its input',
    /plan, IPv4 leaves its input/,
    planning((plan, { snapshot }) => {
      (snapshot.leases as unknown[]).pop();
      return plan;
    }),
  ],
  [
    'a peer left out',
    /plan, IPv4 reaches every peer/,
    planning((plan) => ({ ...plan, desired: { ...plan.desired, routes: plan.desired.routes.slice(1) } })),
  ],
  [
    'a route for the own subnet',
    /plan, IPv4 routes nothing of our own/,
    planning((plan) => ({
      ...plan,
      desired: {
        ...plan.desired,
        routes: [...plan.desired.routes, { dst: Ipv4Prefix.parse('10.0.1.128/25'), ifname: 'lo' }],
      },
    })),
  ],
  [
    'an object without ownership',
    /plan, IPv4 owns everything/,
    planning((plan) => ({
      ...plan,
      desired: { ...plan.desired, routes: [{ dst: Ipv4Prefix.parse('192.0.2.0/24'), ifname: 'lo' }] },
    })),
  ],
  [
    'no proof of the segment',
    /plan, IPv4 proves the segment/,
    faulty({ module: { capabilities: { ...memoryBackend.capabilities, needsSameL2: true, underlayFacts: true } } }),
  ],
  [
    'a plan that looks at every peer for every peer',
    /plans 5000 peers/,
    faulty({
      network: ({ plan }) => ({
        plan: (input) => {
          const { snapshot } = input;
          comparePairs(snapshot.leases, 4);
          return plan({ ...input, snapshot: { ...snapshot, leases: snapshot.leases.slice(-1) } });
        },
      }),
    }),
  ],
  [
    'an error for bad data',
    /a peer, IPv4, that publishes null/,
    planning((plan, { snapshot }) => {
      for (const { attrs } of snapshot.leases) if (attrs.backendData === null) throw new Error('no room');
      return plan;
    }),
  ],
  [
    'a route to whatever a peer claims',
    /a peer, IPv4, that claims our subnet/,
    planning((plan, { snapshot }) => ({
      ...plan,
      desired: {
        ...plan.desired,
        routes: snapshot.leases.map(({ subnet }) => ({ dst: subnet as Ipv4Prefix, ifname: 'lo' })),
      },
    })),
  ],
  [
    'a finding that nobody can count',
    /a peer, IPv4, that has no subnet/,
    planning((plan) => ({ ...plan, findings: [{ severity: 'info', code: 'odd code', subject: 'x', message: 'y' }] })),
  ],
  [
    'an interface that does not exist',
    /on the kernel, IPv4, every peer is reached/,
    planning((plan) => ({
      ...plan,
      desired: { ...plan.desired, routes: plan.desired.routes.map((route) => ({ ...route, ifname: 'none0' })) },
    })),
  ],
  [
    'routes that it removes on close',
    /on the kernel, IPv4, stopping and closing/,
    faulty({
      backend: (backend, { netlink }) => ({
        start: async (lease, signal) => ({
          ...(await backend.start(lease, signal)),
          close: async () => {
            const routes = await netlink.listRoutes({ protocol: 158 });
            await netlink.apply(routes.map(({ dst, protocol }) => ({ op: 'route-delete', route: { dst, protocol } })));
          },
        }),
      }),
    }),
  ],
];

describe('the backend suite', () => {
  it.each(faults)('finds %s', async (_, found, module) => {
    const [first] = collect(module).filter(({ name }) => found.test(name));
    expect(first).toBeDefined();
    await expect(first!.run()).rejects.toThrow();
  });

  it('has no two cases of one name', () => {
    const names = collect(memoryBackend).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
