import { NLM_F } from './codec/constants';
import type { MessageWriter } from './codec/message-writer';
import type { Connection } from './connection';

/**
 * Messages of one send, each with the op it belongs to. Sequence numbers are consecutive, so the place of an answer's message
 * is its sequence number less that of the first.
 *
 * Only the last message asks for an ack. The kernel answers errors in any case (netlink_rcv_skb() of
 * net/netlink/af_netlink.c, v6.1) and in order, and if an answer had no room the socket says so (ENOBUFS); so the ack of the last
 * message proves that every message without an error before it succeeded, and thousands of acks need not be made, queued,
 * read and decoded.
 */
export class RequestBatch {
  readonly first: number;
  private readonly ops: number[] = [];
  private readonly optional = new Set<number>();
  private op = 0;

  constructor(private readonly connection: Connection) {
    this.first = connection.start();
  }

  get writer(): MessageWriter {
    return this.connection.writer;
  }

  /** Number of messages. */
  get length(): number {
    return this.ops.length;
  }

  /** The messages that follow belong to op number `op`. */
  begin(op: number): void {
    this.op = op;
  }

  /** Sequence number for the next message. */
  next(): number {
    this.ops.push(this.op);
    return this.connection.nextSequence();
  }

  /** Like next(), for a message that may be refused with `errno` without its op failing. */
  nextUnless(errno: number): number {
    this.optional.add(this.ops.length * 4096 + errno);
    return this.next();
  }

  /** Asks for the ack of the last message. Call when all are written. */
  seal(): void {
    this.writer.addFlags(NLM_F.ack);
  }

  isLast(sequence: number): boolean {
    return sequence - this.first === this.ops.length - 1;
  }

  /** The op that an error in answer to `sequence` counts for; undefined when it does not matter. */
  opOf(sequence: number, errno: number): number | undefined {
    const place = sequence - this.first;
    return this.optional.has(place * 4096 + errno) ? undefined : this.ops[place];
  }
}
