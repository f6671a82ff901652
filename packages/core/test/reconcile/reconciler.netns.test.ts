import {
  createReconciler,
  parseIpPrefix,
  silentLogger,
  systemClock,
  type Plan,
  type Reconciler,
  type RtNetlink,
} from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace, type TestNamespace } from '../../../netlink/test/support/namespaces';
import { networks, peerRoute, planOf, route } from './support';

/** On the real kernel: what the fake may have got wrong, and how long things take. */

let namespace: TestNamespace;
let netlink: RtNetlink;
let reconciler: Reconciler;
let controller: AbortController;
let ended: Promise<void>;

const three = planOf({
  routes: [peerRoute(2), peerRoute(3), route('fc00:0:0:2::/64 via fd00::2 dev eth0')],
});

function ip(text: string): string {
  return namespace.run('ip', ...text.split(' '));
}

function addUnderlay(): void {
  ip('link add eth0 type veth peer name segment');
  ip('link set segment up');
  bringUp();
}

function bringUp(): void {
  ip('link set eth0 up');
  ip('address replace 192.168.50.1/16 dev eth0');
  ip('address replace fd00::1/64 dev eth0 nodad');
}

/** Routes of ours in iproute2's words, sorted. */
function ours(): string[] {
  const lines = [ip('route show proto 158'), ip('-6 route show proto 158')].join('\n').split('\n');
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort();
}

async function until(condition: () => boolean, withinMs = 5_000): Promise<number> {
  const startedAt = performance.now();
  while (!condition()) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms:\n${ours().join('\n')}`);
    await systemClock.sleep(2);
  }
  return performance.now() - startedAt;
}

/** From the kernel's word that the route is gone to its word that it is back. */
async function repairTimeMs(command: string): Promise<number> {
  let goneAt = 0;
  let backAt = 0;
  const subscription = netlink.subscribe(['route'], (event) => {
    if (event.type !== 'route' || event.route.protocol !== 158) return;
    if (event.action === 'del') goneAt = performance.now();
    else backAt = performance.now();
  });
  await subscription.ready;
  ip(command);
  await until(() => goneAt > 0 && backAt > goneAt);
  subscription.close();
  return backAt - goneAt;
}

async function start(plan: Plan): Promise<void> {
  reconciler.setPlan(plan);
  await reconciler.whenSynced(AbortSignal.timeout(10_000));
}

beforeEach(async () => {
  namespace = await createNamespace();
  ip('link set lo up');
  addUnderlay();
  netlink = createRtNetlink({ netns: namespace.pid });
  controller = new AbortController();
  reconciler = createReconciler({ netlink, clock: systemClock, logger: silentLogger, networks });
  ended = reconciler.run(controller.signal);
});

afterEach(async () => {
  controller.abort();
  await ended;
  netlink.close();
  await namespace.close();
});

describe('reconciler on the kernel', () => {
  it('programs the plan, and takes its own notifications for what they are', async () => {
    let echoes = 0;
    const subscription = netlink.subscribe(['route'], (event) => {
      if (event.type === 'route' && event.route.protocol === 158) echoes++;
    });
    await subscription.ready;
    await start(three);
    expect(ours()).toEqual([
      '10.5.2.0/24 via 192.168.50.2 dev eth0',
      '10.5.3.0/24 via 192.168.50.3 dev eth0',
      'fc00:0:0:2::/64 via fd00::2 dev eth0 metric 1024 pref medium',
    ]);
    await until(() => echoes === 3);
    subscription.close();
    // Those of the plan and of the subscription becoming ready; a pass for each echo would make more.
    expect(reconciler.status().passes).toBeLessThanOrEqual(2);
  });

  it.each(['route del 10.5.3.0/24', '-6 route del fc00:0:0:2::/64'])(
    'has "%s" undone within 100 ms',
    async (command) => {
      await start(three);
      const before = ours();
      const times: number[] = [];
      // The best of ten: a busy machine delays the test as well as the repair.
      while (times.length < 10 && Math.min(...times) >= 100) times.push(await repairTimeMs(command));
      console.log(`"ip ${command}" undone after ${times.map((time) => time.toFixed(1)).join(', ')} ms`);
      expect(Math.min(...times)).toBeLessThan(100);
      expect(ours()).toEqual(before);
    },
  );

  it('puts everything back after a link flap', async () => {
    await start(three);
    const before = ours();
    ip('link set eth0 down');
    expect(ours()).toEqual([]);
    bringUp();
    await until(() => ours().length === before.length);
    expect(ours()).toEqual(before);
  });

  it('follows the interface to a new index', async () => {
    await start(three);
    const before = ours();
    ip('link del eth0');
    addUnderlay();
    await until(() => ours().length === before.length);
    expect(ours()).toEqual(before);
  });

  it('adopts what flanneld left without a gap', async () => {
    ip('route add 10.5.2.0/24 via 192.168.50.2 dev eth0 proto boot');
    ip('route add 10.5.9.0/24 via 192.168.50.2 dev eth0 proto boot');
    ip('-6 route add fc00:0:0:2::/64 via fd00::2 dev eth0 proto boot');
    const deleted: string[] = [];
    const subscription = netlink.subscribe(['route'], (event) => {
      if (event.type === 'route' && event.action === 'del') deleted.push(event.route.dst.toString());
    });
    await subscription.ready;
    await start({
      ...three,
      ownership: { devices: [], adoptRoutesVia: three.desired.routes.map(({ gateway }) => gateway!) },
    });
    await until(() => deleted.includes('10.5.9.0/24'));
    subscription.close();
    expect(ours()).toHaveLength(3);
    expect(ip('route show proto boot') + ip('-6 route show proto boot')).toBe('');
    // IPv6 tells of a replaced route as of a deleted one only when it really was gone.
    expect(deleted).toEqual(['10.5.9.0/24']);
  });

  it('puts our blackhole in the place of flannel’s', async () => {
    ip('route add blackhole 10.5.1.0/24');
    ip('-6 route add blackhole fc00:0:0:1::/64');
    const blackhole = { type: 'blackhole' as const, metric: 2 ** 31 - 1 };
    const routes = ['10.5.1.0/24', 'fc00:0:0:1::/64'].map((dst) => ({ ...blackhole, dst: parseIpPrefix(dst) }));
    await start({ ...three, desired: { ...three.desired, routes: [...three.desired.routes, ...routes] } });
    await until(() => ip('route show type blackhole proto boot') === '');
    await until(() => ip('-6 route show type blackhole proto boot') === '');
    expect(ip('route show type blackhole')).toContain('10.5.1.0/24 proto 158 metric 2147483647');
    expect(ip('-6 route show type blackhole')).toContain('fc00:0:0:1::/64');
  });

  it('leaves a foreign route with our key alone until it goes', async () => {
    ip('route add 10.5.3.0/24 via 192.168.50.99 dev eth0 proto static');
    await start(three);
    expect(reconciler.status().findings).toMatchObject([{ code: 'ROUTE_CONFLICT' }]);
    expect(ours()).toHaveLength(2);
    // The very command that the finding names.
    const cure = reconciler.status().findings[0]!.cure!;
    ip(/ip (route del .*)$/.exec(cure)![1]!);
    await until(() => ours().length === 3);
  });

  it('gives a route back that somebody changed to another metric or gateway', async () => {
    await start(three);
    const before = ours();
    ip('route del 10.5.3.0/24');
    ip('route add 10.5.3.0/24 via 192.168.50.77 dev eth0 proto 158 metric 5');
    await until(() => ours().join() === before.join());
  });

  it('keeps 5,000 routes right', async () => {
    // The n-th /29 of 10.5.0.0/16.
    const routes = Array.from({ length: 5_000 }, (_, n) =>
      route(`10.5.${(n * 8) >> 8}.${(n * 8) & 255}/29 via 192.168.50.2 dev eth0`),
    );
    const startedAt = performance.now();
    await start(planOf({ routes }));
    const programMs = performance.now() - startedAt;
    await until(() => reconciler.status().synced);
    reconciler.requestPass();
    const passes = reconciler.status().passes;
    await until(() => reconciler.status().passes > passes);
    const lookMs = reconciler.status().lastPass!.durationMs;
    console.log(`5,000 routes: programmed in ${Math.round(programMs)} ms, compared in ${Math.round(lookMs)} ms`);
    expect(ours()).toHaveLength(5_000);
    expect(reconciler.status().lastPass).toMatchObject({ applied: 0, failed: 0 });
  });
});
