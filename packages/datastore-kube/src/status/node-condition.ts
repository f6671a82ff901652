/**
 * Tells the cluster whether this node carries traffic: the condition NetworkUnavailable of its Node (flannel-compat 3.5), on which the
 * scheduler's taint depends, and Events that say what is in the way.
 *
 *   ready                                    ──▶ False, FlannelIsUp        (nothing is scheduled before that)
 *   not ready for a while                    ──▶ True, with the reason     (nothing new is scheduled; what runs, runs on)
 *
 * The original writes False once, right after its start, before any peer is programmed, without a second try, and never True (K3).
 * Here the condition follows the readiness of the node, is retried until written, and looked at again from time to time, since cloud
 * controllers write it as well.
 */
import { BackOff, isTartanError, type Clock, type Logger, type Random, type ReadinessRegistry } from '@tartan/core';
import type { ApiClient } from '../api/api-client';

export interface NodeConditionOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly readiness: Pick<ReadinessRegistry, 'ready' | 'missing' | 'onChange'>;
  /** Also says that the node cannot carry traffic; else only that it can. */
  readonly withdraw: boolean;
  /** Without it only Events are written. */
  readonly condition: boolean;
  readonly clock: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  /** How long a node that was ready may be unready before that is told, milliseconds; 30 s unless given. */
  readonly graceMs?: number;
  /** The same from the start on; 2 minutes unless given. */
  readonly startGraceMs?: number;
  /** Between looks at what the cluster says, milliseconds, give or take a tenth; 5 minutes unless given. */
  readonly verifyMs?: number;
}

const CONDITION = 'NetworkUnavailable';
/** Reason and text that flannel writes; tools look for them. */
const UP = { status: 'False', reason: 'FlannelIsUp', message: 'Flannel is running on this node' } as const;
const LONGEST_MESSAGE = 900;

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

interface NodeStatusObject {
  readonly status?: {
    readonly conditions?: readonly ({
      readonly type?: string;
      readonly lastTransitionTime?: string;
    } & Partial<Verdict>)[];
  };
}

export class NodeCondition {
  private everReady = false;
  private unreadySince: number;
  private told: Verdict | null = null;
  private announced: Verdict | null = null;
  private failing = false;
  /** The readiness has changed since the turn under way began. */
  private changed = false;
  private wake: () => void = () => undefined;

  constructor(private readonly options: NodeConditionOptions) {
    this.unreadySince = options.clock.monotonic();
  }

  /** Follows the readiness until the signal aborts; then resolves. What it wrote stays. */
  async run(signal: AbortSignal): Promise<void> {
    const { readiness, random = Math.random, verifyMs = 300_000 } = this.options;
    const backOff = new BackOff({ initialMs: 1_000, maxMs: 60_000, random });
    const unlisten = readiness.onChange(() => this.observe());
    this.observe();
    try {
      while (!signal.aborted) {
        this.changed = false;
        const graceMs = this.graceLeftMs();
        const failed = await this.turn(graceMs <= 0, signal);
        if (!failed) backOff.reset();
        const lookMs = Math.min(graceMs > 0 ? graceMs : Infinity, verifyMs * (0.9 + 0.2 * random()));
        // What changed during the turn woke nobody.
        if (!this.hasChanged()) await this.pause(failed ? backOff.next() : lookMs, signal);
      }
    } finally {
      unlisten();
    }
  }

  private observe(): void {
    const { readiness, clock } = this.options;
    if (readiness.ready) {
      this.everReady = true;
      this.unreadySince = Infinity;
    } else if (this.unreadySince === Infinity) {
      this.unreadySince = clock.monotonic();
    }
    this.changed = true;
    this.wake();
  }

  /** A function, since the flag changes across an await. */
  private hasChanged(): boolean {
    return this.changed;
  }

  /** What should be told; null: nothing yet. While an unready node has grace left, what was told stays. */
  private verdict(graceOver: boolean): Verdict | null {
    const { readiness } = this.options;
    if (readiness.ready) return UP;
    if (!graceOver) return this.told;
    return { status: 'True', reason: 'TartanNotReady', message: readiness.missing.slice(0, LONGEST_MESSAGE) };
  }

  /** Milliseconds until being unready counts; Infinity while ready. */
  private graceLeftMs(): number {
    const { clock, graceMs = 30_000, startGraceMs = 120_000 } = this.options;
    return this.unreadySince + (this.everReady ? graceMs : startGraceMs) - clock.monotonic();
  }

  /** True when it must be tried again soon. */
  private async turn(graceOver: boolean, signal: AbortSignal): Promise<boolean> {
    const verdict = this.verdict(graceOver);
    if (!verdict) return false;
    if (verdict.status !== this.announced?.status) await this.announce(verdict, signal);
    if (!this.options.condition || (verdict.status === 'True' && !this.options.withdraw)) return false;
    try {
      await this.write(verdict, signal);
      if (this.failing) this.options.logger.info('node condition is written again');
      this.failing = false;
      return false;
    } catch (error) {
      if (signal.aborted) return false;
      if (!this.failing) this.options.logger.warn('node condition cannot be written, trying on', { error });
      this.failing = true;
      return true;
    }
  }

  private async write(verdict: Verdict, signal: AbortSignal): Promise<void> {
    const { client, node, logger, clock } = this.options;
    const key = `nodes/${node}`;
    const path = `/api/v1/nodes/${encodeURIComponent(node)}`;
    const object = (await client.json({ operation: `get node ${node}`, key, path }, signal)) as NodeStatusObject;
    const present = object.status?.conditions?.find(({ type }) => type === CONDITION);
    const same = present?.status === verdict.status && present.reason === verdict.reason;
    if (!same) {
      const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
      const lastTransitionTime = present?.status === verdict.status ? (present.lastTransitionTime ?? now) : now;
      const condition = { type: CONDITION, ...verdict, lastHeartbeatTime: now, lastTransitionTime };
      await client.json(
        {
          operation: `patch status of node ${node}`,
          key,
          method: 'PATCH',
          path: `${path}/status`,
          contentType: 'application/strategic-merge-patch+json',
          body: { status: { conditions: [condition] } },
        },
        signal,
      );
      logger.info('node condition written', { condition: CONDITION, status: verdict.status, reason: verdict.reason });
    }
    this.told = verdict;
  }

  /** An Event is a courtesy: without permission for it nothing else is lost. */
  private async announce(verdict: Verdict, signal: AbortSignal): Promise<void> {
    const news = verdict.status === 'True' || this.announced !== null;
    this.announced = verdict;
    if (!news) return;
    const { client, node, clock, logger } = this.options;
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const body = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { generateName: `${node}.`, namespace: 'default' },
      // As the kubelet does: the uid of a Node in Events is its name.
      involvedObject: { kind: 'Node', name: node, uid: node },
      type: verdict.status === 'True' ? 'Warning' : 'Normal',
      reason: verdict.status === 'True' ? 'NetworkNotReady' : 'NetworkReady',
      message: verdict.status === 'True' ? verdict.message : 'the pod network of this node works',
      source: { component: 'tartand', host: node },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    const path = '/api/v1/namespaces/default/events';
    try {
      await client.json({ operation: 'create event', key: 'events', method: 'POST', path, body }, signal);
    } catch (error) {
      if (signal.aborted) return;
      const denied = isTartanError(error, 'DATASTORE_DENIED');
      logger.debug(denied ? 'no permission to write Events' : 'an Event could not be written', { error });
    }
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        this.wake = () => undefined;
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = clock.setTimer(Math.min(Math.max(ms, 1), 2 ** 31 - 1), finish);
      this.wake = finish;
      signal.addEventListener('abort', finish, { once: true });
      if (signal.aborted) finish();
    });
  }
}
