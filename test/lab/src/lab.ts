import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareAddress, nthAddress } from './addressing';
import { runCommand } from './command';
import { EtcdCluster, type EtcdClusterOptions } from './etcd';
import { Host, type HostContext } from './host';
import { keptFile } from './kept-file';
import { LabError } from './lab-error';
import type { LabProcess } from './lab-process';
import type { LabScope } from './lab-scope';
import type { NetworkNamespace } from './network-namespace';
import { PacketStream, type StreamOptions } from './packet-stream';
import type { Pod } from './pod';
import { dumpState } from './state-dump';
import { Switch, type SwitchOptions } from './switch';
import { measureThroughput, type ThroughputOptions, type ThroughputResult } from './throughput';

/*
 * A cluster on one machine. Hosts, pods and the switch are network namespaces; cables are veth pairs:
 *
 *   host1 ┬ eth0 ───── host1 ┐                       ┌ host2 ───── eth0 ┬ host2
 *         ├ cni0             ├ br0 (switch, .254)  ──┤                  ├ cni0
 *         └ pod1 … eth0 host1-pod1                   └ …                └ pod1 … eth0 host2-pod1
 *
 * A lab lives inside the namespaces of scripts/in-namespace and nowhere else: however the process that made it ends, the kernel
 * takes everything away, and nothing of the machine's own network can be touched by mistake.
 */

export interface LabOptions {
  /** Before the name of every namespace; default unique to this process and lab. Empty gives the plain names. */
  readonly prefix?: string;
  /** The hosts' network; the nth host gets the nth address. Default 192.168.50.0/24. */
  readonly underlayIpv4?: string | null;
  /** Default: no IPv6. Use fd50::/64 or the like. */
  readonly underlayIpv6?: string | null;
  /** Of the switch and the hosts; default 1500. */
  readonly mtuBytes?: number;
}

export interface HostOptions {
  readonly name: string;
  /** `address/length`; default: the next of the underlay; null: none. */
  readonly ipv4?: string | null;
  readonly ipv6?: string | null;
  /** Default `eth0`. */
  readonly ifname?: string;
  readonly mtuBytes?: number;
  /** Default routes via the switch, which forwards nothing; default true, as real hosts have one. */
  readonly defaultRoute?: boolean;
  /** Default: the lab's own. */
  readonly switch?: Switch;
}

interface PodPair {
  readonly from: Pod;
  readonly to: Pod;
  readonly family?: 4 | 6;
}

const DEFAULT_UNDERLAY = '192.168.50.0/24';
/** Of the switch in a /24 and in a /64. */
const SWITCH_INDEX = 254;
const ETCD_CLIENT_PORT = 2379;
let labs = 0;

export class Lab implements HostContext {
  readonly hosts: Host[] = [];
  readonly switches: Switch[] = [];
  private readonly releases: (() => Promise<void>)[] = [];
  private destroying: Promise<void> | undefined;
  private endpoints: string | undefined;

  private constructor(
    private readonly scope: LabScope,
    private readonly options: LabOptions,
  ) {}

  /** A lab with a switch and no hosts. Rejects outside scripts/in-namespace. */
  static async create(options: LabOptions = {}): Promise<Lab> {
    requireNamespace();
    labs += 1;
    let sequence = 0;
    const scope: LabScope = {
      prefix: options.prefix ?? `${process.pid}-${labs}-`,
      directory: mkdtempSync(join(tmpdir(), 'lab-')),
      processes: [],
      next: () => (sequence += 1),
    };
    const lab = new Lab(scope, options);
    const { underlayIpv4 = DEFAULT_UNDERLAY, underlayIpv6 = null, mtuBytes = 1500 } = options;
    await lab.addSwitch({
      name: 'switch',
      mtuBytes,
      ipv4: underlayIpv4 === null ? undefined : nthAddress(underlayIpv4, SWITCH_INDEX),
      ipv6: underlayIpv6 === null ? undefined : nthAddress(underlayIpv6, SWITCH_INDEX),
    });
    return lab;
  }

  /** For logs, captures and files of tests; gone with the lab. */
  get directory(): string {
    return this.scope.directory;
  }

  /** The first switch. */
  get switch(): Switch {
    return this.switches[0] as Switch;
  }

  get pods(): readonly Pod[] {
    return this.hosts.flatMap((host) => host.pods);
  }

  get processes(): readonly LabProcess[] {
    return this.scope.processes;
  }

  host(name: string): Host {
    const found = this.hosts.find((host) => host.name === name);
    if (!found) throw new LabError(`the lab has no host ${name}`);
    return found;
  }

  /** Another layer 2 segment. */
  async addSwitch(options: SwitchOptions): Promise<Switch> {
    const added = await Switch.create(this.scope, options);
    this.switches.push(added);
    return added;
  }

  /** A host with one card on the switch. */
  async addHost(options: HostOptions): Promise<Host> {
    const { name, ifname = 'eth0', defaultRoute = true } = options;
    const { underlayIpv4 = DEFAULT_UNDERLAY, underlayIpv6 = null } = this.options;
    const host = await Host.create(this.scope, name, this);
    this.hosts.push(host);
    const index = this.hosts.length;
    await host.addInterface({
      ifname,
      defaultRoute,
      switch: options.switch ?? this.switch,
      ipv4: chooseAddress(options.ipv4, underlayIpv4, index),
      ipv6: chooseAddress(options.ipv6, underlayIpv6, index),
      mtuBytes: options.mtuBytes ?? this.options.mtuBytes ?? 1500,
    });
    return host;
  }

  /** host1, host2, … */
  async addHosts(count: number, options: Omit<HostOptions, 'name' | 'ipv4' | 'ipv6'> = {}): Promise<Host[]> {
    const added: Host[] = [];
    for (let i = 0; i < count; i += 1) {
      added.push(await this.addHost({ ...options, name: `host${this.hosts.length + 1}` }));
    }
    return added;
  }

  /** An etcd in `where` (default: the switch), listening on its IPv4 address; daemons started from now on use it. */
  async startEtcd(
    options: Omit<EtcdClusterOptions, 'scope' | 'commandPrefix' | 'host'> & { readonly where?: Host | Switch } = {},
  ): Promise<EtcdCluster> {
    const { where = this.switch, ...rest } = options;
    const host = where.ipv4;
    if (host === undefined) throw new LabError(`${where.name} has no IPv4 address for etcd`);
    const ports = Array.from({ length: 2 * (rest.members ?? 1) }, (_, index) => ETCD_CLIENT_PORT + index);
    const cluster = await EtcdCluster.start({
      ports,
      ...rest,
      host,
      scope: this.scope,
      commandPrefix: where.commandPrefix,
    });
    this.useEtcd(cluster.endpoints.join(','));
    return cluster;
  }

  /** What daemons started from now on get as --etcd-endpoints unless told otherwise. */
  useEtcd(endpoints: string): void {
    this.endpoints = endpoints;
  }

  etcdEndpoints(): string | undefined {
    return this.endpoints;
  }

  /** A numbered packet stream from pod to pod; `stop()` on it counts the loss. */
  stream(options: PodPair & Omit<StreamOptions, 'address' | 'from' | 'to'>): Promise<PacketStream> {
    return PacketStream.start({ ...options, address: addressOf(options) });
  }

  /** One iperf3 run from pod to pod. */
  throughput(options: PodPair & Omit<ThroughputOptions, 'address' | 'from' | 'to'>): Promise<ThroughputResult> {
    return measureThroughput({ ...options, address: addressOf(options) });
  }

  /** Called first when the lab is destroyed, last registered first: for what a test starts by other means. */
  onDestroy(release: () => Promise<void>): void {
    this.releases.push(release);
  }

  /** State of all namespaces and the end of all logs as text. Never rejects. */
  dump(): Promise<string> {
    return dumpState(this.namespaces(), this.scope.processes);
  }

  /** Writes the dump to a file that stays, out/lab-failures/NAME.txt, and gives its path. */
  async writeDump(name: string): Promise<string> {
    const path = keptFile('lab-failures', `${name.replace(/[^\w.-]+/g, '-').slice(0, 80)}.txt`);
    writeFileSync(path, await this.dump());
    return path;
  }

  /** Kills every process, removes every namespace and file. Idempotent; goes through to the end and then rejects with what failed. */
  destroy(): Promise<void> {
    return (this.destroying ??= this.tearDown());
  }

  private async tearDown(): Promise<void> {
    const failures: unknown[] = [];
    const attempt = (action: Promise<unknown>): Promise<unknown> =>
      action.catch((error: unknown) => failures.push(error));
    for (const release of this.releases.reverse()) await attempt(release());
    await Promise.all(this.scope.processes.map((labProcess) => labProcess.kill()));
    await Promise.all(this.namespaces().map((namespace) => attempt(removeNamespace(namespace))));
    await attempt(rm(this.scope.directory, { recursive: true, force: true }));
    if (failures.length > 0) throw new AggregateError(failures, 'the lab could not be removed completely');
  }

  private namespaces(): NetworkNamespace[] {
    return [...this.hosts, ...this.pods, ...this.switches];
  }
}

function requireNamespace(): void {
  if (process.env['TARTAN_IN_NAMESPACE'] === '1') return;
  throw new LabError('a lab runs inside namespaces of its own: scripts/in-namespace COMMAND, for instance npx jest');
}

function chooseAddress(wanted: string | null | undefined, network: string | null, index: number): string | undefined {
  if (wanted !== undefined) return wanted ?? undefined;
  return network === null ? undefined : nthAddress(network, index);
}

function addressOf({ to, family }: PodPair): string {
  if (family === undefined) return bareAddress(to.addresses[0] as string);
  return family === 4 ? to.ipv4 : to.ipv6;
}

/** Processes that left their parent are found through the namespace they are in. */
async function removeNamespace(namespace: NetworkNamespace): Promise<void> {
  const { stdout } = await runCommand(['ip', 'netns', 'pids', namespace.netns], { allowFailure: true });
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // ended meanwhile
    }
  }
  await namespace.delete();
}
