import { Ipv4Address } from '@tartan/core';
import { FakeKernel } from '@tartan/netlink/testing';
import { KernelPath } from '../../src/kernel-path';
import type { BpfAddon } from '../../src/kernel-path/addon';

const place = { tunName: 'flannel0', uplinkName: 'eth0', localAddress: Ipv4Address.parse('192.168.50.1'), port: 8285 };

/** A kernel that gives out descriptors, notes which are open, and refuses what it is told to. */
function fakeAddon(refuse: Partial<Record<'createMap' | 'loadProgram', object>> = {}): {
  addon: BpfAddon;
  open: Set<number>;
} {
  const open = new Set<number>();
  let next = 10;
  const descriptor = (call: 'createMap' | 'loadProgram'): number => {
    // The third of each: there is something to be released by then.
    if (refuse[call] && open.size >= (call === 'createMap' ? 2 : 5)) throw Object.assign(new Error(call), refuse[call]);
    open.add(next);
    return next++;
  };
  const absent = (): never => {
    throw Object.assign(new Error('ENOENT'), { errno: 2 });
  };
  const addon: BpfAddon = {
    createMap: () => descriptor('createMap'),
    loadProgram: () => descriptor('loadProgram'),
    programById: absent,
    mapById: absent,
    programMaps: absent,
    describeMap: absent,
    updateElements: () => undefined,
    deleteElements: () => undefined,
    readElements: () => Buffer.alloc(0),
    closeDescriptor: (one) => expect(open.delete(one)).toBe(true),
    routeRequest: () => Buffer.alloc(0),
  };
  return { addon, open };
}

describe('a kernel path that cannot start says why, and holds nothing', () => {
  it.each([
    [
      'in a user namespace',
      { createMap: { errno: 1 } },
      {
        code: 'UDP_KERNEL_PATH_UNAVAILABLE',
        data: { reason: expect.stringMatching(/^make the table peers4: EPERM \(needs root/) as string },
      },
    ],
    [
      'without memory',
      { createMap: { errno: 12 } },
      { code: 'UDP_KERNEL_PATH_UNAVAILABLE', data: { reason: 'make the table peers4: ENOMEM' } },
    ],
    [
      'refused by the verifier',
      { loadProgram: { errno: 22, log: '0: (79) r0\nline two' } },
      {
        code: 'UDP_KERNEL_PATH_REFUSED',
        data: { program: 'uplink_ingress', errno: 22, errnoName: 'EINVAL', log: '0: (79) r0\nline two' },
      },
    ],
  ])('%s', async (_, refuse, expected) => {
    const { addon, open } = fakeAddon(refuse);
    const path = new KernelPath({ netlink: new FakeKernel(), addon });
    await expect(path.start(place)).rejects.toMatchObject(expected);
    expect(open.size).toBe(0);
    await expect(path.setPeers([])).rejects.toMatchObject({ code: 'UDP_KERNEL_PATH_UNAVAILABLE' });
  });
});

/** What a kernel without the module sch_ingress answers to RTM_NEWQDISC (36): an NLMSG_ERROR (2) with ENOENT. It has no filters to list. */
function withoutClsact(addon: BpfAddon): BpfAddon {
  const refusal = Buffer.alloc(16 + 4 + 16);
  refusal.writeUInt32LE(refusal.length, 0);
  refusal.writeUInt16LE(2, 4);
  refusal.writeInt32LE(-2, 16);
  return {
    ...addon,
    routeRequest: (_, request) => (Buffer.from(request).readUInt16LE(4) === 36 ? refusal : Buffer.alloc(0)),
  };
}

it('says before it is announced that the kernel takes no filters, and leaves no device', async () => {
  const netlink = new FakeKernel();
  netlink.addLink({ name: 'eth0', mac: '02:00:00:00:00:01' });
  const path = new KernelPath({ netlink, addon: withoutClsact(fakeAddon().addon) });
  await path.start(place);
  await expect(path.makeReady()).rejects.toMatchObject({
    code: 'KERNEL_REFUSED',
    data: { operation: expect.stringMatching(/^add clsact/) as string, errnoName: 'ENOENT' },
  });
  expect((await netlink.listLinks()).map(({ name }) => name)).toEqual(['lo', 'eth0']);
});

it('lets go of everything at stop, twice too', async () => {
  const { addon, open } = fakeAddon();
  const path = new KernelPath({ netlink: new FakeKernel(), addon });
  await path.start(place);
  expect(open.size).toBe(7);
  path.stop();
  path.stop();
  expect(open.size).toBe(0);
  await path.detach();
});
