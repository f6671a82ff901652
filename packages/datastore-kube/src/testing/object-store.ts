import { randomUUID } from 'node:crypto';
import { strategicMerge, type JsonObject } from './strategic-merge';

/*
 * What etcd and the watch cache are behind an API server: objects by name, one version for all of them that grows with each change,
 * and the changes since the last compaction.
 */

export interface StoredObject extends JsonObject {
  metadata: {
    name: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string;
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
  };
}

export interface StoredChange {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The line of a watch, serialized once for all who watch. */
  readonly line: Buffer;
}

/** An answer that is not a success; `code` is the HTTP status. */
export class StoreError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

export class ObjectStore {
  version: number;
  /** Changes up to here are forgotten. */
  compacted: number;
  private objects = new Map<string, StoredObject>();
  private changes: StoredChange[] = [];
  private readonly listeners = new Set<(change: StoredChange) => void>();

  constructor(
    private readonly kind: string,
    firstVersion = 1_000,
  ) {
    this.version = this.compacted = firstVersion;
  }

  get names(): string[] {
    return [...this.objects.keys()].sort();
  }

  get(name: string): StoredObject {
    const found = this.objects.get(name);
    if (!found) throw new StoreError(404, 'NotFound', `${this.kind} "${name}" not found`);
    return found;
  }

  has(name: string): boolean {
    return this.objects.has(name);
  }

  create(object: StoredObject): StoredObject {
    const { name } = object.metadata;
    if (this.objects.has(name)) throw new StoreError(409, 'AlreadyExists', `${this.kind} "${name}" already exists`);
    const created = { uid: randomUUID(), creationTimestamp: new Date().toISOString().replace(/\.\d+Z/, 'Z') };
    // The name first, as in the text that Go writes.
    return this.store('ADDED', { ...object, metadata: Object.assign({ name }, created, object.metadata) });
  }

  replace(name: string, object: StoredObject): StoredObject {
    const before = this.get(name);
    this.check(before, object.metadata);
    const { uid, creationTimestamp } = before.metadata;
    return this.store('MODIFIED', {
      ...object,
      metadata: { ...object.metadata, name, uid, creationTimestamp },
    } as StoredObject);
  }

  /** `status`: the sub-resource, which leaves the spec as it is (nodeStatusStrategy). */
  patch(name: string, patch: JsonObject, status: boolean): StoredObject {
    const before = this.get(name);
    const { metadata = {}, ...rest } = patch as { metadata?: JsonObject };
    this.check(before, metadata);
    const { resourceVersion, uid } = before.metadata;
    const merged = strategicMerge(before, { ...rest, metadata: { ...metadata, resourceVersion, uid } }) as StoredObject;
    const after = status ? { ...merged, spec: before['spec'] } : { ...merged, status: before['status'] };
    // A patch that changes nothing writes nothing.
    if (JSON.stringify(after) === JSON.stringify(before)) return before;
    return this.store('MODIFIED', after);
  }

  delete(name: string): StoredObject {
    const object = this.get(name);
    this.objects.delete(name);
    this.version++;
    const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    this.record('DELETED', gone);
    return gone;
  }

  /** Changes after `version`. Throws 410 when they are forgotten. */
  since(version: number): readonly StoredChange[] {
    if (version < this.compacted) {
      throw new StoreError(410, 'Expired', `too old resource version: ${version} (${this.compacted})`);
    }
    let at = this.changes.length;
    while (at > 0 && (this.changes[at - 1] as StoredChange).version > version) at--;
    return this.changes.slice(at);
  }

  listen(listener: (change: StoredChange) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Forgets the changes so far. */
  compact(): void {
    this.compacted = this.version;
    this.changes = [];
  }

  /** As a cluster that was restored from a backup: other objects, lower versions, no history. */
  restore(objects: readonly StoredObject[], version: number): void {
    this.objects = new Map(objects.map((object) => [object.metadata.name, object]));
    this.version = version;
    this.compact();
  }

  private check(before: StoredObject, { resourceVersion, uid }: { resourceVersion?: unknown; uid?: unknown }): void {
    const stale = resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion;
    if (!stale && (uid === undefined || uid === before.metadata.uid)) return;
    const message = `Operation cannot be fulfilled on ${this.kind} "${before.metadata.name}": the object has been modified`;
    throw new StoreError(409, 'Conflict', message);
  }

  private store(type: 'ADDED' | 'MODIFIED', object: StoredObject): StoredObject {
    this.version++;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    this.objects.set(stored.metadata.name, stored);
    this.record(type, stored);
    return stored;
  }

  private record(type: StoredChange['type'], object: StoredObject): void {
    const line = Buffer.from(`${JSON.stringify({ type, object })}\n`);
    const change = { version: this.version, type, line };
    this.changes.push(change);
    if (this.changes.length > 20_000) {
      this.compacted = (this.changes[9_999] as StoredChange).version;
      this.changes = this.changes.slice(10_000);
    }
    for (const listener of [...this.listeners]) listener(change);
  }
}
