import { isTartanError, TartanError, type LeaseAttrs } from '@tartan/core';
import type { ApiClient } from './api/api-client';
import { DATASTORE_NAME } from './api/failure';
import { nodeIdentity, trimNode, type KubeNode, type NodeObject } from './nodes/kube-node';
import type { AnnotationNames } from './nodes/annotation-names';
import { encodeAnnotations, missingAnnotations, type WantedAnnotations } from './nodes/lease-annotations';

/** A write that loses against a heartbeat is repeated with the new version. */
const TRIES = 8;

export interface OwnNodeOptions {
  readonly client: ApiClient;
  readonly names: AnnotationNames;
}

/** Reads and writes single Node objects. */
export class NodeObjects {
  constructor(private readonly options: OwnNodeOptions) {}

  /**
   * One node as it is now, with the version of all nodes at that moment: a list of one, which the server answers from one key and
   * which needs no other permission than the list of all. null when there is no such node.
   */
  async read(name: string, signal: AbortSignal): Promise<{ readonly node: KubeNode | null; readonly version: string }> {
    const path = `/api/v1/nodes?limit=1&fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
    const call = { operation: `get node ${name}`, key: `nodes/${name}`, path };
    const list = (await this.options.client.json(call, signal)) as NodeListObject;
    const object = list.items?.[0];
    return {
      node: object ? trimNode(object, this.options.names) : null,
      version: list.metadata?.resourceVersion ?? '',
    };
  }

  /**
   * Publishes `attrs` on the node, if for us it is still what `seen` was. Only what differs is written, with the version just read, so
   * that neither a change by somebody else nor a node of the same name that was made anew is overwritten. The status sub-resource
   * is what flannel patches, and all that its permissions allow. Resolves with the node as it is afterwards.
   */
  async publish(seen: KubeNode, attrs: LeaseAttrs, signal: AbortSignal): Promise<KubeNode> {
    const { client, names } = this.options;
    const key = `nodes/${seen.name}`;
    const get = { operation: `get node ${seen.name}`, key, path: `/api/v1/nodes/${encodeURIComponent(seen.name)}` };
    for (let tries = 1; ; tries++) {
      const object = (await client.json(get, signal)) as NodeObject;
      const node = trimNode(object, names);
      if (!node || nodeIdentity(node) !== nodeIdentity(seen)) throw conflict(key);
      const missing = missingAnnotations(encodeAnnotations(attrs, node.annotations), node.annotations);
      if (!missing) return node;
      try {
        const patched = await client.json(this.patch(node, missing, object.metadata?.resourceVersion), signal);
        return trimNode(patched as NodeObject, names) ?? node;
      } catch (error) {
        if (!isTartanError(error, 'DATASTORE_CONFLICT') || tries >= TRIES) throw error;
      }
    }
  }

  private patch(node: KubeNode, missing: WantedAnnotations, resourceVersion: string | undefined) {
    const { names } = this.options;
    const annotations = Object.fromEntries(
      Object.entries(missing).map(([property, value]) => [names[property as keyof AnnotationNames], value]),
    );
    const path = `/api/v1/nodes/${encodeURIComponent(node.name)}/status`;
    return {
      operation: `patch status of node ${node.name}`,
      key: `nodes/${node.name}`,
      method: 'PATCH' as const,
      path,
      contentType: 'application/strategic-merge-patch+json',
      body: { metadata: { annotations, ...(resourceVersion !== undefined && { resourceVersion }) } },
    };
  }
}

interface NodeListObject {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly items?: readonly NodeObject[] | null;
}

export function conflict(key: string): TartanError {
  return new TartanError('DATASTORE_CONFLICT', { datastore: DATASTORE_NAME, key });
}
