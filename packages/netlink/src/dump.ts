import { BackOff, isTartanError, type Clock, type DumpSieve, type Random } from '@tartan/core';
import { decodeAck, type Ack } from './codec/ack';
import { NLM_F, NLMSG } from './codec/constants';
import type { MessageCursor } from './codec/message-reader';
import type { MessageWriter } from './codec/message-writer';
import type { Connection } from './connection';
import { errnoNumber, kernelRefused } from './errno';

/** A dump is repeated so often when the kernel says that the table changed meanwhile. */
const INTERRUPTED_MAX = 20;
/** And so often when its answers did not fit into the receive buffer. */
const OVERRUN_MAX = 3;

export interface DumpRequest<Item> {
  /** For error messages. */
  readonly operation: string;
  /** Type of the messages that carry items, RTM_NEW*. */
  readonly type: number;
  encode(writer: MessageWriter, sequence: number, strictCheck: boolean): void;
  /** Undefined leaves the message out. */
  decode(view: DataView, start: number, end: number): Item | undefined;
  /** Errnos that mean "there is nothing like that": the device or table of a filter is gone. */
  readonly emptyOn?: ReadonlySet<number>;
  readonly sieve?: DumpSieve<Item> | undefined;
}

export interface DumpContext {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Everything of one kind, as it was at one moment. A dump that the kernel flags with NLM_F_DUMP_INTR was overtaken by a change
 * and may have left things out or told them twice (nl_dump_check_consistent() in include/net/netlink.h, v6.1); it is repeated
 * after a short, growing pause, because changes come in bursts. Rejects with KERNEL_REFUSED or KERNEL_SOCKET.
 */
export async function dump<Item>(context: DumpContext, request: DumpRequest<Item>): Promise<Item[]> {
  const { connection, clock, random } = context;
  const pause = new BackOff({ initialMs: 1, maxMs: 100, random });
  return connection.exclusive(request.operation, async () => {
    for (let interrupted = 0, overruns = 0; interrupted < INTERRUPTED_MAX;) {
      const outcome = await attempt(connection, request, overruns < OVERRUN_MAX);
      if (outcome === 'overrun') overruns++;
      else if (outcome !== 'interrupted') return outcome;
      else interrupted++;
      await clock.sleep(pause.next());
    }
    throw kernelRefused(
      request.operation,
      errnoNumber('EINTR'),
      `the table kept changing during ${INTERRUPTED_MAX} dumps`,
    );
  });
}

async function attempt<Item>(
  connection: Connection,
  request: DumpRequest<Item>,
  forgiveOverrun: boolean,
): Promise<Item[] | 'interrupted' | 'overrun'> {
  const collector = new Collector(request);
  const { strictCheck } = connection.open(request.operation);
  const first = connection.start();
  request.encode(connection.writer, connection.nextSequence(), strictCheck);
  try {
    await connection.exchange(request.operation, first, (message) => collector.accept(message));
  } catch (error) {
    if (forgiveOverrun && isTartanError(error, 'KERNEL_SOCKET') && error.data.errnoName === 'ENOBUFS') return 'overrun';
    throw error;
  }
  return collector.outcome();
}

class Collector<Item> {
  private readonly items: Item[] = [];
  private interrupted = false;
  private end: Ack = { errno: 0 };
  private readonly reading;

  constructor(private readonly request: DumpRequest<Item>) {
    this.reading = request.sieve?.open();
  }

  accept(message: MessageCursor): boolean {
    if (message.flags & NLM_F.dumpInterrupted) this.interrupted = true;
    if (message.type === NLMSG.done || message.type === NLMSG.error) {
      this.end = decodeAck(message);
      return true;
    }
    if (message.type === this.request.type) {
      const item = this.request.decode(message.view, message.start, message.end);
      if (item !== undefined && this.reading?.keeps(item) !== false) this.items.push(item);
    }
    return false;
  }

  outcome(): Item[] | 'interrupted' {
    const { errno, extendedAck, offset } = this.end;
    if (errno === errnoNumber('EINTR')) return 'interrupted';
    if (this.request.emptyOn?.has(errno)) return [];
    if (errno !== 0) throw kernelRefused(this.request.operation, errno, extendedAck, offset);
    if (this.interrupted) return 'interrupted';
    this.reading?.done();
    return this.items;
  }
}
