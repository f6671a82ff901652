import {
  Lab,
  eventually,
  repositoryRoot,
  type DaemonOptions,
  type Host,
  type LabDaemon,
  type LabProcess,
} from '@tartan/lab';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/* A Kubernetes cluster as a daemon sees it: the test API server on the switch, Node objects, daemons with --kube-subnet-mgr. */

const PORT = 6443;
export const FLANNEL = 'flannel.alpha.coreos.com';

export interface NodeObject {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

/** The test API server as a process on the switch, told what to do through its standard input. */
export class LabApiServer {
  private orders = 0;

  private constructor(
    private readonly process: LabProcess,
    readonly url: string,
  ) {}

  /** `args` are further arguments of the program, for TLS and tokens. */
  static async start(lab: Lab, args: readonly string[] = []): Promise<LabApiServer> {
    const program = join(repositoryRoot, 'packages/datastore-kube/dist/testing/main.js');
    const argv = [process.execPath, program, '--listen', `0.0.0.0:${PORT}`, ...args];
    const started = await lab.switch.start({ name: 'api-server', argv, stdout: 'lines' });
    await started.waitForLine(/^listening/);
    return new LabApiServer(started, `http://${String(lab.switch.ipv4).split('/')[0]}:${PORT}`);
  }

  async order(what: string, more: object = {}): Promise<unknown> {
    const id = ++this.orders;
    this.process.write(`${JSON.stringify({ id, do: what, ...more })}\n`);
    const line = await this.process.waitForLine(new RegExp(`^\\{"id":${id},`));
    const { result, error } = JSON.parse(line) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  createNode(
    name: string,
    podCIDRs: readonly string[] = [],
    annotations: Record<string, string> = {},
  ): Promise<unknown> {
    return this.order('create', { node: { name, podCIDRs, annotations } });
  }

  node(name: string): Promise<NodeObject> {
    return this.order('get', { name }) as Promise<NodeObject>;
  }

  nodes(): Promise<NodeObject[]> {
    return this.order('nodes') as Promise<NodeObject[]>;
  }

  /** One of flannel's annotations. */
  async annotation(name: string, annotation: string): Promise<string | undefined> {
    return (await this.node(name)).metadata.annotations[`${FLANNEL}/${annotation}`];
  }

  /** Reason of the node's NetworkUnavailable, behind its status. */
  async condition(name: string): Promise<string | undefined> {
    const found = (await this.node(name)).status.conditions.find(({ type }) => type === 'NetworkUnavailable');
    return found && `${found.status} ${found.reason}`;
  }
}

export interface KubeLab {
  readonly lab: Lab;
  readonly api: LabApiServer;
  readonly netConfig: string;
}

/** A lab with hosts, an API server without nodes, and a network config. The caller destroys the lab. */
export async function startKubeLab(hosts: number, config: object): Promise<KubeLab> {
  const lab = await Lab.create();
  try {
    await lab.addHosts(hosts);
    const netConfig = join(lab.directory, 'net-conf.json');
    writeFileSync(netConfig, JSON.stringify(config));
    return { lab, netConfig, api: await LabApiServer.start(lab) };
  } catch (error) {
    await lab.destroy();
    throw error;
  }
}

/** The daemon as the DaemonSet runs it, but for the address of the server. */
export function startKubeDaemon(
  { api, netConfig }: KubeLab,
  host: Host,
  options: DaemonOptions = {},
): Promise<LabDaemon> {
  return host.startDaemon({
    datastore: 'kube',
    nodeName: null,
    publicIp: null,
    iface: null,
    ...options,
    args: ['--kube-subnet-mgr', `--kube-api-url=${api.url}`, `--net-config-path=${netConfig}`, ...(options.args ?? [])],
    env: { NODE_NAME: host.name, ...options.env },
  });
}

export async function eventuallyEqual(actual: () => Promise<unknown>, wanted: unknown, what: string): Promise<void> {
  await eventually(
    async () => {
      const found = JSON.stringify(await actual());
      if (found !== JSON.stringify(wanted)) throw new Error(`${what}: ${found}, wanted ${JSON.stringify(wanted)}`);
    },
    { timeoutMs: 30_000, what },
  );
}
