import type { KernelEvent, KernelEventGroup, KernelSubscription } from '@tartan/core';

interface Subscriber {
  readonly groups: ReadonlySet<KernelEventGroup>;
  readonly listener: (event: KernelEvent) => void;
  queue: KernelEvent[];
}

/** FDB entries travel in RTNLGRP_NEIGH, with the neighbours. */
function groupOf(event: KernelEvent): KernelEventGroup | undefined {
  if (event.type === 'resync') return undefined;
  return event.type === 'fdb' ? 'neighbour' : event.type;
}

/**
 * Delivers events as the kernel does: later, in order, to each subscriber through a queue of its own, in which they can get
 * lost (then a resync takes their place) or wait.
 */
export class FakeEvents {
  private readonly subscribers = new Set<Subscriber>();
  private readonly idle: (() => void)[] = [];
  private held = false;
  private scheduled = false;

  get subscriptions(): number {
    return this.subscribers.size;
  }

  subscribe(groups: readonly KernelEventGroup[], listener: (event: KernelEvent) => void): KernelSubscription {
    const subscriber: Subscriber = { groups: new Set(groups), listener, queue: [] };
    this.subscribers.add(subscriber);
    return { ready: Promise.resolve(), close: () => void this.subscribers.delete(subscriber) };
  }

  emit(event: KernelEvent): void {
    const group = groupOf(event);
    for (const subscriber of this.subscribers) {
      if (group === undefined || subscriber.groups.has(group)) subscriber.queue.push(event);
    }
    this.schedule();
  }

  /** Throws away what is not delivered yet; every subscriber is told to read again. */
  lose(): void {
    for (const subscriber of this.subscribers) subscriber.queue = [];
    this.emit({ type: 'resync' });
  }

  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.schedule();
  }

  /** Resolves when nothing waits for delivery. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.idle.push(resolve);
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.held) return;
    this.scheduled = true;
    setImmediate(() => this.deliver());
  }

  private deliver(): void {
    this.scheduled = false;
    if (this.held) return;
    for (const subscriber of this.subscribers) {
      const events = subscriber.queue;
      subscriber.queue = [];
      for (const event of events) if (this.subscribers.has(subscriber)) subscriber.listener(event);
    }
    const waiting = [...this.subscribers].some((subscriber) => subscriber.queue.length > 0);
    if (waiting) this.schedule();
    else for (const resolve of this.idle.splice(0)) resolve();
  }
}
