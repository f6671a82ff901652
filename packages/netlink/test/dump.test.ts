import { MacAddress, parseIpAddress, type DumpSieve, type Neighbour } from '@tartan/core';
import { encodeAddressReplace } from '../src/codec/address-codec';
import { encodeNeighbourReplace } from '../src/codec/neighbour-codec';
import { NLM_F } from '../src/codec/constants';
import type { MessageWriter } from '../src/codec/message-writer';
import { scripted, writeAck, writeDone, type Scripted } from './support/scripted-transport';

const DUMP_INTERRUPTED = NLM_F.dumpInterrupted;

/** An RTM_NEWADDR as a dump holds it. */
function writeAddress(writer: MessageWriter, sequence: number, text: string): void {
  encodeAddressReplace(writer, { ifindex: 3, address: parseIpAddress(text), prefixLength: 24 }, sequence);
}

function complete(writer: MessageWriter, sequence: number): void {
  writeAddress(writer, sequence, '192.0.2.1');
  writeDone(writer, sequence);
}

/** Answers send number n (from 1) with answers[n - 1], and with the last of them ever after. */
function answering({ transport }: Scripted, ...answers: ((writer: MessageWriter, sequence: number) => void)[]): void {
  let number = 0;
  transport.onSend = (socket, [request]) => {
    const answer = answers[Math.min(number++, answers.length - 1)];
    socket.reply((writer) => answer?.(writer, request?.sequence ?? 0));
  };
}

async function listing(kernel: Scripted): Promise<string[]> {
  const call = kernel.netlink.listAddresses({ family: 4 });
  call.catch(() => undefined);
  await kernel.clock.advance(900);
  return (await call).map((entry) => entry.address.toString());
}

const sends = ({ transport }: Scripted): number => transport.sockets.flatMap((socket) => socket.sends).length;

describe('dumps', () => {
  test('come in parts, over several datagrams', async () => {
    const kernel = scripted();
    kernel.transport.onSend = (socket, [request]) => {
      const sequence = request?.sequence ?? 0;
      socket.reply((writer) => writeAddress(writer, sequence, '192.0.2.1'));
      socket.reply((writer) => writeAddress(writer, sequence, '192.0.2.2'));
      socket.reply((writer) => writeDone(writer, sequence));
    };
    expect(await listing(kernel)).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test.each(['an item', 'the end'])('are repeated when %s says that they were interrupted', async (where) => {
    const kernel = scripted();
    answering(
      kernel,
      (writer, sequence) => {
        writeAddress(writer, sequence, '198.51.100.1');
        if (where === 'an item') writer.addFlags(DUMP_INTERRUPTED);
        writeDone(writer, sequence, where === 'the end' ? DUMP_INTERRUPTED : 0);
      },
      complete,
    );
    expect(await listing(kernel)).toEqual(['192.0.2.1']);
    expect(sends(kernel)).toBe(2);
  });

  test('start a sieve anew when they are repeated, and only the complete reading counts', async () => {
    const kernel = scripted();
    const neighbour = (writer: MessageWriter, sequence: number, n: number): void =>
      encodeNeighbourReplace(
        writer,
        { ifindex: 3, address: parseIpAddress(`192.0.2.${n}`), mac: MacAddress.parse('02:00:00:00:00:01') },
        sequence,
      );
    answering(
      kernel,
      (writer, sequence) => {
        neighbour(writer, sequence, 1);
        writeDone(writer, sequence, DUMP_INTERRUPTED);
      },
      (writer, sequence) => {
        neighbour(writer, sequence, 2);
        neighbour(writer, sequence, 3);
        writeDone(writer, sequence);
      },
    );
    const readings: string[] = [];
    const sieve: DumpSieve<Neighbour> = {
      open: () => {
        readings.push('open');
        return {
          keeps: ({ address }) => {
            readings.push(address.toString());
            return address.toString() === '192.0.2.3';
          },
          done: () => readings.push('done'),
        };
      },
    };
    const call = kernel.netlink.listNeighbours({ family: 4 }, sieve);
    await kernel.clock.advance(900);
    expect((await call).map(({ address }) => address.toString())).toEqual(['192.0.2.3']);
    expect(readings).toEqual(['open', '192.0.2.1', 'open', '192.0.2.2', '192.0.2.3', 'done']);
  });

  test('that are interrupted for ever end in an error', async () => {
    const kernel = scripted();
    answering(kernel, (writer, sequence) => writeDone(writer, sequence, DUMP_INTERRUPTED));
    const call = kernel.netlink.listLinks();
    const refused = expect(call).rejects.toMatchObject({ code: 'KERNEL_REFUSED', data: { errnoName: 'EINTR' } });
    await kernel.clock.advance(5_000);
    await refused;
    expect(sends(kernel)).toBe(20);
  });

  test('are repeated over a new socket after an overrun, and give up in the end', async () => {
    const kernel = scripted();
    const overrunning = 3;
    kernel.transport.onSend = (socket, [request]) => {
      if (sends(kernel) <= overrunning) socket.overrun();
      else socket.reply((writer) => complete(writer, request?.sequence ?? 0));
    };
    expect(await listing(kernel)).toEqual(['192.0.2.1']);
    expect(kernel.transport.sockets.map((socket) => socket.closed)).toEqual([true, true, true, false]);
    kernel.transport.onSend = (socket) => socket.overrun();
    await expect(listing(kernel)).rejects.toMatchObject({ code: 'KERNEL_SOCKET', data: { errnoName: 'ENOBUFS' } });
  });

  test('that the kernel refuses carry errno, text and offset', async () => {
    const kernel = scripted();
    answering(kernel, (writer, sequence) => writeAck(writer, sequence, { errno: 'EINVAL', text: 'bad', offset: 24 }));
    await expect(listing(kernel)).rejects.toMatchObject({
      code: 'KERNEL_REFUSED',
      data: { operation: 'list addresses', errnoName: 'EINVAL', extendedAck: 'bad', offset: 24 },
    });
    answering(kernel, (writer, sequence) => writeDone(writer, sequence, 0, 'EPERM'));
    await expect(listing(kernel)).rejects.toMatchObject({ data: { errnoName: 'EPERM' } });
  });

  test('of a device or family that does not exist are empty', async () => {
    const kernel = scripted();
    for (const errno of ['ENODEV', 'ENOENT', 'EAFNOSUPPORT', 'EOPNOTSUPP'] as const) {
      answering(kernel, (writer, sequence) => writeDone(writer, sequence, 0, errno));
      expect(await listing(kernel)).toEqual([]);
    }
  });

  test('do not take answers to earlier requests for theirs', async () => {
    const kernel = scripted();
    await expect(listing(kernelAnswering(kernel))).resolves.toEqual(['192.0.2.1']);
    answering(kernel, (writer, sequence) => {
      writeAddress(writer, sequence - 1, '203.0.113.9');
      writeDone(writer, sequence - 1);
      complete(writer, sequence);
    });
    expect(await listing(kernel)).toEqual(['192.0.2.1']);
  });
});

describe('a kernel that says nothing', () => {
  test('fails the call in time, and what it says too late does no harm', async () => {
    const kernel = scripted();
    const call = kernel.netlink.listLinks();
    const refused = expect(call).rejects.toMatchObject({ code: 'KERNEL_SOCKET', data: { errnoName: 'ETIMEDOUT' } });
    await kernel.clock.advance(1_000);
    await refused;
    answering(kernel, complete);
    const next = listing(kernel);
    kernel.transport.sockets[0]?.reply((writer) => writeDone(writer, 2));
    expect(await next).toEqual(['192.0.2.1']);
    expect(kernel.transport.sockets.map((socket) => socket.closed)).toEqual([true, false]);
    expect(kernel.clock.timers).toBe(0);
  });

  test('has as long again after every part', async () => {
    const kernel = scripted();
    const call = kernel.netlink.listAddresses({ family: 4 });
    for (let part = 0; part < 3; part++) {
      await kernel.clock.advance(900);
      kernel.transport.sockets[0]?.reply((writer) => writeAddress(writer, 1, `192.0.2.${part}`));
    }
    kernel.transport.sockets[0]?.reply((writer) => writeDone(writer, 1));
    expect(await call).toHaveLength(3);
  });

  test('sockets keep the process alive only while an answer is awaited', async () => {
    const kernel = scripted();
    const call = kernel.netlink.listLinks();
    await kernel.clock.advance(0);
    expect(kernel.transport.sockets[0]?.referenced).toBe(true);
    kernel.transport.sockets[0]?.reply((writer) => writeDone(writer, 1));
    await call;
    expect(kernel.transport.sockets[0]?.referenced).toBe(false);
  });

  test('closing rejects the call under way and those in line, and closes the sockets', async () => {
    const kernel = scripted();
    const calls = [kernel.netlink.listLinks(), kernel.netlink.listFdb(), kernel.netlink.apply([])];
    const outcomes = Promise.allSettled(calls);
    await kernel.clock.advance(0);
    kernel.netlink.close();
    expect((await outcomes).map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(kernel.transport.openSockets).toBe(0);
    expect(kernel.clock.timers).toBe(0);
  });
});

function kernelAnswering(kernel: Scripted): Scripted {
  answering(kernel, complete);
  return kernel;
}
