import type { Clock, Timer } from '@tartan/core';
import { MessageCursor } from './codec/message-reader';
import { MessageWriter } from './codec/message-writer';
import { errnoName, kernelSocket, type ErrnoName } from './errno';
import { errnoOf, type NetlinkSocket, type SocketListener, type Transport } from './transport/transport';

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  /** How long the kernel may stay silent within one exchange, milliseconds. */
  readonly timeoutMs: number;
  /** NETLINK_PROTOCOL value; `route` unless told. */
  readonly protocol?: number;
}

/** Sees each answer to an exchange, in order; true ends the exchange, a throw fails it. */
export type Accept = (message: MessageCursor) => boolean;

interface Exchange {
  readonly operation: string;
  readonly first: number;
  readonly last: number;
  readonly accept: Accept;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  timer: Timer;
}

/** Sequence numbers start over well before 2^32, between exchanges. */
const SEQUENCE_LIMIT = 0xf000_0000;

/**
 * One request socket and the exchanges over it, one at a time: what is written into `writer` goes out in one send, and answers
 * come back until the exchange has seen enough. The kernel works through a send before it returns and answers in order, so
 * waiting in line costs nothing and spares all bookkeeping of overlapping requests (a second dump on the same socket would
 * even be refused with EBUSY).
 *
 * Answers belong to the exchange by sequence number; what belongs to none, for instance after a time-out, is dropped. Whenever
 * it is not certain that every answer arrived (overrun, time-out, socket error), the exchange fails with KERNEL_SOCKET and the
 * next one gets a new socket.
 */
export class Connection {
  readonly writer = new MessageWriter();
  private socket: NetlinkSocket | undefined;
  private current: Exchange | undefined;
  private line: Promise<unknown> = Promise.resolve();
  private sequence = 0;
  private closed = false;

  constructor(private readonly options: ConnectionOptions) {}

  /** Runs `work` when all earlier work on this connection is done; the connection is its own until it settles. */
  exclusive<Result>(operation: string, work: () => Promise<Result>): Promise<Result> {
    if (this.closed) return Promise.reject(kernelSocket(operation, 'EBADF'));
    const result = this.line.then(() => {
      this.throwIfClosed(operation);
      return work();
    });
    this.line = result.catch(() => undefined);
    return result;
  }

  /** The socket, opened when there is none. Throws KERNEL_SOCKET. */
  open(operation: string): NetlinkSocket {
    this.throwIfClosed(operation);
    if (this.socket) return this.socket;
    try {
      this.socket = this.options.transport.open(this.listener(), this.options.protocol);
      return this.socket;
    } catch (error) {
      throw kernelSocket(operation, errnoName(errnoOf(error)) as ErrnoName, error);
    }
  }

  /** The sequence number that the next message is to carry. */
  nextSequence(): number {
    return ++this.sequence;
  }

  /** Call before the first message of an exchange is written; returns the sequence number that it will get. */
  start(): number {
    this.writer.reset();
    if (this.sequence > SEQUENCE_LIMIT) this.sequence = 0;
    return this.sequence + 1;
  }

  /** Sends what was written since start() and feeds `accept`. Only within exclusive(). */
  exchange(operation: string, first: number, accept: Accept): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.open(operation);
      this.current = { operation, first, last: this.sequence, accept, resolve, reject, timer: this.startTimer() };
      socket.ref();
      try {
        socket.send(this.writer.bytes);
      } catch (error) {
        this.fail(errnoName(errnoOf(error)) as ErrnoName, error);
      }
    });
  }

  /** Fails what is under way and what waits. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.fail('ECANCELED');
  }

  private throwIfClosed(operation: string): void {
    if (this.closed) throw kernelSocket(operation, 'ECANCELED');
  }

  private startTimer(): Timer {
    return this.options.clock.setTimer(this.options.timeoutMs, () => this.fail('ETIMEDOUT'));
  }

  private listener(): SocketListener {
    // A socket that was given up may still have a callback on its way.
    let socket: NetlinkSocket | undefined;
    const mine = (): boolean => this.socket !== undefined && (socket ??= this.socket) === this.socket;
    return {
      onMessages: (view, length) => {
        if (mine()) this.receive(view, length);
      },
      onOverrun: () => {
        if (mine()) this.fail('ENOBUFS');
      },
      onFailure: (errno) => {
        if (mine()) this.fail(errnoName(errno) as ErrnoName);
      },
    };
  }

  private receive(view: DataView, length: number): void {
    const message = new MessageCursor(view, length);
    let heard = false;
    while (message.next()) {
      const exchange = this.current;
      if (!exchange || message.sequence < exchange.first || message.sequence > exchange.last) continue;
      heard = true;
      if (this.isOver(exchange, message)) this.finish(exchange);
    }
    if (heard && this.current) {
      this.current.timer.cancel();
      this.current.timer = this.startTimer();
    }
  }

  private isOver(exchange: Exchange, message: MessageCursor): boolean {
    try {
      return exchange.accept(message);
    } catch (error) {
      // Answers that are still to come must not be taken for those of the next exchange.
      this.giveUpSocket();
      this.finish(exchange, error);
      return false;
    }
  }

  private finish(exchange: Exchange, error?: unknown): void {
    exchange.timer.cancel();
    this.current = undefined;
    this.socket?.unref();
    if (error === undefined) exchange.resolve();
    else exchange.reject(error);
  }

  private fail(errno: ErrnoName, cause?: unknown): void {
    this.giveUpSocket();
    const exchange = this.current;
    if (exchange) this.finish(exchange, kernelSocket(exchange.operation, errno, cause));
  }

  private giveUpSocket(): void {
    this.socket?.close();
    this.socket = undefined;
  }
}
