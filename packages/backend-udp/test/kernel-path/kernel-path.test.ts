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
