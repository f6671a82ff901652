import { isTartanError, type KernelOpResult, type TartanError } from '@tartan/core';
import { decodeAck, type Ack } from './codec/ack';
import { NLMSG } from './codec/constants';
import type { MessageCursor } from './codec/message-reader';
import type { Connection } from './connection';
import { describeOp } from './describe-op';
import { encodeFollowUp, encodeOp, hasFollowUp, type RtnetlinkOp } from './encode-op';
import { kernelRefused, meansGone } from './errno';
import { RequestBatch } from './request-batch';

/** Bytes of one send; a socket takes 212,992 unless told otherwise (net.core.wmem_default). */
const SEND_MAX_BYTES = 128 * 1024;
/**
 * Ops of one send. JavaScript stands still meanwhile: a millisecond as a rule, but 15 to 30 when 5,000 routes go through
 * gateways of their own on one device, because the kernel then searches one long list per route (fib_info_hashfn() of
 * net/ipv4/fib_semantics.c, v6.1, does not look at gateways).
 */
const SEND_MAX_OPS = 256;
/**
 * What an error message in the receive queue may weigh in the kernel's account: the answer with its text and, without
 * NETLINK_CAP_ACK, the echoed request, sk_buff and shared info included. All of a send may fail, so all must fit.
 */
const ANSWER_BYTES = 1_536;
/** After an overrun what is safe to repeat is repeated so often, in smaller sends. */
const REPEAT_MAX = 3;

const SUCCESS: KernelOpResult = { ok: true };

type OpError = TartanError<'KERNEL_REFUSED' | 'KERNEL_SOCKET'>;

/**
 * Carries out ops in order, as many per send as fit. An op that the kernel refuses does not stop the others. When the socket
 * fails, ops whose outcome is unknown get KERNEL_SOCKET, and so does everything behind them. Rejects only when the connection
 * is closed.
 */
export function applyOps(connection: Connection, ops: readonly RtnetlinkOp[]): Promise<KernelOpResult[]> {
  return connection.exclusive('apply', async () => {
    if (ops.length === 0) return [];
    const run = new ApplyRun(connection, ops);
    await run.all();
    return run.results();
  });
}

class ApplyRun {
  private readonly errors = new Map<number, OpError>();
  private sendMaxOps = SEND_MAX_OPS;

  constructor(
    private readonly connection: Connection,
    private readonly ops: readonly RtnetlinkOp[],
  ) {}

  async all(): Promise<void> {
    for (let next = 0; next < this.ops.length;) {
      try {
        next = await this.chunk(next);
      } catch (error) {
        if (!isTartanError(error, 'KERNEL_SOCKET') || error.data.errnoName === 'ECANCELED') throw error;
        this.failFrom(next, error);
        return;
      }
    }
  }

  results(): KernelOpResult[] {
    return this.ops.map((op, number) => {
      const error = this.errors.get(number);
      if (!error || (op.op.endsWith('-delete') && isGone(error))) return SUCCESS;
      return { ok: false, error };
    });
  }

  /** Sends ops from `from` on, as many as fit; returns the number of the first one that was not sent. */
  private async chunk(from: number): Promise<number> {
    const numbers = this.fitting(from);
    const last = numbers[numbers.length - 1] as number;
    await this.sendRepeating(numbers);
    const op = this.ops[last] as RtnetlinkOp;
    if (hasFollowUp(op) && !this.errors.has(last)) {
      await this.send([last], (batch) => encodeFollowUp(batch, op.link));
    }
    return last + 1;
  }

  /** A link with a second part ends a send: nothing behind it may come before that part. */
  private fitting(from: number): number[] {
    const { receiveBufferBytes } = this.connection.open('apply');
    const answers = Math.max(1, Math.floor((receiveBufferBytes * 3) / 4 / ANSWER_BYTES));
    const end = Math.min(this.ops.length, from + Math.min(this.sendMaxOps, answers));
    const numbers: number[] = [];
    for (let number = from; number < end; number++) {
      numbers.push(number);
      if (hasFollowUp(this.ops[number] as RtnetlinkOp)) break;
    }
    return numbers;
  }

  private async sendRepeating(numbers: readonly number[]): Promise<void> {
    let left = numbers;
    for (let attempt = 1; left.length > 0; attempt++) {
      try {
        left = await this.send(left, (batch, number) => encodeOp(batch, this.ops[number] as RtnetlinkOp));
      } catch (error) {
        if (attempt > REPEAT_MAX || !isOverrun(error)) throw error;
        left = this.repeatable(left, error);
        this.sendMaxOps = Math.max(8, this.sendMaxOps >> 2);
      }
    }
  }

  /**
   * After an overrun nothing is known of ops without an error. What only states how things shall be is repeated; what creates
   * would find its own work in the way, so it is reported as unknown.
   */
  private repeatable(numbers: readonly number[], error: OpError): number[] {
    return numbers.filter((number) => {
      const { op } = this.ops[number] as RtnetlinkOp;
      if (op !== 'route-add' && op !== 'link-create') {
        this.errors.delete(number);
        return true;
      }
      if (!this.errors.has(number)) this.errors.set(number, error);
      return false;
    });
  }

  /** One exchange; returns what did not fit into it. */
  private async send(
    numbers: readonly number[],
    encode: (batch: RequestBatch, number: number) => void,
  ): Promise<readonly number[]> {
    const batch = new RequestBatch(this.connection);
    let sent = 0;
    for (; sent < numbers.length && sent < this.sendMaxOps && batch.writer.length < SEND_MAX_BYTES; sent++) {
      const number = numbers[sent] as number;
      batch.begin(number);
      encode(batch, number);
    }
    batch.seal();
    await this.connection.exchange('apply', batch.first, (message) => this.accept(batch, message));
    return numbers.slice(sent);
  }

  private accept(batch: RequestBatch, message: MessageCursor): boolean {
    if (message.type !== NLMSG.error) return false;
    const ack = decodeAck(message);
    const op = ack.errno === 0 ? undefined : batch.opOf(message.sequence, ack.errno);
    // The first error of an op is its reason, later ones follow from it.
    if (op !== undefined && !this.errors.has(op)) this.errors.set(op, this.refused(op, ack));
    return batch.isLast(message.sequence);
  }

  private refused(number: number, { errno, extendedAck, offset }: Ack): OpError {
    return kernelRefused(describeOp(this.ops[number] as RtnetlinkOp), errno, extendedAck, offset);
  }

  private failFrom(from: number, error: OpError): void {
    for (let number = from; number < this.ops.length; number++) {
      if (!this.errors.has(number)) this.errors.set(number, error);
    }
  }
}

function isGone(error: OpError): boolean {
  return isTartanError(error, 'KERNEL_REFUSED') && meansGone(error.data.errno);
}

function isOverrun(error: unknown): error is TartanError<'KERNEL_SOCKET'> {
  return isTartanError(error, 'KERNEL_SOCKET') && error.data.errnoName === 'ENOBUFS';
}
