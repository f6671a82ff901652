/**
 * The API server that the tests run against: the test API server, or, with KUBECONFIG in the environment, a real one. There the tests
 * make Node objects of their own (names and label `tartan-test-<random>`, annotations below a prefix of their own, so that no network
 * daemon of the cluster takes them for nodes) and delete them afterwards; what a run that was killed leaves behind goes with
 * `kubectl delete nodes -l tartan-test`. Needed permissions: get, list, watch, create, patch and
 * delete on nodes, patch on nodes/status, create and list on events in the namespace default (Events end by themselves, after an hour).
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTartanError, silentLogger, systemClock, type LeaseEvent, type OwnerIdentity } from '@tartan/core';
import { ApiClient, FileCredentials, KubeCluster, type KubeDatastore } from '../../src';
import { KubeconfigCredentials } from '../../src/kubeconfig/kubeconfig-credentials';
import { sampleNode, TestApiServer } from '../../src/testing';

export const kubeconfig = process.env['KUBECONFIG'] ?? '';
export const READ_KUBECONFIG = join(__dirname, '../../dist/kubeconfig/read-kubeconfig.js');

export interface NodeBody {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>>; readonly resourceVersion?: string };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

export class KubeWorld {
  readonly run = `tartan-test-${randomBytes(4).toString('hex')}`;
  readonly prefix = `${this.run}.example.org`;
  readonly signal = new AbortController();
  readonly directory = mkdtempSync(join(tmpdir(), 'tartan-kube-'));
  private static readOnce = '';
  private readonly made = new Set<string>();
  private readonly opened: KubeDatastore[] = [];
  readonly clusters: KubeCluster[] = [];

  private constructor(
    /** null against a real server. */
    readonly server: TestApiServer | null,
    private readonly admin: ApiClient,
  ) {}

  /** What stands in KUBECONFIG, read once for all: loading the client package takes a second each time. */
  private static program(): string {
    if (KubeWorld.readOnce === '') {
      const directory = mkdtempSync(join(tmpdir(), 'tartan-kubeconfig-'));
      process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
      const printed = execFileSync(process.execPath, [READ_KUBECONFIG, kubeconfig], { encoding: 'utf8' });
      const path = join(directory, 'print.js');
      writeFileSync(path, `process.stdout.write(${JSON.stringify(printed)})`, { mode: 0o600 });
      KubeWorld.readOnce = path;
    }
    return KubeWorld.readOnce;
  }

  static async open(): Promise<KubeWorld> {
    const clock = systemClock;
    if (kubeconfig !== '') {
      const program = KubeWorld.program();
      const credentials = new KubeconfigCredentials({ path: kubeconfig, servers: [], clock, program });
      return new KubeWorld(null, new ApiClient({ credentials, clock, timeoutMs: 20_000 }));
    }
    const server = await new TestApiServer().start();
    const credentials = new FileCredentials({ servers: [server.url], tokenFile: null, caFile: null, clock });
    return new KubeWorld(server, new ApiClient({ credentials, clock }));
  }

  name(short: string): string {
    return `${this.run}-${short}`;
  }

  annotation(name: string): string {
    return `${this.prefix}/${name}`;
  }

  cluster(apiUrls: readonly string[] = this.server ? [this.server.url] : []): KubeCluster {
    const cluster = new KubeCluster({
      apiUrls,
      kubeconfigFile: kubeconfig,
      ...(kubeconfig !== '' && { kubeconfigProgram: KubeWorld.program() }),
      annotationPrefix: this.prefix,
      env: {},
      clock: systemClock,
      logger: silentLogger,
      serviceAccountDirectory: this.directory,
    });
    this.clusters.push(cluster);
    return cluster;
  }

  /** As a daemon on the node of that name. */
  datastore(short: string, apiUrls?: readonly string[]): KubeDatastore {
    const datastore = this.cluster(apiUrls).openDatastore({
      identity: this.identity(short),
      configPath: join(this.directory, 'net-conf.json'),
    });
    this.opened.push(datastore);
    return datastore;
  }

  identity(short: string): OwnerIdentity {
    return { node: this.name(short), machine: `machine-${short}` };
  }

  async create(short: string, podCIDRs: readonly string[], annotations: Readonly<Record<string, string>> | null = {}) {
    const name = this.name(short);
    const named = Object.fromEntries(
      Object.entries(annotations ?? {}).map(([key, value]) => [this.annotation(key), value]),
    );
    const body = sampleNode({ name, podCIDRs, annotations: named });
    const { annotations: all, labels } = body.metadata;
    // The server makes the rest; a node that nobody has annotated has no annotations at all.
    const metadata = { name, labels: { ...labels, 'tartan-test': this.run }, ...(annotations && { annotations: all }) };
    this.made.add(name);
    await this.call('POST', '/api/v1/nodes', { ...body, metadata });
  }

  /** A node that publishes itself as flanneld does. */
  createPeer(short: string, podCIDRs: readonly string[], host: number, more: Readonly<Record<string, string>> = {}) {
    return this.create(short, podCIDRs, {
      'kube-subnet-manager': 'true',
      'backend-type': 'vxlan',
      'backend-data': `{"VNI":1,"VtepMAC":"02:00:00:00:00:${String(host).padStart(2, '0')}"}`,
      'public-ip': `192.168.50.${host}`,
      ...more,
    });
  }

  async annotate(short: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const named = new Map(Object.entries(annotations).map(([key, value]) => [this.annotation(key), value]));
    await this.patch(`/api/v1/nodes/${this.name(short)}`, { metadata: { annotations: Object.fromEntries(named) } });
  }

  async heartbeat(short: string): Promise<void> {
    const now = new Date().toISOString().replace(/\.\d+Z/, 'Z');
    const condition = { type: 'Ready', status: 'True', reason: 'Test', message: now, lastHeartbeatTime: now };
    await this.patch(`/api/v1/nodes/${this.name(short)}/status`, { status: { conditions: [condition] } });
  }

  async get(short: string): Promise<NodeBody> {
    return (await this.call('GET', `/api/v1/nodes/${this.name(short)}`)) as NodeBody;
  }

  /** The annotations below our prefix, by their short names. */
  async annotationsOf(short: string): Promise<Record<string, string>> {
    const start = `${this.prefix}/`;
    const all = Object.entries((await this.get(short)).metadata.annotations ?? {});
    return Object.fromEntries(
      all.filter(([key]) => key.startsWith(start)).map(([key, value]) => [key.slice(start.length), value]),
    );
  }

  /** Events about the node, as `type reason: message`. */
  async events(short: string): Promise<string[]> {
    const selector = encodeURIComponent(`involvedObject.name=${this.name(short)}`);
    const list = await this.call('GET', `/api/v1/namespaces/default/events?fieldSelector=${selector}`);
    const { items } = list as { items: { type: string; reason: string; message: string }[] };
    return items.map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  async remove(short: string): Promise<void> {
    await this.removeNode(this.name(short));
  }

  async close(): Promise<void> {
    this.signal.abort(new Error('the test is over'));
    await Promise.all(this.opened.map((datastore) => datastore.close()));
    for (const cluster of this.clusters) cluster.close();
    if (this.server) await this.server.stop();
    else for (const name of this.made) await this.removeNode(name);
    this.admin.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async removeNode(name: string): Promise<void> {
    this.made.delete(name);
    await this.call('DELETE', `/api/v1/nodes/${name}`).catch((error: unknown) => {
      if (!isTartanError(error, 'DATASTORE_NOT_FOUND')) throw error;
    });
  }

  private patch(path: string, body: object): Promise<unknown> {
    return this.call('PATCH', path, body, 'application/strategic-merge-patch+json');
  }

  private call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object, contentType?: string) {
    const call = { operation: `${method} ${path}`, key: path, method, path, body };
    return this.admin.json(
      { ...call, ...(contentType !== undefined && { contentType }) },
      new AbortController().signal,
    );
  }
}

/** The events of a watch, read in the background until the world closes. */
export function readEvents(datastore: KubeDatastore, after: bigint, signal: AbortSignal) {
  const log: { events: LeaseEvent[]; standing: boolean; ended: unknown } = { events: [], standing: false, ended: null };
  const read = async (): Promise<void> => {
    for await (const response of datastore.watch(after, signal)) {
      log.standing = true;
      log.events.push(...response.events);
    }
  };
  read().catch((error: unknown) => (log.ended = error));
  return log;
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
