import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeNode, errorOf, success } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

/* State of attachments: what DEL and GC find, for how long, and beside the original plugin. */

let program: string;
let node: FakeNode;
beforeAll(() => (program = builtProgram('tartan-sanitized')), BUILD_PATIENCE_MS);
beforeEach(() => (node = new FakeNode(program)));
afterEach(() => node.remove());

const originalConfig = { name: 'cbr0', type: 'bridge', mtu: 1400, ipam: { type: 'host-local' } };

function leaveByOriginal(containerId: string, text = JSON.stringify(originalConfig)): void {
  mkdirSync(node.dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(node.dataDir, containerId), text, { mode: 0o600 });
}

const saved = (name: string): unknown => JSON.parse(readFileSync(join(node.dataDir, name), 'utf8'));

describe('DEL', () => {
  test('works from state alone, and a second one changes nothing', async () => {
    await node.call({ command: 'ADD' });
    node.writeSubnetEnv(null);
    const config = { delegate: { type: 'macvlan' }, prevResult: { cniVersion: '1.0.0', ips: [] } };
    expect(await node.call({ command: 'DEL', netns: null, config })).toEqual(success);
    expect(node.asked('DEL.c1.eth0')).toEqual({
      ...node.asked('ADD.c1.eth0'),
      prevResult: { cniVersion: '1.0.0', ips: [] },
    });
    expect(node.calls()).toEqual(['bridge ADD.c1.eth0', 'bridge DEL.c1.eth0']);
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.calls()).toEqual([]);
    expect(node.state()).toEqual([]);
  });

  test('C1: state is kept until the delegate has deleted', async () => {
    await node.call({ command: 'ADD' });
    const error = '{"code":11,"msg":"try again"}';
    node.answer('DEL', error, 1);
    expect(await node.call({ command: 'DEL' })).toEqual({ exitCode: 1, stdout: error, stderr: '' });
    expect(node.state()).toEqual(['c1', 'c1@eth0']);
    node.answer('DEL', '');
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.calls()).toEqual(['bridge ADD.c1.eth0', 'bridge DEL.c1.eth0', 'bridge DEL.c1.eth0']);
    expect(node.state()).toEqual([]);
  });

  test('a result in another version is not passed on', async () => {
    await node.call({ command: 'ADD' });
    await node.call({ command: 'DEL', config: { cniVersion: '1.1.0', prevResult: { cniVersion: '1.1.0' } } });
    expect(node.asked('DEL.c1.eth0')).not.toHaveProperty('prevResult');
  });

  test('what a power cut left of the state is made again, or left alone', async () => {
    leaveByOriginal('c1', '{"name":"cb');
    node.writeSubnetEnv(null);
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.state()).toEqual(['c1']);
    node.writeSubnetEnv(
      'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n',
    );
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.calls()).toEqual(['bridge DEL.c1.eth0']);
    expect(node.state()).toEqual([]);
  });
});

describe('several interfaces of one container (C2)', () => {
  const second = { ifname: 'net1', config: { name: 'second', delegate: { type: 'macvlan' } } };

  beforeEach(() => node.addDelegate('macvlan'));

  test('each is deleted by its own delegate, in either order', async () => {
    for (const order of [
      ['eth0', 'net1'],
      ['net1', 'eth0'],
    ]) {
      await node.call({ command: 'ADD' });
      await node.call({ command: 'ADD', ...second });
      expect(node.state()).toEqual(['c1', 'c1@eth0', 'c1@net1']);
      expect(saved('c1')).toMatchObject({ type: 'bridge' });
      node.calls();
      for (const ifname of order) {
        expect(await node.call({ command: 'DEL', ...(ifname === 'net1' ? second : {}) })).toEqual(success);
      }
      expect(node.calls()).toEqual(
        order.map((ifname) => `${ifname === 'net1' ? 'macvlan' : 'bridge'} DEL.c1.${ifname}`),
      );
      expect(node.state()).toEqual([]);
    }
  });

  test('the name that the original reads passes to the other one', async () => {
    await node.call({ command: 'ADD' });
    await node.call({ command: 'ADD', ...second });
    await node.call({ command: 'DEL' });
    expect(node.state()).toEqual(['c1', 'c1@net1']);
    expect(saved('c1')).toMatchObject({ type: 'macvlan' });
  });

  test('an interface that was never added does not take the state of another', async () => {
    await node.call({ command: 'ADD' });
    node.calls();
    expect(await node.call({ command: 'DEL', ...second })).toEqual(success);
    expect(node.calls()).toEqual([]);
    expect(node.state()).toEqual(['c1', 'c1@eth0']);
  });

  test('a repeated ADD replaces what it saved, under both names', async () => {
    await node.call({ command: 'ADD' });
    await node.call({ command: 'ADD', config: { delegate: { mtu: 999 } } });
    expect([saved('c1'), saved('c1@eth0')]).toMatchObject([{ mtu: 999 }, { mtu: 999 }]);
    await node.call({ command: 'DEL' });
    expect(node.state()).toEqual([]);
  });
});

describe('beside the original plugin (rule 0.9)', () => {
  test('what it added is deleted, with exactly its config', async () => {
    leaveByOriginal('c1');
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.asked('DEL.c1.eth0')).toEqual(originalConfig);
    expect(node.state()).toEqual([]);
  });

  test('C1 holds for it too', async () => {
    leaveByOriginal('c1');
    node.answer('DEL', '{"code":11,"msg":"try again"}', 1);
    expect(errorOf(await node.call({ command: 'DEL' })).code).toBe(11);
    expect(node.state()).toEqual(['c1']);
  });

  test('an interface that we add to its container does not touch its state', async () => {
    leaveByOriginal('c1');
    await node.call({ command: 'ADD', ifname: 'net1' });
    expect(saved('c1')).toEqual(originalConfig);
    await node.call({ command: 'DEL', ifname: 'net1' });
    expect(node.state()).toEqual(['c1']);
  });

  test('what it deleted of ours is gone for us', async () => {
    await node.call({ command: 'ADD' });
    // As the original does: read <dataDir>/<containerID>, run the delegate, remove the file.
    rmSync(join(node.dataDir, 'c1'));
    expect(await node.call({ command: 'DEL' })).toEqual(success);
    expect(node.state()).toEqual([]);
  });
});

describe('GC', () => {
  const collect = (valid: unknown, config: Record<string, unknown> = {}) =>
    node.call({
      command: 'GC',
      containerId: null,
      ifname: null,
      netns: null,
      config: { cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid, ...config },
    });
  const valid = [{ containerID: 'c1', ifname: 'eth0' }];

  beforeEach(async () => {
    await node.call({ command: 'ADD', containerId: 'c1' });
    await node.call({ command: 'ADD', containerId: 'c1', ifname: 'net1' });
    await node.call({ command: 'ADD', containerId: 'c2' });
    await node.call({ command: 'ADD', containerId: 'c3', config: { name: 'another-network' } });
    node.calls();
  });

  test('deletes what is stale in this network, then asks the delegate', async () => {
    leaveByOriginal('c0', JSON.stringify({ ...originalConfig, name: 'cni-flannel' }));
    leaveByOriginal('c9', JSON.stringify({ ...originalConfig, name: 'not-ours' }));
    expect(await collect(valid)).toEqual(success);
    expect(node.calls()).toEqual(['bridge DEL.c0.eth0', 'bridge DEL.c1.net1', 'bridge DEL.c2.eth0', 'bridge GC..']);
    expect(node.environmentOf('DEL.c2.eth0').filter((line) => line.startsWith('CNI_NETNS='))).toEqual([]);
    expect(node.asked('GC..')).toMatchObject({ type: 'bridge', 'cni.dev/valid-attachments': valid });
    expect(node.state()).toEqual(['c1', 'c1@eth0', 'c3', 'c3@eth0', 'c9']);
  });

  test('an empty list, which Go prints as null, makes everything stale; no list nothing', async () => {
    expect(await collect(undefined)).toEqual(success);
    expect(node.calls()).toEqual(['bridge GC..']);
    expect(await collect(null)).toEqual(success);
    expect(node.state()).toEqual(['c3', 'c3@eth0']);
  });

  test('one failure keeps only its own state, and is told at the end', async () => {
    node.addDelegate('stubborn', '#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && echo "{}" && exit\nexit 7\n');
    await node.call({ command: 'ADD', containerId: 'c15', config: { delegate: { type: 'stubborn' } } });
    const error = errorOf(await collect(valid));
    expect(error).toMatchObject({ code: 999, details: 'c15 eth0: plugin stubborn failed with exit code 7' });
    expect(node.calls()).toEqual(['bridge DEL.c1.net1', 'bridge DEL.c2.eth0', 'bridge GC..']);
    expect(node.state()).toEqual(['c1', 'c15', 'c15@eth0', 'c1@eth0', 'c3', 'c3@eth0']);
  });

  test('cleans without subnet.env too, but says that the delegate was not asked', async () => {
    node.writeSubnetEnv(null);
    expect(errorOf(await collect(valid)).details).toContain('no such file or directory');
    expect(node.state()).toEqual(['c1', 'c1@eth0', 'c3', 'c3@eth0']);
  });

  test('a list that is none is refused before anything is deleted', async () => {
    for (const wrong of [7, 'c1', [7], [{ containerID: 7 }]]) {
      expect(errorOf(await collect(wrong)).code).toBe(7);
    }
    expect(node.calls()).toEqual([]);
  });

  test('temporary files of writers that were killed go after an hour', async () => {
    const [old, fresh] = ['.1-00.tmp', '.2-00.tmp'].map((name) => join(node.dataDir, name)) as [string, string];
    for (const path of [old, fresh]) writeFileSync(path, 'half');
    const longAgo = Date.now() / 1000 - 7200;
    utimesSync(old, longAgo, longAgo);
    expect(await collect([...valid, { containerID: 'c2', ifname: 'eth0' }])).toEqual(success);
    expect(node.state()).toContain('.2-00.tmp');
    expect(node.state()).not.toContain('.1-00.tmp');
  });
});

test('many containers at once', async () => {
  const containers = Array.from({ length: 24 }, (_, i) => `pod${i}`);
  const all = (command: string) => Promise.all(containers.map((containerId) => node.call({ command, containerId })));
  for (const outcome of await all('ADD')) expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  expect(node.state()).toHaveLength(2 * containers.length);
  for (const outcome of await all('DEL')) expect(outcome).toEqual(success);
  expect(node.state()).toEqual([]);
});
