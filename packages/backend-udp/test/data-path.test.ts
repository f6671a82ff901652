import { Ipv4Address, type BackendNetwork, type DataPath } from '@tartan/core';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSavedLoop, type SavedLoop } from '../src/resume/saved-loop';
import { FakePacketHost } from './support/fake-packet-loop';
import { externalInterface, fakeModule, hostKernel, networkConfig, peer, planFor, startNetwork } from './support/nodes';
import { savedLoop } from './support/saved';

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

describe('a loop that the process went on with', () => {
  const saved = savedLoop({ ifindex: 3 });

  async function resumedHost(change: Partial<SavedLoop> = {}, options = {}) {
    const netlink = hostKernel();
    const host = new FakePacketHost();
    const first = host.create(describeFirst(), netlink);
    await first.start();
    let given = false;
    const portChecks: number[] = [];
    const { module } = fakeModule(host, {
      takeResumedLoop: () => {
        if (given) return undefined;
        given = true;
        return { loop: first, saved: { ...saved, ifindex: netlink.link('flannel0').index, ...change } };
      },
      checkPortFree: (_, port) => {
        portChecks.push(port);
        return Promise.resolve();
      },
    });
    const network = await startNetwork(module, {
      netlink,
      config: networkConfig('ipv4', options),
      externalInterface: externalInterface(),
    });
    return { host, first, network, portChecks };
  }

  const describeFirst = () => ({
    tunName: 'flannel0',
    mtuBytes: 1472,
    listen: { ipv4: Ipv4Address.parse('192.168.50.1'), port: 8285 },
  });

  it('is the loop of the network, with the saved peers until the first plan', async () => {
    const { host, first, network, portChecks } = await resumedHost();
    expect(portChecks).toEqual([]);
    expect(pathOf(network).status().running).toBe(true);
    await program(network, 2, 4);
    expect(host.loops).toEqual([first]);
    expect(first.routeLines).toEqual([
      '10.5.2.0/24 192.168.50.2:8285 from 10.5.2.0',
      '10.5.4.0/24 192.168.50.4:8285 from 10.5.4.0',
    ]);
    await network.close();
    expect(first.state).toBe('stopped');
  });

  it.each([
    ['port', {}, { Port: 9000 }],
    ['MTU', {}, { MTU: 1400 }],
    ['keep-alive', {}, { Keepalive: 25 }],
    ['offloads', {}, { UDPGRO: false }],
    ['network', { networks: ['10.6.0.0/16'] }, {}],
    ['families', { networks: ['10.5.0.0/16', 'fc00::/48'] }, {}],
  ])('is stopped at once when the config has another %s', async (_, change, options) => {
    const { host, first, network, portChecks } = await resumedHost(change, options);
    expect(first.state).toBe('stopped');
    expect(portChecks).toHaveLength(1);
    await program(network, 2);
    expect(host.running).not.toBe(first);
    expect(host.running?.routeLines).toHaveLength(1);
    await network.close();
  });

  it('is replaced when its device is another one by now', async () => {
    const { host, first, network } = await resumedHost({ ifindex: 999 });
    await program(network, 2);
    expect(first.state).toBe('stopped');
    expect(host.running).toBe(host.loops[1]);
    await network.close();
  });
});

describe('what the next process goes on with', () => {
  it('is remembered with every table, and written out when nobody needs the loop any more', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'data-path-'));
    const resume = { path: join(folder, 'resume-1'), startedWith: 'options' };
    const { module } = fakeModule(new FakePacketHost());
    const netlink = hostKernel();
    const start = (): Promise<BackendNetwork> =>
      startNetwork(module, { netlink, config: networkConfig('ipv4'), resume });
    const [first, second] = [await start(), await start()];
    await program(first, 2);
    await program(second, 2, 3);
    await first.close();
    expect(existsSync(resume.path)).toBe(false);
    await second.close();
    const { startedWith, ifindex, networks, routes, options } = decodeSavedLoop(readFileSync(resume.path));
    expect({ startedWith, ifindex, networks, options }).toEqual({
      startedWith: 'options',
      ifindex: netlink.link('flannel0').index,
      networks: ['10.5.0.0/16'],
      options: savedLoop().options,
    });
    expect(routes).toHaveLength(112);
    rmSync(folder, { recursive: true });
  });
});
