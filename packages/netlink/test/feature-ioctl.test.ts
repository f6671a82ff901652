import { constants } from 'node:os';
import type { FeatureIoctl } from '../src/feature-ioctl';
import { scripted, writeAck, type Scripted } from './support/scripted-transport';

/*
 * A device with 40 features in two blocks, on a kernel that has no netlink interface for them: "checksum" is bit 3, "late" is bit 39, "fixed"
 * bit 2 and off, "never" bit 31 and on; bit 1 is a hole.
 */
const names = Array.from({ length: 40 }, (_, bit) => ['', '', 'fixed', 'checksum'][bit] ?? '');
names[31] = 'never';
names[39] = 'late';
const CHECKSUM = 1 << 3;
const NEVER = 2 ** 31;
const LATE = 1 << 7;

type Errno = keyof typeof constants.errno;

class ScriptedIoctl implements FeatureIoctl {
  readonly written: (readonly number[])[] = [];
  readErrno: Errno | undefined;
  writeErrno: Errno | undefined;

  read(): { names: readonly string[]; blocks: Uint32Array } {
    if (this.readErrno) throw failure(this.readErrno);
    const first = [CHECKSUM | NEVER, CHECKSUM, CHECKSUM | NEVER, NEVER];
    return { names, blocks: Uint32Array.from([...first, LATE, LATE, 0, 0]) };
  }

  write(_ifindex: number, blocks: Uint32Array): void {
    if (this.writeErrno) throw failure(this.writeErrno);
    this.written.push([...blocks]);
  }
}

function failure(errno: Errno): Error {
  return Object.assign(new Error(errno), { errno: constants.errno[errno] });
}

function oldKernel(): Scripted & { readonly ioctl: ScriptedIoctl } {
  const ioctl = new ScriptedIoctl();
  const kernel = scripted(ioctl);
  kernel.transport.onSend = (socket, messages) => {
    socket.reply((writer) => writeAck(writer, messages[0]?.sequence ?? 0, { errno: 'ENOENT' }));
  };
  return { ...kernel, ioctl };
}

const set = (
  features: Readonly<Record<string, boolean>>,
): { op: 'link-features'; ifindex: 7; features: typeof features } => ({
  op: 'link-features',
  ifindex: 7,
  features,
});

test('features are told by name, wherever their bit is', async () => {
  const { netlink } = oldKernel();
  expect(Object.fromEntries(await netlink.listLinkFeatures(7))).toEqual({
    fixed: { active: false, wanted: false, changeable: false },
    checksum: { active: true, wanted: true, changeable: true },
    never: { active: true, wanted: false, changeable: false },
    late: { active: false, wanted: true, changeable: true },
  });
});

test('a change names its bits and no others', async () => {
  const { netlink, ioctl } = oldKernel();
  expect(await netlink.apply([set({ checksum: false }), set({ checksum: false, late: true })])).toEqual([
    { ok: true },
    { ok: true },
  ]);
  expect(ioctl.written).toEqual([
    [CHECKSUM, 0, 0, 0],
    [CHECKSUM, 0, LATE, LATE],
  ]);
});

test('what is fixed is refused by name, unless it is as asked, and the rest is set', async () => {
  const { netlink, ioctl } = oldKernel();
  const [refused, fine] = await netlink.apply([
    set({ fixed: true, never: false, checksum: false }),
    set({ fixed: false, never: true }),
  ]);
  expect(refused).toMatchObject({
    ok: false,
    error: {
      code: 'KERNEL_REFUSED',
      data: { errnoName: 'EOPNOTSUPP', extendedAck: 'fixed on this device: fixed, never' },
    },
  });
  expect(fine).toEqual({ ok: true });
  expect(ioctl.written).toEqual([
    [CHECKSUM, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
});

test('an unknown name is refused and nothing is set', async () => {
  const { netlink, ioctl } = oldKernel();
  expect(await netlink.apply([set({ checksum: false, nonsense: true })])).toMatchObject([
    { ok: false, error: { data: { errnoName: 'EOPNOTSUPP', extendedAck: 'bit name not found: nonsense' } } },
  ]);
  expect(ioctl.written).toEqual([]);
});

test.each<[string, Partial<ScriptedIoctl>]>([
  ['asked', { readErrno: 'ENODEV' }],
  ['set', { writeErrno: 'ENODEV' }],
])('a device that is gone when it is %s is refused with the errno', async (_, failing) => {
  const { netlink, ioctl } = oldKernel();
  Object.assign(ioctl, failing);
  const refusal = { code: 'KERNEL_REFUSED', data: { errnoName: 'ENODEV' } };
  expect(await netlink.apply([set({ checksum: false })])).toMatchObject([{ ok: false, error: refusal }]);
  if (failing.readErrno) await expect(netlink.listLinkFeatures(7)).rejects.toMatchObject(refusal);
});

test('the ioctl is not asked where netlink knows features, even if it refuses one', async () => {
  const ioctl = new ScriptedIoctl();
  const { netlink, transport } = scripted(ioctl);
  let lookups = 0;
  transport.onSend = (socket, [request]) => {
    const sequence = request?.sequence ?? 0;
    socket.reply((writer) => {
      if (request?.type === 0x10) {
        lookups++;
        writer.startMessage(0x10, 0, sequence);
        for (const byte of [1, 1, 0, 0]) writer.u8(byte);
        const id = writer.startBlock(1);
        writer.u16(23);
        writer.endNest(id);
        writer.u16(0);
        writer.endMessage();
      }
      // ETHTOOL_MSG_FEATURES_SET.
      const refuses = request?.type === 23 && request.body[0] === 12;
      writeAck(writer, sequence, refuses ? { errno: 'EOPNOTSUPP', text: 'bit name not found' } : {});
    });
  };
  expect(await netlink.apply([set({ nonsense: true })])).toMatchObject([
    { ok: false, error: { data: { extendedAck: 'bit name not found' } } },
  ]);
  expect(ioctl.written).toEqual([]);
  expect(lookups).toBe(1);
});

test('nothing is asked once it is closed', async () => {
  const { netlink, ioctl } = oldKernel();
  netlink.close();
  await expect(netlink.listLinkFeatures(7)).rejects.toMatchObject({ code: 'KERNEL_SOCKET' });
  await expect(netlink.apply([set({ checksum: false })])).rejects.toMatchObject({ code: 'KERNEL_SOCKET' });
  expect(ioctl.written).toEqual([]);
});
