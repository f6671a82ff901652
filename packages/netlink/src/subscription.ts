import {
  BackOff,
  type Clock,
  type KernelEvent,
  type KernelEventGroup,
  type KernelSubscription,
  type Logger,
  type Random,
  type Timer,
} from '@tartan/core';
import { MessageCursor } from './codec/message-reader';
import { decodeEvent, multicastGroups } from './decode-event';
import { errnoName, kernelSocket } from './errno';
import { errnoOf, type NetlinkSocket, type Transport } from './transport/transport';

export interface SubscriptionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly groups: readonly KernelEventGroup[];
  readonly listener: (event: KernelEvent) => void;
  /** Runs once, when the subscription is closed. */
  readonly onClose: () => void;
}

/**
 * A socket of its own that has joined multicast groups. It heals itself: when it overruns, and when it breaks and has been
 * opened again, the listener gets `resync`, because between the last event and that moment anything may have happened. An
 * open subscription keeps the process alive, like a server.
 */
export class Subscription implements KernelSubscription {
  readonly ready: Promise<void>;
  private readonly backOff: BackOff;
  private socket: NetlinkSocket | undefined;
  private retry: Timer | undefined;
  private closed = false;
  private troubled = false;
  private settleReady: { readonly resolve: () => void; readonly reject: (error: Error) => void };

  constructor(private readonly options: SubscriptionOptions) {
    this.backOff = new BackOff({ initialMs: 50, maxMs: 5_000, random: options.random });
    const { promise, resolve, reject } = deferred();
    this.settleReady = { resolve, reject };
    this.ready = promise;
    // Whoever does not look at `ready` has no use for its rejection either.
    promise.catch(() => undefined);
    this.open();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.retry?.cancel();
    this.socket?.close();
    this.socket = undefined;
    this.settleReady.reject(kernelSocket('subscribe', 'ECANCELED'));
    this.options.onClose();
  }

  private open(): void {
    const { transport, groups, logger } = this.options;
    try {
      const socket = transport.open({
        onMessages: (view, length) => this.receive(view, length),
        onOverrun: () => this.overrun(),
        onFailure: (errno) => this.broken(errno),
      });
      this.socket = socket;
      for (const group of groups.flatMap((name) => multicastGroups[name])) socket.join(group);
      socket.ref();
    } catch (error) {
      this.broken(errnoOf(error));
      return;
    }
    this.backOff.reset();
    this.settleReady.resolve();
    if (!this.troubled) return;
    this.troubled = false;
    logger.info('netlink subscription is back', { groups });
    this.deliver({ type: 'resync' });
  }

  private receive(view: DataView, length: number): void {
    const message = new MessageCursor(view, length);
    while (!this.closed && message.next()) {
      const event = decodeEvent(message);
      if (event) this.deliver(event);
    }
  }

  private overrun(): void {
    this.options.logger.debug('netlink notifications were lost, reading again', { groups: this.options.groups });
    this.deliver({ type: 'resync' });
  }

  private broken(errno: number): void {
    if (this.closed) return;
    this.socket?.close();
    this.socket = undefined;
    if (!this.troubled) {
      const { logger, groups } = this.options;
      logger.warn('netlink subscription is broken, opening it again', { groups, error: errnoName(errno) });
    }
    this.troubled = true;
    this.retry = this.options.clock.setTimer(this.backOff.next(), () => this.open());
  }

  /** A listener that throws is a programming error: it is told, and does not cost the events behind it. */
  private deliver(event: KernelEvent): void {
    if (this.closed) return;
    try {
      this.options.listener(event);
    } catch (error) {
      this.options.logger.error('netlink event listener threw', { event: event.type, error });
    }
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = (): void => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
