import type { AnnotationNames } from './annotation-names';

/** What we keep of a Node object: some hundred bytes of its ten to twenty thousand. */
export interface KubeNode {
  readonly name: string;
  /** metadata.resourceVersion as a number; of two states of one node the higher one is the later. NaN where it is none. */
  readonly version: number;
  /** metadata.creationTimestamp, milliseconds since the epoch; 0 where the server does not tell. */
  readonly createdAt: number;
  /** spec.podCIDRs, or spec.podCIDR alone where there are none (flannel-compat 3.3). */
  readonly podCIDRs: readonly string[];
  /** The annotations of ours that are there, by the names of AnnotationNames. */
  readonly annotations: Readonly<Partial<Record<keyof AnnotationNames, string>>>;
}

/** The parts of a Node that are looked at. */
export interface NodeObject {
  readonly metadata?: {
    readonly name?: string;
    readonly creationTimestamp?: string | null;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>> | null;
  };
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] | null };
}

/** null for an object without a name. */
export function trimNode({ metadata, spec }: NodeObject, names: AnnotationNames): KubeNode | null {
  if (!metadata?.name) return null;
  const annotations: Partial<Record<keyof AnnotationNames, string>> = {};
  for (const [property, name] of Object.entries(names) as [keyof AnnotationNames, string][]) {
    const value = metadata.annotations?.[name];
    if (value !== undefined) annotations[property] = value;
  }
  const podCIDRs = spec?.podCIDRs?.length ? [...spec.podCIDRs] : spec?.podCIDR ? [spec.podCIDR] : [];
  const created = metadata.creationTimestamp ? Date.parse(metadata.creationTimestamp) : 0;
  const version = Number(metadata.resourceVersion);
  return { name: metadata.name, version, createdAt: Number.isNaN(created) ? 0 : created, podCIDRs, annotations };
}

/** A text that is equal for nodes that mean the same to us: heartbeats leave it as it is. */
export function nodeIdentity({ createdAt, podCIDRs, annotations }: KubeNode): string {
  return JSON.stringify([createdAt, podCIDRs, annotations]);
}

const STATUS = Buffer.from(',"status":{');

/**
 * Parses the bytes of a Node, or of a watch event around one, without its status, which is the largest part and changes with each
 * heartbeat. The server writes members in the order of its types (metadata, spec, status: k8s.io/api/core/v1 Node); `closing` ends
 * what is left in front of the status. Text in another order, or without a spec, is parsed as a whole.
 */
export function parseWithoutStatus<Value>(bytes: Buffer, closing: string, hasSpec: (value: Value) => boolean): Value {
  const at = bytes.indexOf(STATUS);
  if (at > 0) {
    try {
      const value = JSON.parse(bytes.toString('utf8', 0, at) + closing) as Value;
      if (hasSpec(value)) return value;
    } catch {
      // The text stood elsewhere.
    }
  }
  return JSON.parse(bytes.toString('utf8')) as Value;
}
