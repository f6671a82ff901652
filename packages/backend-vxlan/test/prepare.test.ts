import { Ipv4Address, MacAddress, type BackendContext, type BackendPublication } from '@tartan/core';
import { backend } from '../src';
import { context, hostKernel, lease, networkConfig, signal } from './support/nodes';

const MAC = '82:07:2c:bb:d0:7f';
const MAC_V6 = '2e:3b:78:07:38:29';

function prepare(change: Partial<BackendContext>): Promise<BackendPublication> {
  return backend.create(context(change)).prepare(signal);
}

function vxlanData(local = '192.168.50.1', change: object = {}) {
  return { vni: 1, port: 8472, learning: false, gbp: false, lowerIndex: 2, local: Ipv4Address.parse(local), ...change };
}

describe('before the lease', () => {
  it.each([
    ['ipv4', { backendData: { VNI: 1, VtepMAC: MAC } }],
    ['ipv6', { backendV6Data: { VNI: 1, VtepMAC: MAC_V6 } }],
    ['dual', { backendData: { VNI: 1, VtepMAC: MAC }, backendV6Data: { VNI: 1, VtepMAC: MAC_V6 } }],
  ] as const)('publishes the devices of %s', async (families, data) => {
    const published = await prepare({ config: networkConfig(families) });
    expect(published).toStrictEqual({ backendType: 'vxlan', ...data });
  });

  it('makes the devices with the MAC that it publishes, and without addresses of their own', async () => {
    const netlink = hostKernel();
    await prepare({ netlink });
    expect(netlink.link('flannel.1')).toMatchObject({
      kind: 'vxlan',
      mtuBytes: 1450,
      up: true,
      addrGenMode: 1,
      mac: MacAddress.parse(MAC),
      vxlan: vxlanData(),
    });
    expect(netlink.link('flannel-v6.1')).toMatchObject({ mtuBytes: 1430, up: true, mac: MacAddress.parse(MAC_V6) });
    expect(netlink.snapshot().addresses.filter((line) => line.includes('flannel'))).toEqual([]);
  });

  it('can be repeated', async () => {
    const netlink = hostKernel();
    const first = await prepare({ netlink });
    netlink.clearRecord();
    await expect(prepare({ netlink })).resolves.toEqual(first);
    expect(netlink.appliedOps()).toEqual([]);
  });

  it.each([
    ['as flanneld made it', {}],
    ['that differs in what can be put right', { mtuBytes: 1400, vxlan: vxlanData('203.0.113.9', { learning: true }) }],
    ['that must be made anew later', { vxlan: vxlanData('192.168.50.1', { port: 4789 }) }],
  ])('leaves a device %s alone and publishes its MAC', async (_, change) => {
    const netlink = hostKernel();
    const mac = 'c2:25:54:cf:0e:af';
    netlink.addLink({
      name: 'flannel.1',
      kind: 'vxlan',
      mac,
      lowerIndex: 2,
      mtuBytes: 1450,
      vxlan: vxlanData(),
      ...change,
    });
    const before = netlink.link('flannel.1');
    netlink.clearRecord();
    await expect(prepare({ netlink, config: networkConfig('ipv4') })).resolves.toMatchObject({
      backendData: { VNI: 1, VtepMAC: mac },
    });
    expect(netlink.link('flannel.1')).toEqual(before);
    expect(netlink.appliedOps()).toEqual([]);
  });

  it('does not ask for IPv6 settings where the kernel has no IPv6', async () => {
    const netlink = hostKernel();
    jest.spyOn(netlink, 'readSysctl').mockResolvedValue(undefined);
    await prepare({ netlink, config: networkConfig('ipv4') });
    expect(netlink.appliedOps()).toMatchObject([{ op: 'link-create', link: { name: 'flannel.1' } }]);
    expect(netlink.appliedOps()[0]).not.toHaveProperty('link.addrGenMode');
  });
});

describe('what stands in the way has a name', () => {
  it('a device of another kind with our name', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'flannel.1', kind: 'bridge' });
    await expect(prepare({ netlink })).rejects.toMatchObject({
      code: 'BACKEND_DEVICE_NAME_TAKEN',
      data: { ifname: 'flannel.1', kind: 'bridge' },
    });
  });

  it('a device with our VNI and port', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'cilium_vxlan', kind: 'vxlan', vxlan: vxlanData() });
    await expect(prepare({ netlink })).rejects.toMatchObject({
      code: 'BACKEND_VXLAN_VNI_IN_USE',
      data: { ifname: 'cilium_vxlan', vni: 1, port: 8472 },
    });
  });

  it('but not one of the other family, another VNI, or another port', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'vni2', kind: 'vxlan', vxlan: vxlanData('192.168.50.1', { vni: 2 }) });
    netlink.addLink({ name: 'port', kind: 'vxlan', vxlan: vxlanData('192.168.50.1', { port: 4789 }) });
    await expect(prepare({ netlink, config: networkConfig('ipv4') })).resolves.toBeDefined();
    const other = hostKernel();
    other.addLink({ name: 'v4', kind: 'vxlan', vxlan: vxlanData() });
    await expect(prepare({ netlink: other, config: networkConfig('ipv6') })).resolves.toBeDefined();
  });

  it('a device that has our port with another GBP flag', async () => {
    const netlink = hostKernel();
    netlink.addLink({ name: 'gbp', kind: 'vxlan', vxlan: vxlanData('192.168.50.1', { vni: 2, gbp: true }) });
    await expect(prepare({ netlink })).rejects.toMatchObject({
      code: 'BACKEND_VXLAN_PORT_IN_USE',
      data: { ifname: 'gbp', port: 8472 },
    });
  });

  it.each([
    ['EOPNOTSUPP', 'BACKEND_VXLAN_UNSUPPORTED', { ifname: 'flannel.1', kernel: '6.1.0-raspi' }],
    ['EADDRINUSE', 'BACKEND_VXLAN_PORT_IN_USE', { port: 8472 }],
    ['EPERM', 'KERNEL_REFUSED', { errnoName: 'EPERM' }],
  ] as const)('%s of the kernel becomes %s', async (errno, code, data) => {
    const netlink = hostKernel();
    netlink.setSysctl('kernel/osrelease', '6.1.0-raspi');
    netlink.failNext('link-create', errno);
    await expect(prepare({ netlink })).rejects.toMatchObject({ code, data });
    await expect(prepare({ netlink })).resolves.toBeDefined();
  });

  it('an external interface that has just vanished', async () => {
    const netlink = hostKernel();
    netlink.removeLink('eth0');
    await expect(prepare({ netlink })).rejects.toMatchObject({ code: 'KERNEL_REFUSED', data: { errnoName: 'ENODEV' } });
  });

  it('a lease without a subnet in a family that is on', async () => {
    const instance = backend.create(context());
    await instance.prepare(signal);
    await expect(instance.start(lease({ subnet: '10.5.1.0/24' }), signal)).rejects.toMatchObject({
      code: 'BACKEND_LEASE_INCOMPLETE',
      data: { family: 6 },
    });
  });
});

it('stops between two devices when told to', async () => {
  const netlink = hostKernel();
  const controller = new AbortController();
  const reason = new Error('stop');
  controller.abort(reason);
  await expect(backend.create(context({ netlink })).prepare(controller.signal)).rejects.toBe(reason);
  expect(netlink.hasLink('flannel.1')).toBe(false);
});
