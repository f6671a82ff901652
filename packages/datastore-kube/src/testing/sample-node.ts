import type { StoredObject } from './object-store';

export interface SampleNodeOptions {
  readonly name: string;
  readonly podCIDRs?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Images in the status: a kubelet reports up to 50, which makes most of a Node's size. None unless given. */
  readonly images?: number;
}

/** A Node as a kubelet and the controllers leave it: members in the server's order, managedFields and status included. */
export function sampleNode({ name, podCIDRs = [], annotations = {}, images = 0 }: SampleNodeOptions): StoredObject {
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' },
      annotations: { 'node.alpha.kubernetes.io/ttl': '0', ...annotations },
      managedFields: [
        {
          manager: 'kubelet',
          operation: 'Update',
          apiVersion: 'v1',
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:status': { 'f:conditions': { 'k:{"type":"Ready"}': { 'f:lastHeartbeatTime': {} } } } },
          subresource: 'status',
        },
      ],
    } as StoredObject['metadata'],
    spec: { ...(podCIDRs.length > 0 && { podCIDR: podCIDRs[0], podCIDRs }) },
    status: {
      capacity: { cpu: '8', memory: '32Gi', pods: '110' },
      conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
        type,
        status: type === 'Ready' ? 'True' : 'False',
        lastHeartbeatTime: '2026-01-01T00:00:00Z',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        reason: `Kubelet${type}`,
        message: `kubelet reports ${type}`,
      })),
      nodeInfo: { kernelVersion: '6.1.0', kubeletVersion: 'v1.31.0', operatingSystem: 'linux', architecture: 'amd64' },
      images: Array.from({ length: images }, (_, index) => ({
        names: [
          `registry.example.org/team-${index % 7}/service-${index}@sha256:${String(index).padStart(64, '0')}`,
          `registry.example.org/team-${index % 7}/service-${index}:v1.${index}.0`,
        ],
        sizeBytes: 50_000_000 + index,
      })),
    },
  };
}

/** The annotations that flanneld writes, with its prefix (flannel-compat 3.2). */
export function flannelAnnotations(more: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries({ 'kube-subnet-manager': 'true', ...more });
  return Object.fromEntries(entries.map(([name, value]) => [`flannel.alpha.coreos.com/${name}`, value]));
}
