import type { BackendNetwork, DataPath } from '@tartan/core';
import { FakePacketHost } from './support/fake-packet-loop';
import { externalInterface, fakeModule, hostKernel, networkConfig, peer, planFor, startNetwork } from './support/nodes';

function setUp() {
  const { module, host } = fakeModule(new FakePacketHost());
  const netlink = hostKernel();
  const start = (options = {}, mtuBytes = 1500): Promise<BackendNetwork> =>
    startNetwork(module, {
      netlink,
      config: networkConfig('ipv4', options),
      externalInterface: externalInterface({ mtuBytes }),
    });
  return { module, host, netlink, start };
}

const program = (network: BackendNetwork, ...numbers: number[]): Promise<void> =>
  pathOf(network).program(
    planFor(
      network,
      numbers.map((n) => peer(n)),
    ),
  );

function pathOf({ dataPath }: BackendNetwork): DataPath {
  if (!dataPath) throw new Error('udp has a data path');
  return dataPath;
}

describe('the packet loop', () => {
  it('starts with the first plan, knows the peers, and stops when it is closed', async () => {
    const { host, start, netlink } = setUp();
    const network = await start();
    expect(host.loops).toEqual([]);
    expect(pathOf(network).status()).toMatchObject({ name: 'packet loop', running: false, features: [] });
    await program(network, 2);
    expect(host.running?.routeLines).toEqual(['10.5.2.0/24 192.168.50.2:8285 from 10.5.2.0']);
    expect(netlink.link('flannel0').kind).toBe('tun');
    expect(pathOf(network).status().running).toBe(true);
    await network.close();
    await network.close();
    expect(host.running).toBeUndefined();
    expect(netlink.hasLink('flannel0')).toBe(true);
  });

  it('gets what the config says', async () => {
    const { host, start } = setUp();
    await program(await start({ Port: 9000, Keepalive: 25, Queues: 2, UDPGRO: false, MTU: 1400 }));
    expect(host.running?.options).toMatchObject({
      tunName: 'flannel0',
      mtuBytes: 1372,
      listen: { port: 9000 },
      queues: 2,
      keepaliveSeconds: 25,
      offloads: { udpGro: false, tunTso: true },
    });
    expect(String(host.running?.options.listen.ipv4)).toBe('192.168.50.1');
    expect(host.running?.options.listen).not.toHaveProperty('ipv6');
  });

  it('takes a new table without a restart', async () => {
    const { host, start } = setUp();
    const network = await start();
    await program(network, 2);
    await program(network, 3, 4);
    expect(host.loops).toHaveLength(1);
    expect(host.running?.routeLines).toHaveLength(2);
  });

  it('goes on when the network is brought up anew with the same options, whichever is closed first', async () => {
    const { host, start } = setUp();
    const first = await start();
    await program(first, 2);
    const second = await start();
    await first.close();
    expect(host.running).toBeDefined();
    await program(second, 2, 3);
    expect(host.loops).toHaveLength(1);
    expect(host.running?.routeLines).toHaveLength(2);
    await second.close();
    expect(host.running).toBeUndefined();
  });

  it('is replaced when its options change, and its counters go on', async () => {
    const { host, start } = setUp();
    const first = await start();
    await program(first, 2);
    Object.assign(host.running?.counted ?? {}, { txPackets: 5n, drops: { ttl: 1n } });
    const second = await start({}, 1400);
    await program(second, 2);
    expect(host.loops.map(({ state }) => state)).toEqual(['stopped', 'running']);
    Object.assign(host.running?.counted ?? {}, { txPackets: 2n, rxBytes: 9n, drops: { ttl: 2n, 'no-route': 1n } });
    await first.close();
    expect(pathOf(second).status().counters).toMatchObject({
      txPackets: 7n,
      rxBytes: 9n,
      drops: { ttl: 3n, 'no-route': 1n },
      operations: { udpSends: 0n },
    });
  });

  it('is made anew when its TUN was deleted, or is another one', async () => {
    const { host, start, netlink } = setUp();
    const network = await start();
    await program(network, 2);
    const seen: string[] = [];
    const watch = pathOf(network).watch(() => seen.push('drift'));
    netlink.removeLink('flannel0');
    await netlink.settled();
    expect(seen).toEqual(['drift']);
    await program(network, 2);
    expect(netlink.hasLink('flannel0')).toBe(true);
    netlink.recreateLink('flannel0');
    await netlink.settled();
    expect(seen.length).toBeGreaterThan(1);
    await program(network, 2);
    expect(host.loops.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'running']);
    watch.close();
  });

  it('says nothing of other devices, nor of what is set on its own', async () => {
    const { start, netlink } = setUp();
    const network = await start();
    await program(network, 2);
    let drifts = 0;
    const watch = pathOf(network).watch(() => drifts++);
    netlink.addLink({ name: 'veth1' });
    netlink.removeLink('veth1');
    netlink.setLinkUp('flannel0');
    await netlink.settled();
    expect(drifts).toBe(0);
    netlink.loseEvents();
    netlink.addLink({ name: 'veth2' });
    netlink.loseEvents();
    await netlink.settled();
    expect(drifts).toBeGreaterThan(0);
    watch.close();
  });

  it('that cannot start is tried again at the next call', async () => {
    const { host, start } = setUp();
    const network = await start();
    host.startFailure = new Error('EBUSY');
    await expect(program(network, 2)).rejects.toThrow('EBUSY');
    expect(pathOf(network).status().running).toBe(false);
    await program(network, 2);
    expect(host.running?.routeLines).toHaveLength(1);
  });

  it('does not start again after the end', async () => {
    const { host, start } = setUp();
    const network = await start();
    const programming = program(network, 2);
    await network.close();
    await programming.catch(() => undefined);
    expect(host.running).toBeUndefined();
    await expect(program(network, 2)).rejects.toThrow('released');
  });

  it('that already listens does not count as somebody else’s port', async () => {
    const checked: number[] = [];
    const { module } = fakeModule(undefined, {
      checkPortFree: (_, port) => {
        checked.push(port);
        return Promise.resolve();
      },
    });
    const netlink = hostKernel();
    const config = networkConfig('ipv4');
    const network = await startNetwork(module, { netlink, config });
    await program(network, 2);
    await startNetwork(module, { netlink, config });
    await startNetwork(module, { netlink, config: networkConfig('ipv4', { Port: 9000 }) });
    expect(checked).toEqual([8285, 9000]);
  });
});
