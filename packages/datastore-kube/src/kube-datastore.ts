/**
 * Leases from the Kubernetes API: each Node is a lease, its podCIDRs are the subnet, its annotations what it publishes
 * (flannel-compat 3). Subnets are assigned by the cluster, so there is nothing to create, move or delete, and nothing expires.
 *
 *   NodeReflector ──▶ NodeView ──▶ list(), watch()         all nodes, as leases with revisions of our own
 *   NodeObjects   ◀── update()                             our own node: compare, then patch
 *   ConfigFile    ──▶ getConfig(), watchConfig()           a mounted ConfigMap
 *
 * A list of thousands of nodes is asked for once. Later lists are answered from the view, while its watch is alive, after the server
 * has told the present version and the view has caught up with it: so they are as fresh as a list would be and cost one key.
 */
import { setMaxListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import {
  parseNetworkConfig,
  Reachability,
  TartanError,
  abortReason,
  isTartanError,
  type Clock,
  type ConfigRecord,
  type Datastore,
  type DatastoreCapabilities,
  type DatastoreStatus,
  type LeaseAttrs,
  type LeaseListing,
  type LeaseRecord,
  type LeaseSubnets,
  type Logger,
  type OwnerIdentity,
  type Random,
  type WatchResponse,
} from '@tartan/core';
import type { ApiClient } from './api/api-client';
import { DATASTORE_NAME, unavailable } from './api/failure';
import { ConfigFile } from './config-file';
import { conflict, NodeObjects } from './node-objects';
import type { AnnotationNames } from './nodes/annotation-names';
import type { KubeNode } from './nodes/kube-node';
import { NodeReflector, raceAbort } from './nodes/node-reflector';
import { NodeView } from './nodes/node-view';

export interface KubeDatastoreOptions {
  readonly client: ApiClient;
  readonly names: AnnotationNames;
  /** Who we are: `node` is the name of our Node object. null for a reader. */
  readonly identity: OwnerIdentity | null;
  readonly configPath: string;
  readonly clock: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  readonly pollIntervalMs?: number;
  readonly progressIntervalMs?: number;
  readonly pageSize?: number;
  readonly silenceMs?: number;
  readonly startSpreadMs?: number;
  /** See NodeViewOptions. */
  readonly onOwnNode?: (node: KubeNode) => void;
  /** How long a list waits for the watch to catch up; other objects than nodes may have moved the version on. */
  readonly settleMs?: number;
}

const POLL_INTERVAL_MS = 2_000;
const PROGRESS_INTERVAL_MS = 60_000;
const SETTLE_MS = 1_000;

export class KubeDatastore implements Datastore {
  readonly name = DATASTORE_NAME;
  readonly capabilities: DatastoreCapabilities = {
    expiry: false,
    allocation: false,
    howToAssign:
      'the Node needs spec.podCIDR: run kube-controller-manager with --allocate-node-cidrs=true and --cluster-cidr equal to Network (kubeadm: --pod-network-cidr)',
  };
  readonly view: NodeView;
  readonly reflector: NodeReflector;
  private readonly objects: NodeObjects;
  private readonly config: ConfigFile;
  private readonly reachability: Reachability;
  private readonly closing = new AbortController();
  private readonly waiting = new Set<() => void>();
  private readonly listening = new Set<() => void>();
  private downs = 0;
  private downError: Error | null = null;

  constructor(private readonly options: KubeDatastoreOptions) {
    const { client, names, identity, clock, logger, configPath, random = Math.random } = options;
    setMaxListeners(0, this.closing.signal);
    const { onOwnNode } = options;
    this.view = new NodeView({ clock, identity, ...(onOwnNode && { onOwnNode }) });
    this.objects = new NodeObjects({ client, names });
    this.config = new ConfigFile(configPath, clock, options.pollIntervalMs ?? POLL_INTERVAL_MS);
    this.reachability = new Reachability({ datastore: this.name, clock, logger });
    this.reflector = new NodeReflector({
      client,
      view: this.view,
      names,
      clock,
      random,
      logger,
      onChange: () => this.wake(),
      onDown: (error) => this.down(error),
      onContact: () => this.contact(),
      ...(options.pageSize !== undefined && { pageSize: options.pageSize }),
      ...(options.silenceMs !== undefined && { silenceMs: options.silenceMs }),
      ...(options.startSpreadMs !== undefined && { startSpreadMs: options.startSpreadMs }),
    });
  }

  status(): DatastoreStatus {
    return this.reachability.status();
  }

  async getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    signal.throwIfAborted();
    const record = await raceAbort(this.config.read(), this.either(signal));
    this.takeFamilies(record);
    return record;
  }

  async *watchConfig(signal: AbortSignal): AsyncGenerator<ConfigRecord> {
    for await (const record of this.config.watch(this.either(signal))) {
      this.takeFamilies(record);
      yield record;
    }
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.noted('list nodes', signal, async (both) => {
      await this.readFamilies();
      const { lists } = this.reflector;
      await this.reflector.ensure(both);
      // A watch that stands again has not told yet what happened meanwhile.
      if (this.reflector.lists === lists) await this.catchUp(both);
      return this.view.listing();
    });
  }

  /** Always DATASTORE_READ_ONLY: the cluster assigns subnets. */
  create(_subnets: LeaseSubnets, attrs: LeaseAttrs): Promise<LeaseRecord> {
    const node = attrs.owner?.node ?? attrs.publicIP.toString();
    return Promise.reject(readOnly(node, 'has no podCIDR; the cluster assigns it'));
  }

  /** Our own node: publishes. Another one: succeeds when it says the same. */
  update(record: LeaseRecord, attrs: LeaseAttrs, _ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.noted('publish', signal, async (both) => {
      const found = this.present(record);
      if (found.node !== this.options.identity?.node) return this.confirm(found, attrs);
      const seen = this.view.node(found.node);
      if (!seen) throw conflict(record.key);
      this.view.beginPublishing(attrs);
      try {
        const node = await this.objects.publish(seen, attrs, both);
        if (this.view.endPublishing(node, attrs)) this.wake();
      } catch (error) {
        this.view.beginPublishing(null);
        if (isTartanError(error, 'DATASTORE_CONFLICT', 'DATASTORE_NOT_FOUND')) await this.refresh(found.node, both);
        throw isTartanError(error, 'DATASTORE_NOT_FOUND') ? conflict(record.key) : error;
      }
      return this.recordOf(record.key);
    });
  }

  /** An update where the place stays; any other is the cluster's to assign. */
  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const wanted = [subnets.subnet, subnets.ipv6Subnet].map(String);
    const held = [record.subnet, record.ipv6Subnet].map(String);
    if (isDeepStrictEqual(wanted, held)) return this.update(record, attrs, ttlSeconds, signal);
    const node = record.attrs.owner?.node ?? record.key;
    return Promise.reject(readOnly(node, `has podCIDR ${held.join(' and ')}, which cannot be changed`));
  }

  renew(record: LeaseRecord, _ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.noted('renew', signal, async (both) => {
      await this.reflector.ensure(both);
      await this.catchUp(both);
      this.present(record);
      return this.recordOf(record.key);
    });
  }

  delete(record: LeaseRecord): Promise<void> {
    const node = record.attrs.owner?.node ?? record.key;
    return Promise.reject(readOnly(node, 'is removed by deleting the Node object'));
  }

  async *watch(afterRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const both = this.either(signal);
    const { downs } = this;
    await this.noted('watch nodes', signal, () => this.reflector.ensure(both));
    const { clusterId } = this.view;
    let revision = this.startOf(afterRevision);
    yield { revision, clusterId, events: [] };
    for (;;) {
      for (const change of this.view.changesAfter(revision)) {
        revision = change.revision;
        yield { revision, clusterId: this.view.clusterId, events: change.events };
      }
      if (this.downs !== downs && this.downError) throw this.downError;
      if (this.view.changesAfter(revision).length > 0) continue;
      if (!(await this.change(both))) yield { revision, clusterId: this.view.clusterId, events: [] };
    }
  }

  reconnect(): void {
    this.options.client.disconnect();
    this.reflector.disconnect();
  }

  close(): Promise<void> {
    this.closing.abort(unavailable('call', 'closed'));
    this.reflector.close();
    this.options.client.close();
    return Promise.resolve();
  }

  // ---- the view and its readers ----

  private startOf(afterRevision: bigint): bigint {
    const { revision, forgotten } = this.view;
    if (afterRevision > revision) return revision;
    if (afterRevision >= forgotten) return afterRevision;
    throw new TartanError('DATASTORE_COMPACTED', { datastore: this.name, revision: afterRevision.toString() });
  }

  private wake(): void {
    for (const woken of [...this.waiting]) woken();
  }

  private down(error: Error): void {
    this.downs++;
    this.downError = error;
    if (!this.closing.signal.aborted) this.reachability.failed('watch nodes', error);
    for (const heard of [...this.listening]) heard();
    this.wake();
  }

  private contact(): void {
    this.reachability.succeeded('watch nodes');
    for (const heard of [...this.listening]) heard();
  }

  /** True when woken, false when nothing happened for the progress interval; rejects with the abort reason. */
  private change(signal: AbortSignal): Promise<boolean> {
    const { clock, progressIntervalMs = PROGRESS_INTERVAL_MS } = this.options;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => (): void => {
        timer.cancel();
        this.waiting.delete(woken);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      const woken = settle(() => resolve(true));
      const timer = clock.setTimer(
        progressIntervalMs,
        settle(() => resolve(false)),
      );
      const onAbort = settle(() => reject(abortReason(signal)));
      this.waiting.add(woken);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** Waits until the view has seen what the server knows now; our own node is taken from the answer itself. */
  private async catchUp(signal: AbortSignal): Promise<void> {
    const version = await this.refresh(this.options.identity?.node ?? 'none', signal);
    const { clock, settleMs = SETTLE_MS } = this.options;
    const deadline = clock.monotonic() + settleMs;
    while (this.isBehind(version) && this.reflector.live && clock.monotonic() < deadline) {
      await this.heard(deadline - clock.monotonic());
    }
    await this.reflector.ensure(signal);
  }

  /** Resolves at the next sign of life of the watch, at the latest after `ms`. */
  private heard(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        this.listening.delete(finish);
        resolve();
      };
      const timer = this.options.clock.setTimer(Math.max(0, ms), finish);
      this.listening.add(finish);
    });
  }

  private isBehind(version: string): boolean {
    return Number(this.reflector.resourceVersion) < Number(version);
  }

  private async refresh(name: string, signal: AbortSignal): Promise<string> {
    const { node, version } = await this.objects.read(name, signal);
    if (name === this.options.identity?.node && this.view.apply(name, node)) this.wake();
    return version;
  }

  private present(record: LeaseRecord): { readonly node: string; readonly record: LeaseRecord | null } {
    const found = this.view.find(record.key);
    if (found?.modRevision !== record.modRevision) throw conflict(record.key);
    return found;
  }

  private confirm({ node, record }: { node: string; record: LeaseRecord | null }, attrs: LeaseAttrs): LeaseRecord {
    if (record && isDeepStrictEqual(published(record.attrs), published(attrs))) return record;
    throw readOnly(node, 'is another node, which publishes by itself');
  }

  private recordOf(key: string): LeaseRecord {
    const record = this.view.find(key)?.record;
    if (!record) throw conflict(key);
    return record;
  }

  // ---- config ----

  private async readFamilies(): Promise<void> {
    await this.config.read().then(
      (record) => this.takeFamilies(record),
      () => undefined,
    );
  }

  /** Which podCIDRs count depends on the config; one that is not valid changes nothing. */
  private takeFamilies({ text }: ConfigRecord): void {
    try {
      const { ipv4, ipv6 } = parseNetworkConfig(text, { assigned: true }).config;
      if (this.view.setFamilies({ ipv4: ipv4 !== null, ipv6: ipv6 !== null })) this.wake();
    } catch {
      // Whoever uses the config says what is wrong with it.
    }
  }

  // ---- calls ----

  private either(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.closing.signal]);
  }

  /** Runs a call until the signal aborts or the datastore is closed, and keeps account of whether the server answers. */
  private async noted<Result>(
    operation: string,
    signal: AbortSignal,
    call: (both: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted();
    const both = this.either(signal);
    both.throwIfAborted();
    try {
      const result = await call(both);
      this.reachability.succeeded(operation);
      return result;
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      throw this.reachability.failed(operation, error as Error);
    }
  }
}

function readOnly(node: string, problem: string): TartanError {
  return new TartanError('DATASTORE_READ_ONLY', { path: DATASTORE_NAME, node, problem });
}

/** What peers act on. */
function published({ publicIP, publicIPv6, backendType, backendData, backendV6Data }: LeaseAttrs): unknown {
  return [publicIP.toString(), publicIPv6?.toString(), backendType, backendData, backendV6Data];
}
