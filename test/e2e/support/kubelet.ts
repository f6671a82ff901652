import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type CommandResult, type Host, type LabProcess, runCommand } from '@tartan/lab';
import type { ApiObject, Container, PodSpec } from '../../unit/deploy/support/api-objects';

/*
 * As much of a kubelet as it takes to run a pod (of a DaemonSet, as a rule) on a host of the lab, exactly as the manifest says: its
 * commands, arguments, environment, mounts and rights. The image is a folder (scripts/stage-image.mjs) at /opt/tartan.
 */

const ENTER = resolve(__dirname, 'enter-container');
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface KubeletOptions {
  readonly host: Host;
  /** Objects of the manifest: the DaemonSet or the Pod, and the config map that it mounts. */
  readonly objects: readonly ApiObject[];
  /** Folder that stands for the image. */
  readonly image: string;
  /** The API server as pods see it, with what a service account gets of it. */
  readonly apiServer: { readonly host: string; readonly port: number; readonly caFile: string; readonly token: string };
}

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export class Kubelet {
  private readonly spec: PodSpec;
  private readonly namespace: string;
  private readonly directory: string;
  private containers = 0;

  constructor(private readonly options: KubeletOptions) {
    const owner = options.objects.find(({ kind }) => kind === 'Pod') ?? this.object('DaemonSet');
    this.spec = owner.kind === 'Pod' ? (owner.spec as unknown as PodSpec) : owner.spec.template.spec;
    this.namespace = owner.metadata.namespace;
    this.directory = join(options.host.directory, `kubelet-${owner.metadata.name}`);
  }

  /** A directory or file of the node, by the path that the manifest gives it. */
  nodePath(path: string): string {
    return join(this.options.host.directory, path);
  }

  /** All of them, one after the other. */
  async runInitContainers(): Promise<void> {
    for (const container of this.spec.initContainers) await this.run(container);
  }

  /** A pod that ends: its init containers, then its containers. What they print. */
  async runToEnd(): Promise<string> {
    let output = '';
    for (const container of [...this.spec.initContainers, ...this.spec.containers]) {
      output += (await this.run(container)).stdout;
    }
    return output;
  }

  /** The first container, which runs until it is stopped. */
  startContainer(): Promise<LabProcess> {
    const [container] = this.spec.containers;
    if (!container) throw new Error('the pod has no container');
    const { input, command } = this.prepare(container);
    // One process from the shell to the daemon, so that what stops it reaches the daemon.
    const script = `exec "$@" <<END\n$MOUNTS\nEND\n`;
    return this.options.host.start({
      name: container.name,
      argv: ['sh', '-c', script, 'sh', ...command],
      env: { MOUNTS: input.trimEnd() },
    });
  }

  private run(container: Container): Promise<CommandResult> {
    const { input, command } = this.prepare(container);
    return runCommand([...this.options.host.commandPrefix, ...command], { input });
  }

  private prepare(container: Container): { readonly input: string; readonly command: readonly string[] } {
    this.containers += 1;
    const root = join(this.directory, `root${this.containers}`);
    mkdirSync(root, { recursive: true });
    const mounts = [{ source: this.options.image, target: '/opt/tartan', readOnly: true }, ...this.mounts(container)];
    const input = mounts
      .map(({ source, target, readOnly }) => `${source} ${target} ${readOnly ? 'ro' : 'rw'}\n`)
      .join('');
    expectRights(container, this.spec);
    const capabilities = (container.securityContext.capabilities?.add ?? []).join(',').toLowerCase() || 'none';
    const environment = Object.entries(this.environment(container)).map(([name, value]) => `${name}=${value}`);
    const path = 'PATH=/opt/tartan/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const argv = ['env', '-i', path, ...environment, ...container.command, ...container.args];
    return { input, command: ['unshare', '--mount', ENTER, root, capabilities, ...argv] };
  }

  private environment(container: Container): Record<string, string> {
    const { host, apiServer } = this.options;
    const fields: Record<string, string> = {
      'spec.nodeName': host.name,
      'metadata.name': `tartan-${host.name}`,
      'metadata.namespace': this.namespace,
    };
    const own = (container.env ?? []).map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''] ?? '',
    ]);
    return {
      KUBERNETES_SERVICE_HOST: apiServer.host,
      KUBERNETES_SERVICE_PORT: String(apiServer.port),
      ...(Object.fromEntries(own) as Record<string, string>),
    };
  }

  private mounts(container: Container): Mount[] {
    const declared = container.volumeMounts.map(({ name, mountPath, readOnly = false }) => ({
      source: this.volume(name),
      target: mountPath,
      readOnly,
    }));
    return [...declared, { source: this.serviceAccount(), target: SERVICE_ACCOUNT, readOnly: true }];
  }

  /** Makes the volume as its type says, and gives its place. */
  private volume(name: string): string {
    const volume = this.spec.volumes.find((candidate) => candidate.name === name);
    if (volume?.configMap) return this.files(name, this.object('ConfigMap').data);
    if (!volume?.hostPath) throw new Error(`the pod has no volume ${name} that this kubelet knows`);
    const place = this.nodePath(volume.hostPath.path);
    if (volume.hostPath.type === 'FileOrCreate') writeFileSync(place, '', { flag: 'a' });
    else mkdirSync(place, { recursive: true });
    return place;
  }

  private serviceAccount(): string {
    const { apiServer } = this.options;
    const { namespace } = this;
    const folder = this.files('service-account', { token: apiServer.token, namespace });
    writeFileSync(join(folder, 'ca.crt'), readFileSync(apiServer.caFile));
    return folder;
  }

  private files(name: string, contents: Readonly<Record<string, string>>): string {
    const folder = join(this.directory, name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries(contents)) writeFileSync(join(folder, file), text);
    return folder;
  }

  private object(kind: string): ApiObject {
    const found = this.options.objects.find((object) => object.kind === kind);
    if (!found) throw new Error(`the manifest has no ${kind}`);
    return found;
  }
}

/** What enter-container always does must be what the manifest asks for. */
function expectRights({ name, securityContext }: Container, { securityContext: podSecurity }: PodSpec): void {
  const { privileged = false, readOnlyRootFilesystem, capabilities } = securityContext;
  if (privileged || readOnlyRootFilesystem !== true || capabilities?.drop?.join() !== 'ALL') {
    throw new Error(`container ${name} wants rights that enter-container does not give`);
  }
  if (podSecurity?.seccompProfile?.type !== 'RuntimeDefault') throw new Error('the pod has no seccomp profile');
}
