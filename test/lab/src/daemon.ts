import { join } from 'node:path';
import { eventually } from './eventually';
import type { HttpAnswer } from './http-get';
import { LabError } from './lab-error';
import type { Exit, LabProcess, ProcessOptions } from './lab-process';
import { repositoryRoot } from './programs';
import { readSubnetFile, type SubnetFile } from './subnet-env';

export interface DaemonOptions {
  /** Within the host; default `tartand`. */
  readonly name?: string;
  /** Default: bin/tartand of this checkout. */
  readonly command?: readonly string[];
  /** Comma list for --etcd-endpoints; default: the lab's etcd. */
  readonly etcdEndpoints?: string | undefined;
  /** `--datastore` instead of etcd: `file:PATH`. */
  readonly datastore?: string;
  /** Default: the host's own subnet file; a second daemon needs another. */
  readonly subnetFile?: string;
  /** 0 switches the health server off, and readiness is then told by the subnet file. Default 8471. */
  readonly healthPort?: number;
  /** Default: name of the host's first interface; null leaves the flag out, and the daemon chooses. */
  readonly iface?: string | null;
  /** Default: the uplink's IPv4 address when it has one; null leaves the flag out. */
  readonly publicIp?: string | null;
  /** Default: the host's name; null leaves the flag out. */
  readonly nodeName?: string | null;
  /** Further flags. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What a daemon needs of its host; Host is such. */
export interface DaemonHost {
  readonly name: string;
  readonly subnetFile: string;
  readonly uplink: { readonly ifname: string; readonly ipv4?: string | undefined };
  readonly ipv4: string;
  startAsMachine(options: ProcessOptions): Promise<LabProcess>;
  httpGet(port: number, path: string): Promise<HttpAnswer>;
}

const DEFAULT_HEALTH_PORT = 8471;
const READY_TIMEOUT_MS = 15_000;
/** Asking starts a process or two, which must not take the processor from the daemon that is waited for. */
const READY_POLL_MS = 40;

/** A network daemon on a host, which can be stopped, killed and started again with the same command line. */
export class LabDaemon {
  readonly name: string;
  readonly subnetFile: string;
  readonly healthPort: number;
  private current: LabProcess | undefined;

  constructor(
    readonly host: DaemonHost,
    private readonly options: DaemonOptions,
  ) {
    this.name = options.name ?? 'tartand';
    this.subnetFile = options.subnetFile ?? host.subnetFile;
    this.healthPort = options.healthPort ?? DEFAULT_HEALTH_PORT;
  }

  /** The running process, or the last one. */
  get process(): LabProcess {
    if (!this.current) throw new LabError(`${this.name} on ${this.host.name} was never started`);
    return this.current;
  }

  /** The whole command line. */
  get commandLine(): readonly string[] {
    return [...(this.options.command ?? [join(repositoryRoot, 'bin', 'tartand')]), ...this.flags()];
  }

  /** Rejects when it runs already. */
  async start(): Promise<LabProcess> {
    if (this.current?.running) throw new LabError(`${this.name} on ${this.host.name} is running`);
    const { env } = this.options;
    this.current = await this.host.startAsMachine({ name: this.name, argv: this.commandLine, ...(env && { env }) });
    return this.current;
  }

  /** SIGTERM; rejects when it does not end by itself. */
  stop(options?: { readonly timeoutMs?: number }): Promise<Exit> {
    return this.process.stop(options);
  }

  /** SIGKILL. */
  kill(): Promise<Exit> {
    return this.process.kill();
  }

  /** Ends it as told (default SIGTERM) and starts it again. It is not ready yet when this resolves. */
  async restart(options: { readonly signal?: 'SIGTERM' | 'SIGKILL' } = {}): Promise<LabProcess> {
    await (options.signal === 'SIGKILL' ? this.kill() : this.stop());
    return this.start();
  }

  /** GET on the health server: `/readyz?verbose`, `/healthz`, `/metrics`. Rejects when nobody answers. */
  health(path = '/readyz'): Promise<HttpAnswer> {
    return this.host.httpGet(this.healthPort, path);
  }

  /** Resolves with what the subnet file says once /readyz answers 200; rejects when the daemon ends or takes too long. */
  async waitUntilReady(options: { readonly timeoutMs?: number } = {}): Promise<SubnetFile> {
    const { timeoutMs = READY_TIMEOUT_MS } = options;
    await this.process.until(() => this.checkReady(), 'becomes ready', { timeoutMs, intervalMs: READY_POLL_MS });
    return this.subnetEnv();
  }

  /** Resolves once /readyz answers other than 200 or not at all. */
  async waitUntilUnready(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const ready = (): Promise<boolean> =>
      this.checkReady().then(
        () => true,
        () => false,
      );
    const what = `${this.name} on ${this.host.name} becomes unready`;
    await eventually(async () => !(await ready()), { timeoutMs: READY_TIMEOUT_MS, what, ...options });
  }

  subnetEnv(): Promise<SubnetFile> {
    return readSubnetFile(this.subnetFile);
  }

  private async checkReady(): Promise<void> {
    if (this.healthPort === 0) {
      await this.subnetEnv();
      return;
    }
    const { status, body } = await this.health();
    if (status !== 200) throw new LabError(`/readyz answers ${status}: ${body.trim()}`);
  }

  private flags(): string[] {
    const { iface, publicIp, nodeName, datastore, etcdEndpoints, args = [] } = this.options;
    const { uplink } = this.host;
    return [
      ...(datastore !== undefined ? flag('datastore', datastore) : flag('etcd-endpoints', etcdEndpoints)),
      ...flag('iface', iface === undefined ? uplink.ifname : iface),
      ...flag('public-ip', publicIp === undefined && uplink.ipv4 !== undefined ? this.host.ipv4 : publicIp),
      ...flag('subnet-file', this.subnetFile),
      ...flag('healthz-port', this.healthPort === 0 ? undefined : String(this.healthPort)),
      ...flag('node-name', nodeName === undefined ? this.host.name : nodeName),
      ...args,
    ];
  }
}

function flag(name: string, value: string | null | undefined): string[] {
  return value === undefined || value === null ? [] : [`--${name}=${value}`];
}
