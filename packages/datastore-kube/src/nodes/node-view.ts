/**
 * All nodes as leases, and the recent changes to them.
 *
 * The API server's resourceVersion is an opaque text and changes with each heartbeat of a kubelet. So the view makes its own
 * revisions, as the nodes file does: whatever differs for us gets the next one, and a heartbeat is nothing at all. They start at the
 * time of day in microseconds and only grow; they mean nothing to another process, hence a clusterId of its own.
 *
 * Two nodes with one podCIDR cannot both be a lease of that name: the older one is, the other is set aside with a reason.
 */
import { randomBytes } from 'node:crypto';
import type {
  Clock,
  LeaseAttrs,
  LeaseEvent,
  LeaseListing,
  LeaseRecord,
  OwnerIdentity,
  SkippedEntry,
} from '@tartan/core';
import { nodeIdentity, type KubeNode } from './kube-node';
import { encodeAnnotations, missingAnnotations } from './lease-annotations';
import { assignmentOfNode, leaseOfNode, nodeKey, type Families, type NodeLease } from './node-lease';

/** Changes that a reader can be behind by. */
const HISTORY = 2_000;

export interface NodeViewOptions {
  readonly clock: Clock;
  /** Who we are; null for a reader. */
  readonly identity: OwnerIdentity | null;
  /** Called with our own Node when it is seen for the first time, and when it means something else than before. */
  readonly onOwnNode?: (node: KubeNode) => void;
}

/** What stands under one key. */
interface Entry {
  readonly node: string;
  readonly lease: Exclude<NodeLease, { kind: 'none' }>;
  readonly record: LeaseRecord | null;
  readonly modRevision: bigint;
  readonly identity: string;
}

export interface Change {
  readonly revision: bigint;
  readonly events: readonly LeaseEvent[];
}

export class NodeView {
  clusterId = newClusterId();
  revision: bigint;
  /** Changes up to here are not in the history. */
  forgotten: bigint;
  families: Families = { ipv4: true, ipv6: true };
  private readonly nodes = new Map<string, KubeNode>();
  /** By key. */
  private readonly entries = new Map<string, Entry>();
  /** Keys by node, to find what a change of the node touches. */
  private readonly keyOf = new Map<string, string>();
  /** Nodes that want a key which an older one has. */
  private readonly waitingFor = new Map<string, Set<string>>();
  private history: Change[] = [];
  /** What this process has published on its node: by it, the annotations are read as what was meant. */
  private published: LeaseAttrs | null = null;
  /** The place of the Node that it was published on; a Node made anew with another one says nothing yet. */
  private publishedKey: string | null = null;
  /** What is being written at the moment: the watch may show it before the answer to the write does. */
  private publishing: LeaseAttrs | null = null;

  constructor(private readonly options: NodeViewOptions) {
    this.revision = this.forgotten = BigInt(Math.floor(options.clock.now() * 1000));
  }

  get size(): number {
    return this.nodes.size;
  }

  node(name: string): KubeNode | undefined {
    return this.nodes.get(name);
  }

  allNodes(): IterableIterator<KubeNode> {
    return this.nodes.values();
  }

  listing(): LeaseListing {
    const { revision, clusterId } = this;
    const sorted = [...this.entries.values()].sort((a, b) => (a.lease.key < b.lease.key ? -1 : 1));
    const records = sorted.flatMap(({ record }) => record ?? []);
    const skipped = sorted.flatMap(({ lease, modRevision }): SkippedEntry[] =>
      lease.kind === 'skipped' ? [{ key: lease.key, reason: lease.reason, modRevision }] : [],
    );
    return { revision, clusterId, records, skipped };
  }

  /** The lease under `key`, and whose it is. */
  find(
    key: string,
  ): { readonly node: string; readonly record: LeaseRecord | null; readonly modRevision: bigint } | undefined {
    return this.entries.get(key);
  }

  /** Changes after `revision`, oldest first. */
  changesAfter(revision: bigint): readonly Change[] {
    const first = this.history.findIndex((change) => change.revision > revision);
    return first < 0 ? [] : this.history.slice(first);
  }

  /** One node as it is now; null: it is gone. What is older than what is known is no news. True when that changed anything. */
  apply(name: string, node: KubeNode | null): boolean {
    const before = this.nodes.get(name);
    if (node && before && node.version < before.version) return false;
    return this.commit(this.takeNode(name, node));
  }

  /** All nodes as they are now. True when that changed anything. */
  replace(nodes: ReadonlyMap<string, KubeNode>): boolean {
    const gone = [...this.nodes.keys()].filter((name) => !nodes.has(name));
    const touched = gone.flatMap((name) => this.takeNode(name, null));
    for (const [name, node] of nodes) touched.push(...this.takeNode(name, node));
    return this.commit(touched);
  }

  /** Another cluster, or the same one restored from a backup. */
  rebuilt(): void {
    this.clusterId = newClusterId();
  }

  /** True when that changed anything. */
  setFamilies(families: Families): boolean {
    if (families.ipv4 === this.families.ipv4 && families.ipv6 === this.families.ipv6) return false;
    this.families = families;
    return this.commit([...this.nodes.keys()]);
  }

  /** From now on our own node may carry these as well as the ones of before; null: not any more. */
  beginPublishing(attrs: LeaseAttrs | null): void {
    this.publishing = attrs;
  }

  /** Our own node was written, and is now `node`. True when that changed anything. */
  endPublishing(node: KubeNode, attrs: LeaseAttrs): boolean {
    this.published = attrs;
    this.publishing = null;
    const before = this.nodes.get(node.name);
    if (!before || node.version >= before.version) this.nodes.set(node.name, node);
    const meaning = this.meaning(node);
    if (meaning.kind === 'lease') this.publishedKey = meaning.key;
    return this.commit([node.name]);
  }

  /** Returns the names of nodes to look at. */
  private takeNode(name: string, node: KubeNode | null): string[] {
    const before = this.nodes.get(name);
    if (!node) return this.nodes.delete(name) ? [name] : [];
    this.nodes.set(name, node);
    if (before && nodeIdentity(before) === nodeIdentity(node)) return [];
    if (name === this.options.identity?.node) this.options.onOwnNode?.(node);
    return [name];
  }

  /** Works out what the touched nodes mean now; everything together is one change. */
  private commit(touched: readonly string[]): boolean {
    if (touched.length === 0) return false;
    const revision = this.nextRevision(touched);
    const events: LeaseEvent[] = [];
    const queue = [...touched];
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      queue.push(...this.settle(name, revision, events));
    }
    if (events.length === 0) return false;
    this.revision = revision;
    this.history.push({ revision, events });
    while (this.history.length > HISTORY) this.forgotten = this.history.shift()?.revision ?? this.forgotten;
    return true;
  }

  /** Brings the entry of one node up to date; returns other nodes to look at because of it. */
  private settle(name: string, revision: bigint, events: LeaseEvent[]): string[] {
    const node = this.nodes.get(name);
    const meant: NodeLease = node ? this.meaning(node) : { kind: 'none' };
    const lease = meant.kind === 'lease' && node ? this.withoutRival(node, meant) : meant;
    const again: string[] = [];
    const oldKey = this.keyOf.get(name);
    if (oldKey !== undefined && (lease.kind === 'none' || lease.key !== oldKey)) {
      this.remove(name, oldKey, revision, events);
      again.push(...(this.waitingFor.get(oldKey) ?? []));
      this.waitingFor.delete(oldKey);
    }
    if (lease.kind !== 'none' && node) again.push(...this.put(node, lease, revision, events));
    return again.filter((other) => other !== name);
  }

  private remove(name: string, key: string, revision: bigint, events: LeaseEvent[]): void {
    this.keyOf.delete(name);
    if (this.entries.get(key)?.node !== name) return;
    this.entries.delete(key);
    events.push({ type: 'delete', key, modRevision: revision });
  }

  private put(
    node: KubeNode,
    lease: Exclude<NodeLease, { kind: 'none' }>,
    revision: bigint,
    events: LeaseEvent[],
  ): string[] {
    const { key } = lease;
    const before = this.entries.get(key);
    const identity = identityOf(node, lease);
    if (before?.node === node.name && before.identity === identity) return [];
    const record = lease.kind === 'lease' ? toRecord(node, lease, revision) : null;
    this.entries.set(key, { node: node.name, lease, record, modRevision: revision, identity });
    this.keyOf.set(node.name, key);
    if (record) events.push({ type: 'put', record });
    else if (lease.kind === 'skipped') {
      events.push({ type: 'skipped', entry: { key, reason: lease.reason }, modRevision: revision });
    }
    if (!before || before.node === node.name) return [];
    this.keyOf.delete(before.node);
    return [before.node];
  }

  /** Of two nodes with one podCIDR, the older one has it. */
  private withoutRival(node: KubeNode, lease: Extract<NodeLease, { kind: 'lease' }>): NodeLease {
    const holder = this.entries.get(lease.key);
    const other = holder && holder.node !== node.name ? this.nodes.get(holder.node) : undefined;
    if (!other || holder?.lease.kind !== 'lease' || !isBefore(other, node)) return lease;
    const waiting = this.waitingFor.get(lease.key) ?? new Set();
    this.waitingFor.set(lease.key, waiting.add(node.name));
    const reason = `node ${node.name}: its podCIDR is that of node ${other.name}`;
    return { kind: 'skipped', key: nodeKey(node.name), reason };
  }

  private meaning(node: KubeNode): NodeLease {
    const { identity } = this.options;
    if (node.name !== identity?.node) return leaseOfNode(node, this.families);
    const lease = assignmentOfNode(node, this.families, identity);
    const { published, publishing } = this;
    if (lease.kind !== 'lease') return lease;
    const says = (attrs: LeaseAttrs): boolean =>
      !missingAnnotations(encodeAnnotations(attrs, node.annotations), node.annotations);
    if (publishing && says(publishing)) return { ...lease, attrs: publishing };
    if (!published || (this.publishedKey !== null && lease.key !== this.publishedKey)) return lease;
    if (says(published)) return { ...lease, attrs: published };
    const reason = `node ${node.name}: its annotations are not what this node publishes`;
    return { kind: 'skipped', key: lease.key, reason };
  }

  private nextRevision(touched: readonly string[]): bigint {
    let next = BigInt(Math.floor(this.options.clock.now() * 1000));
    if (next <= this.revision) next = this.revision + 1n;
    for (const name of touched) {
      const created = createRevisionOf(this.nodes.get(name));
      if (created > next) next = created;
    }
    return next;
  }
}

function toRecord(
  node: KubeNode,
  { key, subnet, ipv6Subnet, attrs }: Extract<NodeLease, { kind: 'lease' }>,
  modRevision: bigint,
): LeaseRecord {
  const createRevision = createRevisionOf(node);
  return { key, subnet, ipv6Subnet, attrs, createRevision, modRevision, reservation: true, expiresAt: null };
}

function createRevisionOf(node: KubeNode | undefined): bigint {
  return BigInt(Math.max(1, node?.createdAt ?? 0)) * 1000n;
}

function isBefore(a: KubeNode, b: KubeNode): boolean {
  return a.createdAt === b.createdAt ? a.name < b.name : a.createdAt < b.createdAt;
}

/** Equal as long as nobody can tell the difference. */
function identityOf(node: KubeNode, lease: Exclude<NodeLease, { kind: 'none' }>): string {
  if (lease.kind === 'skipped') return `${nodeIdentity(node)} ${lease.reason}`;
  return JSON.stringify([node.createdAt, lease.key, lease.attrs]);
}

function newClusterId(): string {
  return `kubernetes-${randomBytes(8).toString('hex')}`;
}
