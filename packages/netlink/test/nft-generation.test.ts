import { FakeClock } from '@tartan/core/testing';
import { nftGenerationOver } from '../src/nft-generation';
import { ScriptedTransport, writeAck, type SentMessage } from './support/scripted-transport';

const NEWGEN = 0x0a0f;
const GETGEN = 0x0a10;

/** A kernel that answers with `bytes` as the generation attribute. */
function kernelAnswering(attribute: { readonly type: number; readonly value: number }): ScriptedTransport {
  const transport = new ScriptedTransport();
  transport.onSend = (socket, [request]) => {
    socket.reply((writer) => {
      writer.startMessage(NEWGEN, 0, (request as SentMessage).sequence);
      writer.u32(0);
      // In network order, unlike the writer's own.
      const swapped = Buffer.alloc(4);
      swapped.writeUInt32BE(attribute.value);
      writer.attributeU32(attribute.type, swapped.readUInt32LE());
      writer.endMessage();
    });
  };
  return transport;
}

const timing = (clock = new FakeClock()) => ({ clock, timeoutMs: 1_000 });

describe('the generation of nftables', () => {
  it('is asked for with one message of NETLINK_NETFILTER', async () => {
    const transport = kernelAnswering({ type: 1, value: 0x01020304 });
    const generation = nftGenerationOver(transport, timing());
    expect(await generation.read()).toBe(0x01020304);
    expect(await generation.read()).toBe(0x01020304);
    expect(transport.protocols).toEqual([12]);
    expect(
      transport.sockets[0]!.sends.map((messages) => messages.map(({ type, body }) => [type, body.length])),
    ).toEqual([[[GETGEN, 4]], [[GETGEN, 4]]]);
    generation.close();
    generation.close();
    expect(transport.openSockets).toBe(0);
    await expect(generation.read()).rejects.toMatchObject({ code: 'KERNEL_SOCKET' });
  });

  it('is an error where the kernel has no nftables, or says something else', async () => {
    const transport = new ScriptedTransport();
    transport.onSend = (socket, [request]) =>
      socket.reply((writer) => writeAck(writer, (request as SentMessage).sequence, { errno: 'EOPNOTSUPP' }));
    await expect(nftGenerationOver(transport, timing()).read()).rejects.toMatchObject({
      code: 'KERNEL_REFUSED',
      data: { errnoName: 'EOPNOTSUPP' },
    });
    const odd = kernelAnswering({ type: 9, value: 1 });
    await expect(nftGenerationOver(odd, timing()).read()).rejects.toMatchObject({ data: { errnoName: 'EBADMSG' } });
  });

  it('is asked for again over a new socket after silence', async () => {
    const clock = new FakeClock();
    const transport = kernelAnswering({ type: 1, value: 5 });
    const answer = transport.onSend;
    transport.onSend = () => undefined;
    const generation = nftGenerationOver(transport, timing(clock));
    const silent = expect(generation.read()).rejects.toMatchObject({ data: { errnoName: 'ETIMEDOUT' } });
    await clock.advance(1_000);
    await silent;
    transport.onSend = answer;
    expect(await generation.read()).toBe(5);
    expect(transport.sockets).toHaveLength(2);
    generation.close();
    expect(clock.timers).toBe(0);
  });
});
