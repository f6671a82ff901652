/**
 * Keeps a NodeView in step with the API server: one list, then one watch, for all readers of this process.
 *
 *   list (pages, from the server's memory) ──▶ watch with bookmarks ──▶ event: trim, compare, tell
 *          ▲                                        │
 *          │                                        ├─ ended in good order (servers limit watches) ─▶ watch again from the last version
 *          └──── 410 Gone: list again and compare ──┤
 *                                                   └─ broken, silent ─▶ down: readers are told, the next one tries again
 *
 * Nothing is retried here: the lease manager's mirror owns the back-off with its jitter, and asks again. Only the very first list of the
 * process is spread here, for the hour when a whole cluster boots. Every later list is one of a single node, or follows an outage and
 * with it a back-off. A list is compared with what is known, so
 * what happened while nobody watched is told as changes like any other. The original caches whole Node objects of the cluster and
 * blocks its start on them (flannel-compat 13 K6).
 */
import { abortReason, isTartanError, TartanError, type Clock, type Logger, type Random } from '@tartan/core';
import type { IncomingMessage } from 'node:http';
import type { ApiClient } from '../api/api-client';
import { failureOf, unavailable, type StatusBody } from '../api/failure';
import { readLines, splitItems } from '../api/split-json';
import type { AnnotationNames } from './annotation-names';
import { parseWithoutStatus, trimNode, type KubeNode, type NodeObject } from './kube-node';
import type { NodeView } from './node-view';

export interface NodeReflectorOptions {
  readonly client: ApiClient;
  readonly view: NodeView;
  readonly names: AnnotationNames;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called after the view has changed, and with an error when the watch is down. */
  readonly onChange: () => void;
  readonly onDown: (error: Error) => void;
  /** A sign of life: list, event or bookmark. */
  readonly onContact: () => void;
  readonly pageSize?: number;
  /** The first list waits for a random part of this, milliseconds; 0 unless given. */
  readonly startSpreadMs?: number;
  /** Without an event or bookmark for so long, the stream is taken for dead. Servers send a bookmark each minute. 150 s unless given. */
  readonly silenceMs?: number;
}

/** As client-go: small enough for a server's memory, large enough that 5,000 nodes are ten calls. */
const PAGE_SIZE = 500;
const SILENCE_MS = 150_000;
/** Mean length of a watch, as client-go draws it (5 to 10 minutes): spreads the load of many nodes over servers and time. */
const WATCH_SECONDS = { least: 300, spread: 300 };
/** A watch that ends at once in good order is tried again after this long. */
const SHORT_WATCH_MS = 1_000;
const LIST_LIMIT_MS = 60_000;
/** Go writes members in the order of its types: in a Node metadata is first, and in that the name. No other part of a Node has metadata. */
const NEXT_NODE = '{"metadata":{"name":';
/** So often a start lists again when the server has forgotten the version that the watch is to begin with. */
const RESTARTS = 3;

interface WatchEvent {
  readonly type?: string;
  readonly object?: NodeObject & StatusBody;
}

export class NodeReflector {
  /** True while what the view holds is current. */
  live = false;
  /** The last version known; null before the first list. */
  resourceVersion: string | null = null;
  lists = 0;
  private starting: Promise<void> | null = null;
  private spread = false;
  private readonly stop = new AbortController();
  private stream: IncomingMessage | null = null;

  constructor(private readonly options: NodeReflectorOptions) {}

  /** Resolves once the view is current; rejects with what is in the way, or the abort reason of the caller. */
  async ensure(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.stop.signal.aborted) throw unavailable('list nodes', 'closed');
    if (this.live) return;
    this.starting ??= this.start().finally(() => (this.starting = null));
    await raceAbort(this.starting, signal);
  }

  /** The connection may lead nowhere. */
  disconnect(): void {
    this.stream?.destroy(new Error('disconnected'));
  }

  close(): void {
    this.stop.abort(new Error('closed'));
    this.stream?.destroy();
  }

  private async start(): Promise<void> {
    await this.spreadFirst();
    if (this.resourceVersion === null) await this.list();
    const stream = await this.openWatchOrList();
    this.live = true;
    void this.follow(stream);
  }

  private async spreadFirst(): Promise<void> {
    const { startSpreadMs = 0, clock, random } = this.options;
    if (this.spread) return;
    this.spread = true;
    if (startSpreadMs > 0) await clock.sleep(startSpreadMs * random(), this.stop.signal);
  }

  /** A watch from the last version; where that is too old, after another list. */
  private async openWatchOrList(): Promise<IncomingMessage> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.openWatch();
      } catch (error) {
        if (!isTartanError(error, 'DATASTORE_COMPACTED') || tries >= RESTARTS) throw error;
        this.options.client.activity.expired++;
        await this.list();
      }
    }
  }

  // ---- list ----

  private async list(): Promise<void> {
    const first = this.resourceVersion === null;
    // 0: whatever the server has in memory, which costs it nothing. Later, never older than what we saw.
    const version = first
      ? 'resourceVersion=0'
      : `resourceVersion=${this.resourceVersion ?? ''}&resourceVersionMatch=NotOlderThan`;
    try {
      await this.listFrom(version);
    } catch (error) {
      if (first || isTartanError(error, 'DATASTORE_DENIED')) throw error;
      // "Too large resource version" and "expired": only the latest state is left.
      await this.listFrom('resourceVersion=');
    }
  }

  private async listFrom(version: string): Promise<void> {
    const nodes = new Map<string, KubeNode>();
    const { pageSize = PAGE_SIZE, view } = this.options;
    let more = '';
    let resourceVersion = '';
    for (let pages = 0; pages === 0 || more !== ''; pages++) {
      const query = more === '' ? version : `continue=${encodeURIComponent(more)}`;
      const { metadata = {} } = await this.listPage(`/api/v1/nodes?limit=${pageSize}&${query}`, nodes);
      more = metadata.continue ?? '';
      resourceVersion = metadata.resourceVersion ?? '';
    }
    if (resourceVersion === '') throw unavailable('list nodes', 'the answer has no resourceVersion');
    this.lists++;
    this.options.client.activity.lists++;
    if (this.wentBack(resourceVersion)) view.rebuilt();
    this.resourceVersion = resourceVersion;
    this.options.onContact();
    if (view.replace(nodes)) this.options.onChange();
  }

  private async listPage(path: string, nodes: Map<string, KubeNode>) {
    const { client, clock, names } = this.options;
    const call = { operation: 'list nodes', key: 'nodes', path };
    const response = await client.stream(call, this.stop.signal);
    const limit = clock.setTimer(LIST_LIMIT_MS, () => response.destroy(new Error('the list did not end in time')));
    try {
      const take = (bytes: Buffer): void => {
        const node = trimNode(
          parseWithoutStatus<NodeObject>(bytes, '}', ({ spec }) => spec !== undefined),
          names,
        );
        if (node) nodes.set(node.name, node);
      };
      return await splitItems(response, take, NEXT_NODE);
    } catch (error) {
      throw this.explained('list nodes', error);
    } finally {
      limit.cancel();
    }
  }

  /** Versions are opaque, but of one cluster they grow as numbers in every server there is; a text that is none says nothing. */
  private wentBack(resourceVersion: string): boolean {
    const before = Number(this.resourceVersion ?? Number.NaN);
    return Number(resourceVersion) < before;
  }

  // ---- watch ----

  private openWatch(): Promise<IncomingMessage> {
    const { client, random } = this.options;
    const seconds = Math.round(WATCH_SECONDS.least + WATCH_SECONDS.spread * random());
    const version = encodeURIComponent(this.resourceVersion ?? '');
    const path = `/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${version}`;
    return client.stream({ operation: 'watch nodes', key: 'nodes', path }, this.stop.signal);
  }

  /** Reads watches, one after the other, until one breaks. */
  private async follow(first: IncomingMessage): Promise<void> {
    const { client, clock, logger } = this.options;
    let stream = first;
    try {
      for (;;) {
        const startedAt = clock.monotonic();
        const outdated = await this.hear(stream);
        if (outdated) {
          client.activity.expired++;
          logger.info('the API server has forgotten where the watch was, listing nodes again');
          await this.list();
        } else if (clock.monotonic() - startedAt < SHORT_WATCH_MS) {
          await clock.sleep(SHORT_WATCH_MS, this.stop.signal);
        }
        stream = await this.openWatchOrList();
      }
    } catch (error) {
      this.live = false;
      this.options.onDown(this.explained('watch nodes', error));
    }
  }

  /** Takes a whole watch in. True when the server says that our version is too old. */
  private async hear(stream: IncomingMessage): Promise<boolean> {
    const { client, clock, silenceMs = SILENCE_MS } = this.options;
    client.activity.watches++;
    this.stream = stream;
    let heardAt = clock.monotonic();
    const silent = (): void => {
      const quietMs = clock.monotonic() - heardAt;
      if (quietMs >= silenceMs) stream.destroy(new Error(`nothing heard for ${silenceMs / 1000} s`));
      else timer = clock.setTimer(silenceMs - quietMs, silent);
    };
    let timer = clock.setTimer(silenceMs, silent);
    try {
      let outdated = false;
      await readLines(stream, (line) => {
        heardAt = clock.monotonic();
        outdated = this.take(line);
        return !outdated;
      });
      return outdated;
    } finally {
      timer.cancel();
      stream.destroy();
      this.stream = null;
    }
  }

  private take(line: Buffer): boolean {
    const { client, clock, view, names, onChange, onContact } = this.options;
    const { type, object } = parseWithoutStatus<WatchEvent>(line, '}}', (event) => event.object?.spec !== undefined);
    if (type === 'ERROR') return this.takeError(object ?? {});
    onContact();
    const { activity } = client;
    activity.lastEventAt = clock.now();
    this.resourceVersion = object?.metadata?.resourceVersion ?? this.resourceVersion;
    if (type === 'BOOKMARK' || !object) {
      activity.events.bookmark++;
      return false;
    }
    const node = trimNode(object, names);
    const changed = node !== null && view.apply(node.name, type === 'DELETED' ? null : node);
    activity.events[changed ? 'changed' : 'ignored']++;
    if (changed) onChange();
    return false;
  }

  private takeError(status: StatusBody): boolean {
    if (status.code === 410) return true;
    throw failureOf(status.code ?? 500, status, { operation: 'watch nodes', key: 'nodes' });
  }

  private explained(operation: string, error: unknown): Error {
    if (error instanceof TartanError) return error;
    if (this.stop.signal.aborted) return unavailable(operation, 'closed');
    return unavailable(operation, error instanceof Error ? error.message : String(error), error);
  }
}

/** What `work` gives; rejects with the abort reason when the signal comes first, and then `work` goes on for others. */
export async function raceAbort<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    stop = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    stop();
  }
}
