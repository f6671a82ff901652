import { Ipv4Prefix, MacAddress, parseIpAddress, parseIpPrefix, type KernelOp } from '@tartan/core';
import { NLM_F, RTM } from '../src/codec/constants';
import { ifindexOf, scripted, writeAck, type Scripted, type SentMessage } from './support/scripted-transport';

const mac = MacAddress.parse('02:00:00:00:00:01');

/** An op that carries its number where a test can see it: as device. */
function neighbour(number: number): KernelOp {
  return { op: 'neighbour-replace', neighbour: { ifindex: number, address: parseIpAddress('192.0.2.9'), mac } };
}

function routeAdd(number: number): KernelOp {
  const dst = Ipv4Prefix.of(Ipv4Prefix.parse('10.0.0.0/8').address.add(number * 256), 24);
  return { op: 'route-add', route: { dst, protocol: 70, oif: 3 } };
}

type Errno = NonNullable<Parameters<typeof writeAck>[2]>['errno'];

/** Acknowledges as the kernel does: each error, and the last message, which must have asked for it. */
function acknowledging(
  { transport }: Scripted,
  refuse: (message: SentMessage) => Errno = () => undefined,
  text?: string,
): void {
  transport.onSend = (socket, messages) => {
    socket.reply((writer) => {
      for (const message of messages) {
        const errno = refuse(message);
        if (errno) writeAck(writer, message.sequence, { errno, ...(text === undefined ? {} : { text, offset: 36 }) });
        else if (message.flags & NLM_F.ack) writeAck(writer, message.sequence);
      }
    });
  };
}

const sends = ({ transport }: Scripted): (readonly SentMessage[])[] =>
  transport.sockets.flatMap((socket) => socket.sends);

describe('apply', () => {
  test('puts many ops into one send and asks for one ack', async () => {
    const kernel = scripted();
    acknowledging(kernel);
    const results = await kernel.netlink.apply([1, 2, 3, 4].map(neighbour));
    expect(results).toEqual([{ ok: true }, { ok: true }, { ok: true }, { ok: true }]);
    expect(sends(kernel)).toHaveLength(1);
    expect(sends(kernel)[0]?.map((message) => Boolean(message.flags & NLM_F.ack))).toEqual([false, false, false, true]);
  });

  test('gives each error to its op, with the kernel’s text and the offset', async () => {
    const kernel = scripted();
    acknowledging(kernel, (message) => (ifindexOf(message) % 2 === 0 ? 'EINVAL' : undefined), 'no good');
    const results = await kernel.netlink.apply([1, 2, 3, 4].map(neighbour));
    expect(results.map((result) => result.ok)).toEqual([true, false, true, false]);
    expect(results[1]).toMatchObject({
      error: {
        code: 'KERNEL_REFUSED',
        message: 'neighbour-replace 192.0.2.9 dev 2: no good (EINVAL)',
        data: { errnoName: 'EINVAL', extendedAck: 'no good', offset: 36 },
      },
    });
  });

  test.each(['ENOENT', 'ESRCH', 'ENODEV', 'EADDRNOTAVAIL'] as const)(
    'takes %s on delete for success',
    async (errno) => {
      const kernel = scripted();
      acknowledging(kernel, () => errno);
      const route = { dst: parseIpPrefix('10.5.1.0/24'), protocol: 70 };
      const [gone, missing] = await kernel.netlink.apply([
        { op: 'route-delete', route },
        { op: 'route-replace', route },
      ]);
      expect([gone?.ok, missing?.ok]).toEqual([true, false]);
    },
  );

  test('never sends more than whose errors would fit into the receive buffer', async () => {
    const kernel = scripted();
    kernel.transport.receiveBufferBytes = 212_992;
    acknowledging(kernel);
    const ops = Array.from({ length: 1_000 }, (_, number) => neighbour(number + 1));
    expect((await kernel.netlink.apply(ops)).every((result) => result.ok)).toBe(true);
    const sizes = sends(kernel).map((messages) => messages.length);
    expect(Math.max(...sizes) * 1_536).toBeLessThan(212_992);
    expect(sends(kernel).flat().map(ifindexOf)).toEqual(ops.map((_, number) => number + 1));
  });

  test('after an overrun repeats what is safe to repeat, in smaller sends, and reports the rest as unknown', async () => {
    const kernel = scripted();
    acknowledging(kernel);
    const answer = kernel.transport.onSend;
    kernel.transport.onSend = (socket, messages) => {
      if (kernel.transport.sockets.length === 1) socket.overrun();
      else answer(socket, messages);
    };
    const ops = Array.from({ length: 100 }, (_, number) => (number % 2 ? routeAdd(number) : neighbour(number + 1)));
    const results = await kernel.netlink.apply(ops);
    expect(results.map((result) => result.ok)).toEqual(ops.map((op) => op.op === 'neighbour-replace'));
    expect(results[1]).toMatchObject({ error: { code: 'KERNEL_SOCKET', data: { errnoName: 'ENOBUFS' } } });
    const repeated = kernel.transport.sockets[1]?.sends.flat() ?? [];
    expect(repeated.every((message) => message.type === RTM.newNeighbour)).toBe(true);
    expect(repeated).toHaveLength(50);
  });

  test('gives up when overruns do not end', async () => {
    const kernel = scripted();
    kernel.transport.onSend = (socket) => socket.overrun();
    const results = await kernel.netlink.apply([neighbour(1), routeAdd(2)]);
    for (const result of results) expect(result).toMatchObject({ error: { data: { errnoName: 'ENOBUFS' } } });
    expect(sends(kernel)).toHaveLength(4);
  });

  test('a socket that fails gives KERNEL_SOCKET to what is unknown and sends nothing more', async () => {
    const kernel = scripted();
    let number = 0;
    acknowledging(kernel);
    const answer = kernel.transport.onSend;
    kernel.transport.onSend = (socket, messages) => {
      if (number++ === 0) answer(socket, messages);
      else socket.fail('EIO');
    };
    const results = await kernel.netlink.apply(Array.from({ length: 1_000 }, (_, one) => neighbour(one + 1)));
    const firstFailed = results.findIndex((result) => !result.ok);
    expect(firstFailed).toBe(sends(kernel)[0]?.length);
    expect(results.slice(firstFailed).every((result) => !result.ok)).toBe(true);
    expect(results[firstFailed]).toMatchObject({ error: { code: 'KERNEL_SOCKET', data: { errnoName: 'EIO' } } });
    expect(sends(kernel)).toHaveLength(2);
    acknowledging(kernel);
    expect(await kernel.netlink.apply([neighbour(1)])).toEqual([{ ok: true }]);
  });

  test('a socket that cannot be opened gives KERNEL_SOCKET to every op', async () => {
    const kernel = scripted();
    kernel.transport.openFailures.push('EMFILE');
    const results = await kernel.netlink.apply([neighbour(1), neighbour(2)]);
    for (const result of results) {
      expect(result).toMatchObject({ error: { code: 'KERNEL_SOCKET', data: { errnoName: 'EMFILE' } } });
    }
  });

  describe('a new link with addr_gen_mode', () => {
    const create: KernelOp = { op: 'link-create', link: { name: 'br0', kind: 'bridge', addrGenMode: 1, up: true } };

    test('is told it, and then to be up, only once it exists', async () => {
      const kernel = scripted();
      acknowledging(kernel);
      expect(await kernel.netlink.apply([create, neighbour(9)])).toEqual([{ ok: true }, { ok: true }]);
      const [creation, followUp, rest] = sends(kernel);
      expect(creation?.map((message) => message.flags & NLM_F.exclusive)).toEqual([NLM_F.exclusive]);
      expect(followUp?.map((message) => [message.type, message.flags & NLM_F.create])).toEqual([
        [RTM.newLink, 0],
        [RTM.newLink, 0],
      ]);
      expect(rest?.map(ifindexOf)).toEqual([9]);
    });

    test('leaves a stranger of the same name alone', async () => {
      const kernel = scripted();
      acknowledging(kernel, (message) => (message.flags & NLM_F.exclusive ? 'EEXIST' : undefined));
      const [result] = await kernel.netlink.apply([create]);
      expect(result).toMatchObject({ error: { data: { errnoName: 'EEXIST' } } });
      expect(sends(kernel)).toHaveLength(1);
    });

    test('is fine on a host without IPv6', async () => {
      const kernel = scripted();
      const withAfSpec = (message: SentMessage): boolean => message.body.includes(Buffer.from('1a80', 'hex'));
      acknowledging(kernel, (message) => (withAfSpec(message) ? 'EAFNOSUPPORT' : undefined));
      expect(await kernel.netlink.apply([create])).toEqual([{ ok: true }]);
    });
  });
});

describe('lookups', () => {
  const destinations = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(parseIpAddress);

  test('errors that mean "no way" are undefined, others reject', async () => {
    const kernel = scripted();
    for (const errno of ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL', 'EAGAIN'] as const) {
      acknowledging(kernel, () => errno);
      expect(await kernel.netlink.lookupRoutes(destinations)).toEqual([undefined, undefined, undefined]);
    }
    acknowledging(kernel, () => 'EPERM');
    await expect(kernel.netlink.lookupRoutes(destinations)).rejects.toMatchObject({ data: { errnoName: 'EPERM' } });
    acknowledging(kernel, () => 'EINVAL', 'Invalid values in header for get route request');
    await expect(kernel.netlink.lookupRoutes(destinations)).rejects.toMatchObject({ data: { errnoName: 'EINVAL' } });
  });

  test('are repeated in smaller sends after an overrun', async () => {
    const kernel = scripted();
    acknowledging(kernel, () => 'ENETUNREACH');
    const answer = kernel.transport.onSend;
    kernel.transport.onSend = (socket, messages) => {
      if (kernel.transport.sockets.length === 1) socket.overrun();
      else answer(socket, messages);
    };
    kernel.transport.receiveBufferBytes = 80_000;
    const many = Array.from({ length: 30 }, () => destinations[0] ?? parseIpAddress('192.0.2.1'));
    expect(await kernel.netlink.lookupRoutes(many)).toHaveLength(30);
    const [first, second] = sends(kernel);
    expect(second?.length).toBeLessThan(first?.length ?? 0);
  });
});
