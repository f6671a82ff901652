/**
 * Real etcd for tests: one member or several, with or without TLS and users, started in a temporary directory on free ports, and
 * stopped, paused, killed and restarted at will. destroy() leaves nothing behind. With `commandPrefix` the members and etcdctl run
 * inside a network namespace; then the addresses must exist there, and only who is inside can connect.
 */
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../command';
import { LabProcess } from '../lab-process';
import type { LabScope } from '../lab-scope';
import { freePorts } from './free-ports';
import type { CertificateFiles } from './test-authority';

export interface EtcdTls {
  /** Whom the members trust, and clients shall trust. */
  readonly caFile: string;
  readonly server: CertificateFiles;
  /** Given: clients must show a certificate, and etcdctl uses this one. */
  readonly client?: CertificateFiles;
}

export interface EtcdClusterOptions {
  /** Default 1. */
  readonly members?: number;
  /** Where members listen; default 127.0.0.1. */
  readonly host?: string;
  /** Put before every command, such as ['ip', 'netns', 'exec', 'name']. */
  readonly commandPrefix?: readonly string[];
  readonly tls?: EtcdTls;
  /** Default: a scope of the cluster's own, removed with it. */
  readonly scope?: LabScope;
  /** Further flags of etcd. */
  readonly flags?: readonly string[];
  /** Client port of the first member and peer port after it, when they must be known beforehand. */
  readonly ports?: readonly number[];
}

export interface EtcdUser {
  readonly name: string;
  readonly password: string;
  /** What its role may read and write: this key and everything that starts with it. */
  readonly prefix: string;
}

export interface EtcdLeaseState {
  /** Hexadecimal, as etcdctl takes it. */
  readonly id: string;
  readonly ttlSeconds: number;
  readonly grantedSeconds: number;
  readonly keys: readonly string[];
}

const ROOT = 'root:root-password';
const SHARED_MEMORY = '/dev/shm';

export class EtcdMember {
  private process: LabProcess | null = null;

  constructor(
    readonly name: string,
    /** URL for clients. */
    readonly endpoint: string,
    private readonly scope: LabScope,
    private readonly argv: readonly string[],
  ) {}

  get pid(): number | undefined {
    return this.process?.pid;
  }

  get running(): boolean {
    return this.process?.running ?? false;
  }

  /** Starts the process; it is of use only once it is `ready`. */
  async launch(): Promise<void> {
    this.process = await LabProcess.start(this.scope, { name: this.name, argv: this.argv });
  }

  /** Resolves when it serves clients, which takes a leader. */
  async ready(): Promise<void> {
    await this.process?.waitForLog(/ready to serve client requests/, { timeoutMs: 20_000 });
  }

  /** On the data of before. */
  async start(): Promise<void> {
    await this.launch();
    await this.ready();
  }

  async stop(): Promise<void> {
    this.resume();
    await this.process?.stop();
  }

  async kill(): Promise<void> {
    await this.process?.kill();
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void {
    this.process?.pause();
  }

  resume(): void {
    this.process?.resume();
  }
}

export class EtcdCluster {
  private rootCredentials: string | null = null;

  private constructor(
    readonly members: readonly EtcdMember[],
    private readonly options: EtcdClusterOptions,
    private readonly directory: string,
  ) {}

  /** Resolves when every member serves clients. */
  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    const directory = options.scope?.directory ?? (await mkdtemp(join(scratch(), 'tartan-etcd-')));
    const scope = options.scope ?? ownScope(directory);
    const members = await prepareMembers(options, scope);
    const cluster = new EtcdCluster(members, options, directory);
    try {
      await Promise.all(members.map((member) => member.launch()));
      await Promise.all(members.map((member) => member.ready()));
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
    return cluster;
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** The only, or first, member. */
  get member(): EtcdMember {
    return this.members[0] as EtcdMember;
  }

  /** Runs etcdctl (API 3) against all members, as root where users are switched on; resolves with its output. */
  async etcdctl(argv: readonly string[], input?: string): Promise<string> {
    const { tls, commandPrefix = [] } = this.options;
    const certificate = tls?.client ? ['--cert', tls.client.certFile, '--key', tls.client.keyFile] : [];
    const access = [
      ...(tls ? ['--cacert', tls.caFile, ...certificate] : []),
      ...(this.rootCredentials === null ? [] : ['--user', this.rootCredentials]),
    ];
    const command = [...commandPrefix, 'etcdctl', '--endpoints', this.endpoints.join(','), ...access, ...argv];
    const { stdout } = await runCommand(command, {
      env: { ETCDCTL_API: '3' },
      ...(input !== undefined && { input }),
    });
    return stdout;
  }

  async put(key: string, value: string): Promise<void> {
    await this.etcdctl(['put', '--', key, value]);
  }

  async remove(key: string): Promise<void> {
    await this.etcdctl(['del', '--', key]);
  }

  /** The store's present revision, as seen by the first member. */
  async revision(): Promise<number> {
    const answer = JSON.parse(await this.etcdctl(['get', '-w', 'json', 'nothing-here'])) as {
      header: { revision: number };
    };
    return answer.header.revision;
  }

  /** Drops all history before the present revision. */
  async compact(): Promise<void> {
    await this.etcdctl(['compact', '--physical', String(await this.revision())]);
  }

  /** All leases with the keys that hang on them. */
  async leases(): Promise<EtcdLeaseState[]> {
    const [, ...ids] = (await this.etcdctl(['lease', 'list'])).trim().split('\n');
    return Promise.all(ids.map((id) => this.lease(id)));
  }

  /** Removes all keys and leases; history and users stay. */
  async clear(): Promise<void> {
    await this.etcdctl(['del', '--prefix', '']);
    for (const { id } of await this.leases()) await this.etcdctl(['lease', 'revoke', id]);
  }

  private async lease(id: string): Promise<EtcdLeaseState> {
    const text = await this.etcdctl(['lease', 'timetolive', id, '--keys', '-w', 'json']);
    const state = JSON.parse(text) as { ttl: number; 'granted-ttl': number; keys?: string[] };
    const keys = (state.keys ?? []).map((key) => Buffer.from(key, 'base64').toString());
    return { id, ttlSeconds: state.ttl, grantedSeconds: state['granted-ttl'], keys };
  }

  /** Switches authentication on, with a root user for etcdctl and one role per user. */
  async enableAuth(users: readonly EtcdUser[]): Promise<void> {
    await this.etcdctl(['user', 'add', ROOT]);
    await this.etcdctl(['user', 'grant-role', 'root', 'root']);
    for (const { name, password, prefix } of users) {
      await this.etcdctl(['role', 'add', name]);
      await this.etcdctl(['role', 'grant-permission', name, '--prefix=true', 'readwrite', prefix]);
      await this.etcdctl(['user', 'add', `${name}:${password}`]);
      await this.etcdctl(['user', 'grant-role', name, name]);
    }
    await this.etcdctl(['auth', 'enable']);
    this.rootCredentials = ROOT;
  }

  /** Kills what runs and removes what was written. Idempotent. */
  async destroy(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    if (!this.options.scope) await rm(this.directory, { recursive: true, force: true });
  }
}

/** etcd syncs every write, so its data belongs into memory where there is some. */
function scratch(): string {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK);
    return SHARED_MEMORY;
  } catch {
    return tmpdir();
  }
}

function ownScope(directory: string): LabScope {
  let last = 0;
  return { prefix: '', directory, processes: [], next: () => ++last };
}

async function prepareMembers(options: EtcdClusterOptions, scope: LabScope): Promise<EtcdMember[]> {
  const { members: count = 1, host = '127.0.0.1', tls, commandPrefix = [], flags = [] } = options;
  const ports = options.ports ?? (await freePorts(2 * count, host));
  const scheme = tls ? 'https' : 'http';
  const places = Array.from({ length: count }, (_, index) => ({
    name: `etcd-${scope.next()}`,
    client: `${scheme}://${bracketed(host)}:${ports[2 * index] as number}`,
    peer: `http://${bracketed(host)}:${ports[2 * index + 1] as number}`,
  }));
  const cluster = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
  return places.map(({ name, client, peer }) => {
    const own = ['--name', name, '--data-dir', join(scope.directory, `${name}.data`)];
    const urls = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer];
    const peers = ['--initial-advertise-peer-urls', peer, '--initial-cluster', cluster];
    const argv = [...commandPrefix, 'etcd', ...own, ...urls, ...peers, ...QUICK, ...tlsFlags(tls), ...flags];
    return new EtcdMember(name, client, scope, argv);
  });
}

/** Elections within a second; a loaded test machine needs some slack. */
const QUICK = ['--heartbeat-interval', '100', '--election-timeout', '1000', '--snapshot-count', '10000'];

function tlsFlags(tls: EtcdTls | undefined): string[] {
  if (!tls) return [];
  const server = ['--cert-file', tls.server.certFile, '--key-file', tls.server.keyFile];
  return tls.client ? [...server, '--client-cert-auth', '--trusted-ca-file', tls.caFile] : server;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
