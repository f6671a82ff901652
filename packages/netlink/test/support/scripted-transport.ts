import { constants } from 'node:os';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { HOST_ORDER } from '../../src/codec/byte-order';
import { NLM_F, NLMSG, NLMSGERR_ATTR } from '../../src/codec/constants';
import { MessageCursor } from '../../src/codec/message-reader';
import { MessageWriter } from '../../src/codec/message-writer';
import type { FeatureIoctl } from '../../src/feature-ioctl';
import { KernelNetlink } from '../../src/kernel-netlink';
import { Sysctls } from '../../src/sysctl';
import type { NetlinkSocket, SocketListener, Transport } from '../../src/transport/transport';

export interface SentMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Behind the nlmsghdr. */
  readonly body: Buffer;
}

/** A kernel that says what a test tells it to. */
export class ScriptedTransport implements Transport {
  readonly name = 'scripted';
  readonly extendedAck = true;
  /** Every socket that was ever opened, in order. */
  readonly sockets: ScriptedSocket[] = [];
  /** Of those sockets; undefined is NETLINK_ROUTE. */
  readonly protocols: (number | undefined)[] = [];
  /** Errnos with which the next opens fail. */
  readonly openFailures: (keyof typeof constants.errno)[] = [];
  receiveBufferBytes = 8 * 1024 * 1024;
  /** Runs for each send, after send() has returned. */
  onSend: (socket: ScriptedSocket, messages: readonly SentMessage[]) => void = () => undefined;

  open(listener: SocketListener, protocol?: number): NetlinkSocket {
    const failure = this.openFailures.shift();
    if (failure) throw Object.assign(new Error(failure), { errno: constants.errno[failure] });
    const socket = new ScriptedSocket(this, listener);
    this.sockets.push(socket);
    this.protocols.push(protocol);
    return socket;
  }

  get openSockets(): number {
    return this.sockets.filter((socket) => !socket.closed).length;
  }
}

export class ScriptedSocket implements NetlinkSocket {
  readonly strictCheck = true;
  readonly groups: number[] = [];
  readonly sends: (readonly SentMessage[])[] = [];
  readonly receiveBufferBytes: number;
  referenced = false;
  closed = false;

  constructor(
    private readonly transport: ScriptedTransport,
    private readonly listener: SocketListener,
  ) {
    this.receiveBufferBytes = transport.receiveBufferBytes;
  }

  join(group: number): void {
    this.groups.push(group);
  }

  send(bytes: Buffer): void {
    const messages = parse(Buffer.from(bytes));
    this.sends.push(messages);
    queueMicrotask(() => this.transport.onSend(this, messages));
  }

  ref(): void {
    this.referenced = true;
  }

  unref(): void {
    this.referenced = false;
  }

  close(): void {
    this.closed = true;
  }

  /** Delivers what `write` writes, even to a closed socket: a callback may be on its way. */
  reply(write: (writer: MessageWriter) => void): void {
    const writer = new MessageWriter();
    write(writer);
    const { buffer, byteOffset, byteLength } = writer.bytes;
    this.listener.onMessages(new DataView(buffer, byteOffset, byteLength), byteLength);
  }

  overrun(): void {
    this.listener.onOverrun();
  }

  fail(errno: keyof typeof constants.errno): void {
    this.listener.onFailure(constants.errno[errno]);
  }
}

/** NLMSG_ERROR, as with NETLINK_CAP_ACK; errno absent is an ack. */
export function writeAck(
  writer: MessageWriter,
  sequence: number,
  error: { readonly errno?: keyof typeof constants.errno; readonly text?: string; readonly offset?: number } = {},
): void {
  const told = error.text !== undefined || error.offset !== undefined;
  writer.startMessage(NLMSG.error, NLM_F.capped | (told ? NLM_F.ackTlvs : 0), sequence);
  writer.u32(error.errno === undefined ? 0 : -constants.errno[error.errno] >>> 0);
  for (let word = 0; word < 4; word++) writer.u32(0);
  if (error.text !== undefined) writer.attributeText(NLMSGERR_ATTR.message, error.text);
  if (error.offset !== undefined) writer.attributeU32(NLMSGERR_ATTR.offset, error.offset);
  writer.endMessage();
}

/** NLMSG_DONE. */
export function writeDone(
  writer: MessageWriter,
  sequence: number,
  flags = 0,
  errno?: keyof typeof constants.errno,
): void {
  writer.startMessage(NLMSG.done, NLM_F.multi | flags, sequence);
  writer.u32(errno === undefined ? 0 : -constants.errno[errno] >>> 0);
  writer.endMessage();
}

export interface Scripted {
  readonly transport: ScriptedTransport;
  readonly netlink: KernelNetlink;
  readonly clock: FakeClock;
  readonly logger: MemoryLogger;
}

/** The real thing over a scripted kernel, which has no ioctl for features unless given. */
export function scripted(featureIoctl?: FeatureIoctl): Scripted {
  const transport = new ScriptedTransport();
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const sysctls = new Sysctls({ root: '/nonexistent', netns: '' });
  const fixed = { clock, logger, random: () => 0.5, timeoutMs: 1_000 };
  const netlink = new KernelNetlink({ transport, sysctls, featureIoctl, ...fixed });
  return { transport, netlink, clock, logger };
}

function parse(bytes: Buffer): SentMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor = new MessageCursor(view);
  const messages: SentMessage[] = [];
  while (cursor.next()) {
    const { type, flags, sequence, start, end } = cursor;
    messages.push({ type, flags, sequence, body: bytes.subarray(start, end) });
  }
  return messages;
}

/** ifi_index, ndm_ifindex or ifa_index: at 4 in all of them. */
export function ifindexOf(message: SentMessage): number {
  return new DataView(message.body.buffer, message.body.byteOffset).getUint32(4, HOST_ORDER);
}
