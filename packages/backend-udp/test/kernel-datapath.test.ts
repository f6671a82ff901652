import {
  Ipv4Address,
  TartanError,
  type BackendNetwork,
  type Clock,
  type DataPath,
  type Json,
  type Plan,
} from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { kernelPathAnnouncement } from '../src';
import { FakeKernelPathHost } from './support/fake-kernel-path';
import {
  context,
  externalInterface,
  fakeModule,
  findingLines,
  hostKernel,
  networkConfig,
  ownLease,
  peer,
  planFor,
  signal,
  type Families,
} from './support/nodes';

const announcing = (n: number) => peer(n, { data: kernelPathAnnouncement });
const noAddon = (): TartanError => new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason: 'not built' });

function setUp() {
  const kernel = new FakeKernelPathHost();
  const { module, host } = fakeModule(undefined, { kernelPath: () => kernel.options });
  const netlink = hostKernel();
  const start = async (datapath: string, change: { families?: Families; address?: string; clock?: Clock } = {}) => {
    const { families = 'ipv4', address = '192.168.50.1', clock = new FakeClock() } = change;
    const backend = module.create(
      context({
        netlink,
        clock,
        config: networkConfig(families, { Datapath: datapath }),
        externalInterface: externalInterface({ address: Ipv4Address.parse(address) }),
      }),
    );
    const published: { readonly backendData?: Json } = await backend.prepare(signal);
    const network = await backend.start(ownLease, signal);
    return { published, network, path: pathOf(network) };
  };
  return { kernel, host, netlink, module, start };
}

function pathOf({ dataPath }: BackendNetwork): DataPath {
  if (!dataPath) throw new Error('udp has a data path');
  return dataPath;
}

describe('Datapath "kernel"', () => {
  it('is announced once the kernel took it, and reaches those who announce it too; the loop has everybody', async () => {
    const { kernel, host, start } = setUp();
    const { published, network, path } = await start('kernel', { families: 'dual' });
    expect(published).toEqual({ backendType: '', backendData: { KernelPath: 1 } });
    expect(kernel.running[0]?.place).toMatchObject({ tunName: 'flannel0', uplinkName: 'eth0', port: 8285 });
    const plan = planFor(network, [announcing(2), peer(3), peer(4, { data: { KernelPath: 2 } })]);
    expect(findingLines(plan)).toEqual([]);
    await path.program(plan);
    expect(kernel.running[0]?.programmed).toEqual([
      ['10.5.2.0/24 192.168.50.2:8285', 'fc00:0:0:2::/64 192.168.50.2:8285'],
    ]);
    expect(host.running?.routeLines).toHaveLength(6);
    await path.program(planFor(network, [peer(2)]));
    expect(kernel.running[0]?.programmed[1]).toEqual([]);
  });

  it('a peer that is skipped is skipped in the kernel too', async () => {
    const { kernel, start } = setUp();
    const { network, path } = await start('kernel');
    const twin = peer(3, { subnet: '10.5.2.0/24', data: kernelPathAnnouncement });
    const plan = planFor(network, [announcing(2), twin]);
    expect(findingLines(plan)).toHaveLength(1);
    await path.program(plan);
    expect(kernel.running[0]?.programmed[0]).toHaveLength(1);
  });

  it('a filter that somebody deletes is noticed within half a second, and told until it is put right', async () => {
    const clock = new FakeClock();
    const { kernel, start } = setUp();
    const { network, path } = await start('kernel', { clock });
    const plan = planFor(network, [announcing(2)]);
    await path.program(plan);
    let drifts = 0;
    const watch = path.watch(() => drifts++);
    await clock.advance(5_000);
    expect(drifts).toBe(0);
    kernel.running[0]!.intact = false;
    await clock.advance(500);
    expect(drifts).toBe(1);
    // Who was told tries on by itself.
    await clock.advance(5_000);
    expect(drifts).toBe(1);
    await path.program(plan);
    await clock.advance(500);
    expect(drifts).toBe(2);
    kernel.running[0]!.intact = true;
    await path.program(plan);
    await clock.advance(5_000);
    expect(drifts).toBe(2);
    watch.close();
    expect(clock.timers).toBe(0);
  });

  it('without a kernel path nobody looks for filters', async () => {
    const clock = new FakeClock();
    const { path } = await setUp().start('userspace', { clock });
    const watch = path.watch(() => undefined);
    expect(clock.timers).toBe(0);
    watch.close();
  });

  it('its device is nothing that the plan would take away', async () => {
    const { network } = await setUp().start('kernel');
    const { ownership }: Plan = planFor(network, [announcing(2)]);
    expect(ownership.devices).toEqual(['flannel0']);
  });

  it.each(['start', 'makeReady'] as const)('falls back when %s fails, and says why', async (call) => {
    const { kernel, host, start } = setUp();
    kernel.refuse = { [call]: noAddon() };
    const { published, network, path } = await start('kernel');
    expect(published).toStrictEqual({ backendType: '' });
    const plan = planFor(network, [announcing(2)]);
    expect(plan.findings).toMatchObject([
      { code: 'UDP_DATAPATH_FALLBACK', severity: 'warning', message: expect.stringContaining('not built') as string },
    ]);
    await path.program(plan);
    expect(kernel.running).toEqual([]);
    expect(host.running?.routeLines).toHaveLength(1);
    expect(path.status().features.at(-1)).toMatchObject({ name: 'kernelPath', on: false });
    expect(path.status().bypass).toBeUndefined();
  });

  it('falls back over IPv6 without asking the kernel', async () => {
    const { kernel, start } = setUp();
    const { published, network } = await start('kernel', { families: 'ipv6' });
    expect(published).toStrictEqual({ backendType: '' });
    expect(findingLines(planFor(network, []))).toEqual(['UDP_DATAPATH_FALLBACK Backend.Datapath']);
    expect(kernel.paths).toEqual([]);
  });

  it('peers that cannot be set fail the plan, which is tried again; the loop knows them by then', async () => {
    const { kernel, host, start } = setUp();
    const { network, path } = await start('kernel');
    kernel.refuse = { setPeers: new Error('ENOSPC') };
    await expect(path.program(planFor(network, [announcing(2)]))).rejects.toThrow('ENOSPC');
    expect(host.running?.routeLines).toHaveLength(1);
    kernel.refuse = {};
    await path.program(planFor(network, [announcing(2)]));
    expect(kernel.running[0]?.programmed).toHaveLength(1);
  });

  it('shows its counters and its peers', async () => {
    const { network, path } = await setUp().start('kernel');
    await path.program(planFor(network, [announcing(2), peer(3)]));
    const { features, bypass } = path.status();
    expect(features.at(-1)).toEqual({ name: 'kernelPath', on: true });
    expect(bypass).toMatchObject({
      name: 'kernel path',
      peers: ['10.5.2.0/24'],
      txPackets: 5n,
      rxBytes: 600n,
      left: { 'tx-ttl': 1n, 'rx-foreign': 5n },
      drops: { 'no-room': 6n, forged: 7n },
    });
  });

  it('is let go of at the end, and nothing is removed', async () => {
    const { kernel, netlink, start } = setUp();
    const { network, path } = await start('kernel');
    await path.program(planFor(network, [announcing(2)]));
    await network.close();
    await network.close();
    expect(kernel.running).toEqual([]);
    expect(kernel.removals).toBe(0);
    expect(netlink.hasLink('flannel0')).toBe(true);
    expect(path.status().bypass).toBeUndefined();
  });

  it('goes on when the network is brought up anew in the same place; another place takes over', async () => {
    const { kernel, start } = setUp();
    const first = await start('kernel');
    const second = await start('kernel');
    await first.network.close();
    expect(kernel.paths).toHaveLength(1);
    await second.path.program(planFor(second.network, [announcing(2)]));
    const third = await start('kernel', { address: '192.168.50.9' });
    expect(kernel.running).toHaveLength(2);
    await second.path.program(planFor(second.network, [announcing(2)]));
    await third.path.program(planFor(third.network, [announcing(2)]));
    await second.network.close();
    expect(kernel.paths.map(({ stopped }) => stopped)).toEqual([true, false]);
    await third.network.close();
    expect(kernel.running).toEqual([]);
  });

  it('is put right when its device is gone, down or another one', async () => {
    const { netlink, start } = setUp();
    const { network, path } = await start('kernel');
    await path.program(planFor(network, [announcing(2)]));
    let drifts = 0;
    const watch = path.watch(() => drifts++);
    const after = async (change: () => void): Promise<number> => {
      const before = drifts;
      change();
      await netlink.settled();
      return drifts - before;
    };
    expect(await after(() => netlink.addLink({ name: 'flannel0-rx', kind: 'vxlan' }))).toBeGreaterThan(0);
    expect(await after(() => netlink.removeLink('flannel0-rx'))).toBeGreaterThan(0);
    expect(await after(() => netlink.addLink({ name: 'veth7' }))).toBe(0);
    watch.close();
  });
});

describe('Datapath "userspace" and "auto"', () => {
  it.each(['userspace', 'auto'])('%s asks nothing of the kernel and publishes what flanneld does', async (datapath) => {
    const { kernel, start } = setUp();
    const { published, network, path } = await start(datapath);
    expect(published).toStrictEqual({ backendType: '' });
    await path.program(planFor(network, [announcing(2)]));
    await path.program(planFor(network, [announcing(2), announcing(3)]));
    expect(kernel.paths).toEqual([]);
    expect(kernel.removals).toBe(1);
    expect(findingLines(planFor(network, []))).toEqual([]);
    const shown = path.status().features.filter(({ name }) => name === 'kernelPath');
    expect(shown).toHaveLength(datapath === 'auto' ? 1 : 0);
  });

  it('removes what "kernel" left; without the addon there is nothing; a refusal is tried again', async () => {
    const { kernel, start } = setUp();
    const { network, path } = await start('userspace');
    kernel.refuse = { remove: new Error('EPERM') };
    await expect(path.program(planFor(network, []))).rejects.toThrow('EPERM');
    kernel.refuse = { remove: noAddon() };
    await path.program(planFor(network, []));
    await path.program(planFor(network, []));
    expect(kernel.removals).toBe(2);
  });
});
