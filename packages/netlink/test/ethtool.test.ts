import type { MessageWriter } from '../src/codec/message-writer';
import { scripted, writeAck, type Scripted, type SentMessage } from './support/scripted-transport';

const GENERIC = 16;
const CONTROLLER = 0x10;
const FAMILY = 23;
const CHECKSUM = 'tx-checksum-ip-generic';
const off = { op: 'link-features', ifindex: 7, features: { [CHECKSUM]: false } } as const;

interface Generic {
  readonly type: number;
  readonly sequence: number;
  readonly command: number;
}

function writeGeneric(writer: MessageWriter, { type, sequence, command }: Generic, attributes: () => void): void {
  writer.startMessage(type, 0, sequence);
  writer.u8(command);
  writer.u8(1);
  writer.u16(0);
  attributes();
  writer.endMessage();
}

/** Each name on or off, all in the mask. */
function writeBitSet(writer: MessageWriter, type: number, bits: Readonly<Record<string, boolean>>): void {
  const set = writer.startNest(type);
  const list = writer.startNest(3);
  for (const [name, on] of Object.entries(bits)) {
    const bit = writer.startNest(1);
    writer.attributeText(2, name);
    if (on) writer.flag(3);
    writer.endNest(bit);
  }
  writer.endNest(list);
  writer.endNest(set);
}

function writeFamily(writer: MessageWriter, sequence: number): void {
  writeGeneric(writer, { type: CONTROLLER, sequence, command: 1 }, () => {
    const id = writer.startBlock(1);
    writer.u16(FAMILY);
    writer.endNest(id);
    writer.u16(0);
  });
}

/** A kernel that knows the family and answers its requests with `answer`. */
function kernelWith(answer: (writer: MessageWriter, request: SentMessage) => void): Scripted {
  const kernel = scripted();
  kernel.transport.onSend = (socket, [request]) => {
    if (!request) return;
    socket.reply((writer) => {
      if (request.type === CONTROLLER) {
        writeFamily(writer, request.sequence);
        writeAck(writer, request.sequence);
      } else answer(writer, request);
    });
  };
  return kernel;
}

const command = (request: SentMessage): number | undefined => request.body[0];

test('features go over a generic socket, which asks for the family once', async () => {
  const kernel = kernelWith((writer, { sequence }) => writeAck(writer, sequence));
  expect(await kernel.netlink.apply([off, off])).toEqual([{ ok: true }, { ok: true }]);
  expect(kernel.transport.protocols).toEqual([GENERIC]);
  const types = kernel.transport.sockets[0]?.sends.map(([message]) => message?.type);
  expect(types).toEqual([CONTROLLER, FAMILY, FAMILY]);
});

test('a kernel without the family says so in words, and is asked again the next time', async () => {
  const kernel = scripted();
  kernel.transport.onSend = (socket, messages) => {
    socket.reply((writer) => writeAck(writer, messages[0]?.sequence ?? 0, { errno: 'ENOENT' }));
  };
  const refusal = { errnoName: 'EOPNOTSUPP', extendedAck: 'the kernel has no ethtool netlink interface' };
  await expect(kernel.netlink.listLinkFeatures(7)).rejects.toMatchObject({ code: 'KERNEL_REFUSED', data: refusal });
  expect(await kernel.netlink.apply([off])).toMatchObject([
    { ok: false, error: { code: 'KERNEL_REFUSED', data: refusal } },
  ]);
  expect(kernel.transport.sockets[0]?.sends).toHaveLength(2);
});

test('a kernel whose family lacks the command is the same errno', async () => {
  const kernel = kernelWith((writer, { sequence }) => writeAck(writer, sequence, { errno: 'EOPNOTSUPP' }));
  await expect(kernel.netlink.listLinkFeatures(7)).rejects.toMatchObject({ data: { errnoName: 'EOPNOTSUPP' } });
});

test('a feature that may change and is not to be changed is not changeable', async () => {
  const kernel = kernelWith((writer, { type, sequence }) => {
    writeGeneric(writer, { type, sequence, command: 11 }, () => {
      writeBitSet(writer, 2, { a: true, b: true, c: false });
      writeBitSet(writer, 3, { a: true });
      writeBitSet(writer, 4, { a: true, c: true });
      writeBitSet(writer, 5, { b: true });
    });
    writeAck(writer, sequence);
  });
  expect(Object.fromEntries(await kernel.netlink.listLinkFeatures(7))).toEqual({
    a: { active: true, wanted: true, changeable: true },
    b: { active: false, wanted: false, changeable: false },
    c: { active: true, wanted: false, changeable: false },
  });
});

test('what the kernel calls success although a feature is fixed is a refusal; what waits for another feature is not', async () => {
  const kernel = kernelWith((writer, request) => {
    const { type, sequence } = request;
    const reply = { type, sequence, command: command(request) ?? 0 };
    writeGeneric(writer, reply, () => {
      if (reply.command === 12) writeBitSet(writer, 3, { fixed: true, waiting: true });
      else writeBitSet(writer, 2, { fixed: false, waiting: true });
    });
    writeAck(writer, sequence);
  });
  const results = await kernel.netlink.apply([
    { op: 'link-features', ifindex: 7, features: { fixed: true, waiting: true } },
  ]);
  expect(results).toMatchObject([
    { ok: false, error: { data: { errnoName: 'EOPNOTSUPP', extendedAck: 'fixed on this device: fixed' } } },
  ]);
  expect(!results[0]?.ok && results[0]?.error.message).toBe(
    'link-features dev 7 fixed on waiting on: fixed on this device: fixed (EOPNOTSUPP)',
  );
});

test('malformed answers end in an empty list, not in an exception', async () => {
  const kernel = kernelWith((writer, { type, sequence }) => {
    writer.startMessage(type, 0, sequence);
    writer.endMessage();
    writeGeneric(writer, { type, sequence, command: 11 }, () => writer.u32(0xffff_ffff));
    writeAck(writer, sequence);
  });
  expect((await kernel.netlink.listLinkFeatures(7)).size).toBe(0);
});

test('a broken socket fails this op, and the ops of rtnetlink around it are carried out', async () => {
  const kernel = scripted();
  kernel.transport.onSend = (socket, messages) => {
    const generic = kernel.transport.protocols[kernel.transport.sockets.indexOf(socket)] === GENERIC;
    const last = messages[messages.length - 1];
    if (generic) socket.fail('ENOBUFS');
    else socket.reply((writer) => writeAck(writer, last?.sequence ?? 0));
  };
  const up = { op: 'link-change', ifindex: 7, change: { up: true } } as const;
  const results = await kernel.netlink.apply([up, off, up]);
  expect(results).toMatchObject([{ ok: true }, { ok: false, error: { code: 'KERNEL_SOCKET' } }, { ok: true }]);
});

test('close() ends what waits for an answer', async () => {
  const kernel = scripted();
  const listed = kernel.netlink.listLinkFeatures(7);
  const applied = kernel.netlink.apply([off]);
  kernel.netlink.close();
  for (const call of [listed, applied, kernel.netlink.listLinkFeatures(7), kernel.netlink.apply([off])]) {
    await expect(call).rejects.toMatchObject({ code: 'KERNEL_SOCKET' });
  }
  expect(kernel.transport.openSockets).toBe(0);
});
