import { FakeNode, errorOf, success } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

/* The rules of the CNI specification 1.1.0 for parameters, versions and errors. */

let program: string;
let node: FakeNode;
beforeAll(() => (program = builtProgram('tartan-sanitized')), BUILD_PATIENCE_MS);
beforeEach(() => (node = new FakeNode(program)));
afterEach(() => node.remove());

const prevResult = { cniVersion: '1.1.0', interfaces: [], ips: [] };

test('VERSION', async () => {
  const outcome = await node.call({
    command: 'VERSION',
    containerId: null,
    ifname: null,
    netns: null,
    path: null,
    config: '',
  });
  expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(outcome.stdout)).toEqual({
    cniVersion: '1.1.0',
    supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
  });
});

test('without a command it says what it is', async () => {
  const outcome = await node.call({ command: '' });
  expect(outcome).toMatchObject({ exitCode: 0, stdout: '' });
  expect(outcome.stderr).toContain('CNI protocol versions supported: 0.1.0, 0.2.0');
});

test('unknown command', async () => {
  expect(errorOf(await node.call({ command: 'EXPLODE' }))).toEqual({
    cniVersion: '1.1.0',
    code: 4,
    msg: 'unknown CNI_COMMAND: EXPLODE',
  });
});

test.each([
  ['ADD', 'CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH'],
  ['CHECK', 'CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH'],
  ['DEL', 'CNI_CONTAINERID,CNI_IFNAME,CNI_PATH'],
  ['STATUS', 'CNI_PATH'],
  ['GC', 'CNI_PATH'],
])('%s names every variable that is missing', async (command, names) => {
  const outcome = await node.call({ command, containerId: null, ifname: null, netns: null, path: null });
  expect(errorOf(outcome)).toMatchObject({ code: 4, msg: `required env variables [${names}] missing` });
});

test.each([
  [{ containerId: '../../etc/passwd' }, 4, 'invalid characters in containerID'],
  [{ containerId: '.hidden' }, 4, 'invalid characters in containerID'],
  [{ containerId: 'c1@eth0' }, 4, 'invalid characters in containerID'],
  [{ ifname: '../x' }, 4, 'invalid interface name'],
  [{ ifname: '..' }, 4, 'invalid interface name'],
  [{ ifname: 'sixteen-letters-' }, 4, 'invalid interface name'],
  [{ ifname: 'a b' }, 4, 'invalid interface name'],
  [{ config: { name: '' } }, 7, 'missing network name'],
  [{ config: { name: 'a/b' } }, 7, 'invalid characters found in network name'],
  [{ config: { name: 7 } }, 7, `'name' must be a string`],
  [{ config: { cniVersion: '9.9.9' } }, 1, 'incompatible CNI versions'],
  [{ config: { cniVersion: 1 } }, 6, `'cniVersion' must be a string`],
  [{ config: { delegate: [] } }, 7, `'delegate' must be an object`],
  [{ config: { delegate: { type: 1 } } }, 7, `'delegate' dictionary, if present, must have (string) 'type' field`],
  [{ config: { delegate: { name: 'x' } } }, 7, `'delegate' dictionary must not have 'name' field`],
  [{ config: { delegate: { ipam: {} } } }, 7, `'delegate' dictionary must not have 'ipam' field`],
  [{ config: { delegate: { type: '../bridge' } } }, 7, `the delegate's type is no name of a plugin`],
  [{ config: { delegate: { type: 'flannel' } } }, 7, 'this plugin cannot be its own delegate'],
  [{ config: { subnetFile: 1 } }, 7, `'subnetFile' must be a string`],
  [{ config: { dataDir: {} } }, 7, `'dataDir' must be a string`],
  [{ config: { ipam: 1 } }, 7, `'ipam' must be an object`],
  [{ config: { ipam: { routes: {} } } }, 7, `'ipam.routes' must be a list`],
  [{ config: { ipam: { routes: [{ gw: '1.2.3.4' }] } } }, 7, `each of 'ipam.routes'`],
  [{ config: { runtimeConfig: 1 } }, 7, `'runtimeConfig' must be an object`],
  [{ config: '' }, 6, 'network config is not JSON'],
  [{ config: '{"name":"x"' }, 6, 'network config is not JSON'],
  [{ config: '[]' }, 6, 'network config is not a JSON object'],
  [{ config: '"\xff"' }, 6, 'network config'],
  [{ config: '{"a":'.repeat(5000) }, 6, 'network config is nested too deep'],
])('refused: %j', async (call, code, message) => {
  const error = errorOf(await node.call({ command: 'ADD', ...call }));
  expect(error.code).toBe(code);
  expect(error.msg).toContain(message);
  expect(node.calls()).toEqual([]);
  expect(node.state()).toEqual([]);
});

test('an error names the version of the config', async () => {
  expect(errorOf(await node.call({ command: 'ADD', config: { cniVersion: '0.3.1', ipam: 1 } })).cniVersion).toBe(
    '0.3.1',
  );
});

test.each(['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])(
  'ADD and DEL in version %s',
  async (cniVersion) => {
    expect(await node.call({ command: 'ADD', config: { cniVersion } })).toMatchObject({ exitCode: 0 });
    expect(node.asked('ADD.c1.eth0')['cniVersion']).toBe(cniVersion);
    expect(await node.call({ command: 'DEL', config: { cniVersion } })).toEqual(success);
  },
);

test.each([
  ['CHECK', '0.3.1'],
  ['STATUS', '1.0.0'],
  ['GC', '1.0.0'],
])('%s is refused in version %s', async (command, cniVersion) => {
  const error = errorOf(await node.call({ command, config: { cniVersion, prevResult } }));
  expect(error).toMatchObject({ code: 1, msg: `config version does not allow ${command}` });
});

describe('CHECK', () => {
  test('asks the delegate, with the result of ADD and the config of then', async () => {
    await node.call({ command: 'ADD', config: { cniVersion: '1.0.0', delegate: { mtu: 1234 } } });
    node.writeSubnetEnv(null);
    expect(await node.call({ command: 'CHECK', config: { cniVersion: '1.1.0', prevResult } })).toEqual(success);
    expect(node.asked('CHECK.c1.eth0')).toMatchObject({ cniVersion: '1.1.0', mtu: 1234, type: 'bridge', prevResult });
  });

  test('routes without gateway are through the default one of their family, as the delegate made them', async () => {
    await node.call({ command: 'ADD' });
    const given = {
      ips: [{ address: '10.1.17.2/24', gateway: '10.1.17.1' }, { address: 'fc00::2/64' }],
      routes: [{ dst: '10.1.0.0/16' }, { dst: 'fc00::/48' }, { dst: '10.9.0.0/16', gw: '10.1.17.9' }],
    };
    expect(await node.call({ command: 'CHECK', config: { prevResult: given } })).toEqual(success);
    expect(node.asked('CHECK.c1.eth0')['prevResult']).toEqual({
      ...given,
      routes: [{ dst: '10.1.0.0/16', gw: '10.1.17.1' }, { dst: 'fc00::/48' }, { dst: '10.9.0.0/16', gw: '10.1.17.9' }],
    });
  });

  test('passes on what the delegate found', async () => {
    await node.call({ command: 'ADD' });
    node.answer('CHECK', '{"code":100,"msg":"route is gone"}', 1);
    const outcome = await node.call({ command: 'CHECK', config: { prevResult } });
    expect(errorOf(outcome)).toEqual({ code: 100, msg: 'route is gone' });
  });

  test('an unknown attachment, and a missing result, are errors', async () => {
    expect(errorOf(await node.call({ command: 'CHECK', config: { prevResult } })).code).toBe(3);
    expect(errorOf(await node.call({ command: 'CHECK' }))).toMatchObject({ code: 7, msg: 'CHECK needs prevResult' });
  });
});

describe('STATUS', () => {
  const status = () =>
    node.call({ command: 'STATUS', containerId: null, ifname: null, netns: null, config: { cniVersion: '1.1.0' } });

  test('ready: the delegate is asked too', async () => {
    expect(await status()).toEqual(success);
    expect(node.calls()).toEqual(['bridge STATUS..']);
    expect(node.asked('STATUS..')).toMatchObject({ type: 'bridge', ipam: { type: 'host-local' } });
    node.answer('STATUS', '{"code":50,"msg":"no addresses left"}', 1);
    expect(errorOf(await status())).toMatchObject({ code: 50, msg: 'no addresses left' });
  });

  test('no subnet: 50, with the reason', async () => {
    node.writeSubnetEnv(null);
    expect(errorOf(await status())).toMatchObject({
      code: 50,
      msg: `open ${node.subnetFile}: no such file or directory`,
    });
    node.writeStatus({ ready: false, reason: 'lease: none yet' });
    expect(errorOf(await status())).toMatchObject({ code: 50, details: 'tartand is not ready: lease: none yet' });
    node.writeSubnetEnv('FLANNEL_MTU=1\n');
    expect(errorOf(await status()).code).toBe(50);
    expect(node.calls()).toEqual([]);
  });

  test('the daemon says no: 51, with its reason', async () => {
    node.writeStatus({ ready: false, reason: 'kernel: no permission' });
    expect(errorOf(await status())).toMatchObject({ code: 51, msg: 'tartand is not ready: kernel: no permission' });
    node.writeStatus({ ready: true });
    expect(await status()).toEqual(success);
  });

  test('a refusal that is older than subnet.env, and one that cannot be read, do not count', async () => {
    node.writeStatus({ ready: false, reason: 'old' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    node.writeSubnetEnv(
      'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n',
    );
    expect(await status()).toEqual(success);
    for (const text of ['', '[]', '{"ready":"no"}', '{"ready":']) {
      node.writeStatus(text);
      expect(await status()).toEqual(success);
    }
  });
});
