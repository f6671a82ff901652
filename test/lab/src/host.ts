import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressLines, bareAddress } from './addressing';
import { runCommand, type CommandOptions, type CommandResult } from './command';
import { LabDaemon, type DaemonOptions } from './daemon';
import { LabError } from './lab-error';
import { LabProcess, type ProcessOptions } from './lab-process';
import type { LabScope } from './lab-scope';
import { NetworkNamespace } from './network-namespace';
import { createPod, type Pod, type PodOptions } from './pod';
import { labProgram } from './programs';
import type { Switch } from './switch';

export interface InterfaceOptions {
  readonly ifname: string;
  readonly switch: Switch;
  /** `address/length`; left out: none of that family. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  /** Default 1500. */
  readonly mtuBytes?: number;
  /** Default routes via the switch's own addresses; default false. */
  readonly defaultRoute?: boolean;
}

/** A network card of a host. */
export interface HostInterface extends InterfaceOptions {
  readonly mtuBytes: number;
  /** The other end, in the switch's namespace. */
  readonly port: string;
}

/** What a host needs besides the commands of its namespace: where daemons find their datastore. */
export interface HostContext {
  /** Endpoints of the lab's etcd, when it has one. */
  etcdEndpoints(): string | undefined;
}

/** On every host, before any interface exists. Addresses are usable at once, and forwarding is on as a container host has it. */
const HOST_SYSCTLS = {
  'net.ipv4.ip_forward': 1,
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv6.conf.default.forwarding': 1,
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.conf.default.accept_ra': 0,
};

/** A machine of the cluster: network namespace, disk, machine id, host name. */
export class Host extends NetworkNamespace {
  readonly interfaces: HostInterface[] = [];
  readonly pods: Pod[] = [];
  readonly daemons: LabDaemon[] = [];
  /** Its disk: `run/flannel`, `run/tartan`, `var/lib` as its processes see them, and room for a test's own files. */
  readonly directory: string;

  private constructor(
    scope: LabScope,
    name: string,
    private readonly context: HostContext,
  ) {
    super(scope, name);
    this.directory = join(scope.directory, 'hosts', name);
  }

  static async create(scope: LabScope, name: string, context: HostContext): Promise<Host> {
    const host = new Host(scope, name, context);
    mkdirSync(host.directory, { recursive: true });
    writeFileSync(join(host.directory, 'machine-id'), `${machineId(host.netns)}\n`);
    for (const part of ['run/flannel', 'run/tartan', 'var/lib'])
      mkdirSync(join(host.directory, part), { recursive: true });
    await NetworkNamespace.make(host.netns, HOST_SYSCTLS);
    return host;
  }

  /** Where a daemon with default options writes; readable at this path from everywhere in the lab. */
  get subnetFile(): string {
    return join(this.directory, 'run/flannel/subnet.env');
  }

  /** The first interface. */
  get uplink(): HostInterface {
    const [first] = this.interfaces;
    if (!first) throw new LabError(`${this.name} has no interface`);
    return first;
  }

  /** Address of the uplink without length; throws when it has none. */
  get ipv4(): string {
    return required(this.uplink.ipv4, `${this.name} has no IPv4 address`);
  }

  get ipv6(): string {
    return required(this.uplink.ipv6, `${this.name} has no IPv6 address`);
  }

  /** Adds a network card, up and with its addresses. */
  async addInterface(options: InterfaceOptions): Promise<HostInterface> {
    const { ifname, mtuBytes = 1500 } = options;
    const port = options.switch.reservePort(this.name);
    await options.switch.plugIn(port, this.netns, ifname, mtuBytes);
    const added = { ...options, mtuBytes, port };
    await this.ipBatch(interfaceLines(added));
    this.interfaces.push(added);
    return added;
  }

  /** Pulls the card and puts an equal one in: same name, MAC and addresses, new index. All routes over it are gone. */
  async replaceInterface(card: HostInterface): Promise<void> {
    await this.ip(`link delete ${card.ifname}`);
    await card.switch.plugIn(card.port, this.netns, card.ifname, card.mtuBytes);
    await this.ipBatch(interfaceLines(card));
  }

  /** Puts addresses and default routes back that the kernel dropped when the link went down. Idempotent. */
  async restoreAddresses(card: HostInterface): Promise<void> {
    await this.ipBatch(interfaceLines(card).map((line) => line.replace(/^(address|route) add/, '$1 replace')));
  }

  /** Runs a command to its end as a program of this machine: its name, machine id, /run/flannel and /var/lib. */
  runAsMachine(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return runCommand([...this.machinePrefix, ...argv], options);
  }

  /** Starts a background process as a program of this machine. */
  startAsMachine(options: ProcessOptions): Promise<LabProcess> {
    return LabProcess.start(this.scope, {
      ...options,
      name: `${this.name}-${options.name}`,
      argv: [...this.machinePrefix, ...options.argv],
    });
  }

  /** Stands before a command to run it as a program of this machine. */
  get machinePrefix(): readonly string[] {
    const own = ['unshare', '--uts', '--mount', labProgram('enter-host'), this.directory, this.name];
    return [...this.commandPrefix, ...own];
  }

  /** Adds a pod to the bridge of the node's subnet, which a daemon must have written (or give `subnet`). */
  async addPod(options: PodOptions = {}): Promise<Pod> {
    const pod = await createPod(this.scope, this, options);
    this.pods.push(pod);
    return pod;
  }

  /** Starts a tartand (or any daemon that takes its flags) on this host; it is not ready yet when this resolves. */
  async startDaemon(options: DaemonOptions = {}): Promise<LabDaemon> {
    const daemon = new LabDaemon(this, { etcdEndpoints: this.context.etcdEndpoints(), ...options });
    await daemon.start();
    this.daemons.push(daemon);
    return daemon;
  }
}

function interfaceLines(card: HostInterface): string[] {
  const gateways = [card.switch.ipv4, card.ipv6 === undefined ? undefined : card.switch.ipv6];
  const routes = gateways
    .filter((gateway, index) => gateway !== undefined && (index === 1 || card.ipv4 !== undefined))
    .map((gateway) => `route add default via ${String(gateway)} dev ${card.ifname}`);
  return [
    `link set ${card.ifname} up`,
    ...addressLines(card.ifname, [card.ipv4, card.ipv6]),
    ...(card.defaultRoute === true ? routes : []),
  ];
}

function machineId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function required(address: string | undefined, message: string): string {
  if (address === undefined) throw new LabError(message);
  return bareAddress(address);
}
