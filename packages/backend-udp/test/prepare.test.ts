import { Ipv4Address, TartanError, type BackendContext } from '@tartan/core';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPortFree } from '../src/preflight/port-free';
import { checkTunAccess } from '../src/preflight/tun-access';
import type { UdpEnvironment } from '../src/udp';
import {
  context,
  externalInterface,
  fakeModule,
  findingLines,
  hostKernel,
  lease,
  networkConfig,
  planFor,
  signal,
  startNetwork,
} from './support/nodes';

const prepare = (change: Partial<BackendContext>, environment: Partial<UdpEnvironment> = {}) =>
  fakeModule(undefined, environment).module.create(context(change)).prepare(signal);

describe('before the lease', () => {
  it.each(['ipv4', 'ipv6', 'dual'] as const)("publishes what flanneld's udp does, %s: nothing", async (families) => {
    await expect(prepare({ config: networkConfig(families) })).resolves.toStrictEqual({ backendType: '' });
  });

  it('makes nothing', async () => {
    const netlink = hostKernel();
    await prepare({ netlink });
    expect(netlink.appliedOps()).toEqual([]);
    expect(netlink.hasLink('flannel0')).toBe(false);
  });

  it('adopts a TUN that is there', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'flannel0', kind: 'tun' });
    await expect(prepare({ netlink })).resolves.toBeDefined();
  });
});

describe('what stands in the way has a name', () => {
  it('a device of another kind with our name', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'flannel0', kind: 'bridge' });
    await expect(prepare({ netlink })).rejects.toMatchObject({
      code: 'BACKEND_DEVICE_NAME_TAKEN',
      data: { backend: 'udp', ifname: 'flannel0', kind: 'bridge' },
    });
  });

  it('an addon that cannot be loaded', async () => {
    const error = new TartanError('BACKEND_UNUSABLE', { backend: 'udp', problem: 'no addon' });
    const loadLoop = (): never => {
      throw error;
    };
    await expect(prepare({}, { loadLoop })).rejects.toBe(error);
  });

  it('no TUN devices', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'tartan-')), 'tun');
    await expect(prepare({}, { checkTunAccess: () => checkTunAccess(path) })).rejects.toMatchObject({
      code: 'PACKET_LOOP_NO_TUN',
      data: { errno: 2, errnoName: 'ENOENT' },
    });
    await expect(checkTunAccess('/dev/null')).resolves.toBeUndefined();
  });

  it('a port that somebody listens on', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const local = Ipv4Address.parse('127.0.0.1');
    await expect(checkPortFree(local, port)).rejects.toMatchObject({
      code: 'PACKET_LOOP_PORT_IN_USE',
      data: { addresses: ['127.0.0.1'], port, errno: 98 },
    });
    await new Promise<void>((resolve) => socket.close(resolve));
    await expect(checkPortFree(local, port)).resolves.toBeUndefined();
  });

  it('an address that is not ours is for the loop to tell', async () => {
    await expect(checkPortFree(Ipv4Address.parse('192.0.2.1'), 8285)).resolves.toBeUndefined();
  });

  it.each([
    ['dual', { address: null }, 'BACKEND_NO_ADDRESS', { family: 4, ifname: 'eth0' }],
    ['ipv6', { ipv6Address: null }, 'BACKEND_NO_ADDRESS', { family: 6, ifname: 'eth0' }],
    ['ipv4', { mtuBytes: 603 }, 'BACKEND_MTU_TOO_SMALL', { family: 4, neededMtuBytes: 604 }],
    ['dual', { mtuBytes: 1307 }, 'BACKEND_MTU_TOO_SMALL', { family: 6, neededMtuBytes: 1308 }],
    ['ipv6', { mtuBytes: 1327 }, 'BACKEND_MTU_TOO_SMALL', { family: 6, neededMtuBytes: 1328 }],
  ] as const)('%s with an interface of %p', async (families, change, code, data) => {
    const input = { config: networkConfig(families), externalInterface: externalInterface(change) };
    await expect(prepare(input)).rejects.toMatchObject({ code, data });
  });

  it('dual stack does without an IPv6 address', async () => {
    await expect(prepare({ externalInterface: externalInterface({ ipv6Address: null }) })).resolves.toBeDefined();
  });

  it('a lease without a subnet in a family that is on', async () => {
    const { module } = fakeModule();
    await expect(startNetwork(module, {}, lease({ subnet: '10.5.1.0/24' }))).rejects.toMatchObject({
      code: 'BACKEND_LEASE_INCOMPLETE',
      data: { backend: 'udp', family: 6 },
    });
  });
});

describe('what the operator should know', () => {
  it('an MTU that the interface cannot carry counts as the interface’s', async () => {
    const config = networkConfig('ipv4', { MTU: 9000 });
    const network = await startNetwork(fakeModule().module, { config });
    expect(network.mtuBytes).toBe(1472);
    expect(findingLines(planFor(network, []))).toEqual(['UDP_MTU_CLAMPED Backend.MTU']);
  });

  it('a smaller MTU between the hosts counts', async () => {
    const network = await startNetwork(fakeModule().module, { config: networkConfig('ipv4', { MTU: 1400 }) });
    expect(network.mtuBytes).toBe(1372);
  });
});
