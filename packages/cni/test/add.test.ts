import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FakeNode, dualStackEnv, errorOf, someResult, subnetEnv } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

let program: string;
let node: FakeNode;
beforeAll(() => (program = builtProgram('tartan-sanitized')), BUILD_PATIENCE_MS);
beforeEach(() => (node = new FakeNode(program)));
afterEach(() => node.remove());

const shipped = { delegate: { hairpinMode: true, isDefaultGateway: true } };
const ipv4Ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.17.0/24' }]], routes: [{ dst: '10.1.0.0/16' }] };

/* The golden values are the original's (flannel-compat 9.3). */
const golden: [string, { env?: string; config?: Record<string, unknown>; delegate: Record<string, unknown> }][] = [
  [
    'IPv4, no delegate',
    {
      delegate: { type: 'bridge', ipMasq: false, mtu: 1472, isGateway: true, ipam: ipv4Ipam },
    },
  ],
  [
    'as the manifest ships it',
    {
      config: shipped,
      delegate: {
        type: 'bridge',
        hairpinMode: true,
        isDefaultGateway: true,
        ipMasq: false,
        mtu: 1472,
        isGateway: true,
        ipam: ipv4Ipam,
      },
    },
  ],
  [
    'dual stack, masqueraded by the delegate',
    {
      env: dualStackEnv,
      delegate: {
        type: 'bridge',
        ipMasq: true,
        mtu: 1450,
        isGateway: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '10.42.3.0/24' }], [{ subnet: '2001:cafe:42:3::/64' }]],
          routes: [{ dst: '10.42.0.0/16' }, { dst: '2001:cafe:42::/56' }],
        },
      },
    },
  ],
  [
    'IPv6 only',
    {
      env: 'FLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00::1/64\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n',
      delegate: {
        type: 'bridge',
        ipMasq: false,
        mtu: 1472,
        isGateway: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: 'fc00::/64' }]], routes: [{ dst: 'fc00::/48' }] },
      },
    },
  ],
  [
    'several networks, one of them twice, and routes of our own first',
    {
      env: subnetEnv.replace('10.1.0.0/16', '10.1.0.0/16,10.9.0.0/16,10.1.2.3/16'),
      config: { ipam: { type: 'static', dataDir: '/elsewhere', routes: [{ dst: '0.0.0.0/0', gw: '10.1.17.1' }] } },
      delegate: {
        type: 'bridge',
        ipMasq: false,
        mtu: 1472,
        isGateway: true,
        ipam: {
          type: 'static',
          dataDir: '/elsewhere',
          ranges: [[{ subnet: '10.1.17.0/24' }]],
          routes: [{ dst: '0.0.0.0/0', gw: '10.1.17.1' }, { dst: '10.1.0.0/16' }, { dst: '10.9.0.0/16' }],
        },
      },
    },
  ],
  [
    'another delegate: no gateway, values of its own kept, version overwritten, ranges overwritten',
    {
      config: {
        delegate: { type: 'ipvlan', master: 'eth9', ipMasq: true, mtu: 1300, cniVersion: '0.1.0' },
        ipam: { ranges: [[{ subnet: '192.0.2.0/24' }]] },
        runtimeConfig: { portMappings: [{ hostPort: 80 }] },
      },
      delegate: {
        type: 'ipvlan',
        master: 'eth9',
        ipMasq: true,
        mtu: 1300,
        runtimeConfig: { portMappings: [{ hostPort: 80 }] },
        ipam: ipv4Ipam,
      },
    },
  ],
];

describe('what the delegate is asked to do', () => {
  test.each(golden)('%s', async (_, { env = subnetEnv, config = {}, delegate }) => {
    node.writeSubnetEnv(env);
    node.addDelegate('ipvlan');
    const outcome = await node.call({ command: 'ADD', config });
    expect(outcome).toEqual({ exitCode: 0, stdout: JSON.stringify(someResult), stderr: '' });
    const expected = { cniVersion: '1.0.0', name: 'cni-flannel', ...delegate };
    expect(node.asked('ADD.c1.eth0')).toEqual(expected);
    // Rule 0.9: the original deletes from this file.
    expect(JSON.parse(readFileSync(join(node.dataDir, 'c1'), 'utf8'))).toEqual(expected);
  });

  test('the delegate gets our environment', async () => {
    await node.call({ command: 'ADD', env: { EXTRA: 'x y' } });
    expect(node.environmentOf('ADD.c1.eth0')).toEqual(
      expect.arrayContaining([
        'CNI_COMMAND=ADD',
        'CNI_CONTAINERID=c1',
        'CNI_IFNAME=eth0',
        'CNI_NETNS=/run/netns/x',
        'CNI_ARGS=IgnoreUnknown=1',
        'EXTRA=x y',
      ]),
    );
  });

  test('a config without version stays one', async () => {
    await node.call({ command: 'ADD', config: { cniVersion: undefined } });
    expect(node.asked('ADD.c1.eth0')).not.toHaveProperty('cniVersion');
  });

  test('members that differ by case only are found, as by Go', async () => {
    const text = JSON.stringify(node.config())
      .replace('"subnetFile"', '"subnetfile"')
      .replace('"dataDir"', '"DataDir"');
    expect(await node.call({ command: 'ADD', config: text })).toMatchObject({ exitCode: 0 });
    expect(node.state()).toEqual(['c1', 'c1@eth0']);
  });

  test('config of a megabyte goes through, whatever the delegate reads first', async () => {
    const args = { big: 'x'.repeat(1_000_000) };
    expect(await node.call({ command: 'ADD', config: { delegate: { args } } })).toMatchObject({ exitCode: 0 });
    expect(node.asked('ADD.c1.eth0')['args']).toEqual(args);
    node.addDelegate('bridge', `#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' ' '\necho '{}'\n`);
    const outcome = await node.call({ command: 'ADD', config: { delegate: { args } } });
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(outcome.stdout).toHaveLength(300_003);
  });

  test('state is private and complete', async () => {
    await node.call({ command: 'ADD' });
    expect(node.state()).toEqual(['c1', 'c1@eth0']);
    expect(statSync(join(node.dataDir, 'c1@eth0')).mode & 0o777).toBe(0o600);
    expect(statSync(node.dataDir).mode & 0o777).toBe(0o700);
  });
});

describe('a delegate that fails', () => {
  test('its error object is passed on as it is, and state is kept for DEL', async () => {
    const error = `{"cniVersion":"1.0.0", "code": 42, "msg":"no more addresses", "details":"x","more":1}\n`;
    node.answer('ADD', error, 1);
    expect(await node.call({ command: 'ADD' })).toEqual({ exitCode: 1, stdout: error, stderr: '' });
    expect(node.state()).toContain('c1@eth0');
  });

  test('without an error object: 999 with what it said', async () => {
    node.answer('ADD', '', 3);
    node.complain('ADD', 'panic: oh no\n');
    const outcome = await node.call({ command: 'ADD' });
    expect(outcome).toMatchObject({ exitCode: 1, stderr: 'panic: oh no\n' });
    expect(JSON.parse(outcome.stdout)).toEqual({
      cniVersion: '1.0.0',
      code: 999,
      msg: 'plugin bridge failed with exit code 3',
      details: 'panic: oh no',
    });
  });

  test('killed by a signal', async () => {
    node.addDelegate('bridge', '#!/bin/sh\nkill -9 $$\n');
    expect(errorOf(await node.call({ command: 'ADD' }))).toMatchObject({
      code: 999,
      msg: 'plugin bridge failed with exit code 137',
    });
  });

  test('that is not there', async () => {
    const error = errorOf(await node.call({ command: 'ADD', config: { delegate: { type: 'macvlan' } } }));
    expect(error).toMatchObject({ code: 999 });
    expect(error.msg).toContain('failed to find plugin "macvlan" in path [');
  });

  test('that is no program', async () => {
    node.addDelegate('bridge', 'not a program');
    expect(errorOf(await node.call({ command: 'ADD' })).msg).toContain('cannot run');
  });

  test('success without a result is a failure', async () => {
    node.answer('ADD', 'hello');
    expect(errorOf(await node.call({ command: 'ADD' })).code).toBe(6);
  });
});

describe('subnet.env', () => {
  test('not there: try again, with the reason', async () => {
    node.writeSubnetEnv(null);
    const error = errorOf(await node.call({ command: 'ADD' }));
    expect(error).toMatchObject({ code: 11, msg: `open ${node.subnetFile}: no such file or directory` });
    expect(error.details).toContain('is it running?');
    node.writeStatus({ ready: false, reason: 'lease: no etcd endpoint answers' });
    expect(errorOf(await node.call({ command: 'ADD' })).details).toBe(
      'tartand is not ready: lease: no etcd endpoint answers',
    );
    expect(node.state()).toEqual([]);
  });

  test.each([
    [
      '',
      'is missing FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ',
    ],
    [
      'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_MTU=1472\n',
      'is missing FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, FLANNEL_IPMASQ',
    ],
    [subnetEnv.replace('FLANNEL_MTU=1472', 'FLANNEL_MTU'), 'FLANNEL_MTU has no value'],
    [subnetEnv.replace('1472', '1472x'), 'FLANNEL_MTU=1472x is no number'],
    [subnetEnv.replace('1472', '4294967296'), 'FLANNEL_MTU=4294967296 is too large'],
    [subnetEnv.replace('10.1.17.1/24', '10.1.17.1/33'), 'FLANNEL_SUBNET=10.1.17.1/33 is no IPv4 prefix'],
    [subnetEnv.replace('10.1.17.1/24', 'fc00::1/64'), 'FLANNEL_SUBNET=fc00::1/64 is no IPv4 prefix'],
    [subnetEnv.replace('10.1.0.0/16', '10.1.0.0/16,'), 'is no IPv4 prefix'],
    ['\0'.repeat(3000), 'is missing'],
  ])('unusable: %j', async (text, message) => {
    node.writeSubnetEnv(text);
    const error = errorOf(await node.call({ command: 'ADD' }));
    expect(error.code).toBe(6);
    expect(error.msg).toContain(message);
  });

  test('unknown names, comments and Windows line ends are tolerated', async () => {
    node.writeSubnetEnv(`# a comment\r\nOTHER\r\n${subnetEnv.replaceAll('\n', '\r\n')}FLANNEL_NEW=1\r\n`);
    expect(await node.call({ command: 'ADD' })).toMatchObject({ exitCode: 0 });
  });
});
