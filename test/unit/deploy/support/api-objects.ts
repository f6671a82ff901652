import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';

/*
 * As much of the API's objects as the tests look at. Members are written as if they were always there: a test that reads one which is
 * missing fails, as it should.
 */

export interface Container {
  name: string;
  image: string;
  imagePullPolicy?: string;
  command: string[];
  args: string[];
  env?: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[];
  ports?: unknown;
  livenessProbe?: unknown;
  readinessProbe?: { httpGet: { path: string; port: string } };
  resources: unknown;
  securityContext: {
    privileged?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { add?: string[]; drop?: string[] };
  };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}

export interface Volume {
  name: string;
  configMap?: { name: string };
  hostPath?: { path: string; type: string };
}

export interface PodSpec {
  serviceAccountName: string;
  hostNetwork: boolean;
  hostPID?: boolean;
  nodeSelector: unknown;
  tolerations: { effect: string }[];
  securityContext?: { seccompProfile?: { type: string } };
  imagePullSecrets: unknown;
  initContainers: Container[];
  containers: Container[];
  volumes: Volume[];
}

interface Metadata {
  name: string;
  namespace: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface ApiObject {
  kind: string;
  metadata: Metadata;
  data: Record<string, string>;
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  subjects: unknown[];
  spec: {
    selector: { matchLabels: Record<string, string> };
    updateStrategy: unknown;
    endpoints: unknown[];
    template: { metadata: Metadata; spec: PodSpec };
  };
}

/** The objects of a YAML text. */
export function readObjects(yaml: string): ApiObject[] {
  return (loadAll(yaml) as (ApiObject | null)[]).filter((object) => object !== null);
}

/** What the API would not take: unknown members, wrong types. */
export function problemsOf(objects: readonly object[]): string[] {
  const input = JSON.stringify(objects);
  const run = spawnSync(process.execPath, [join(__dirname, 'check-objects.mjs')], { encoding: 'utf8', input });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as string[];
}
