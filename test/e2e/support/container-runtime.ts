import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, runCommand } from '@tartan/lab';

/*
 * As much of a container runtime as it takes to attach a pod by CNI: the first config of the directory, its plugins one after the other,
 * each with the result of the one before (CNI specification 1.0, sections 2 and 3).
 */

interface Plugin {
  readonly type: string;
}

interface ConfigList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly Plugin[];
}

export interface CniResult {
  readonly ips: readonly { readonly address: string }[];
}

export interface ContainerRuntimeOptions {
  readonly host: Host;
  /** Of the node; further directories with plugins follow. */
  readonly configDirectory: string;
  readonly pluginPath: readonly string[];
}

export class ContainerRuntime {
  constructor(private readonly options: ContainerRuntimeOptions) {}

  /** Makes a network namespace for the pod and attaches it. */
  async addPod(name: string): Promise<AttachedPod> {
    const netns = `${this.options.host.netns}-${name}`;
    await runCommand(['ip', 'netns', 'add', netns]);
    await runCommand(['ip', '-n', netns, 'link', 'set', 'lo', 'up']);
    let result: CniResult | undefined;
    for (const plugin of this.config().plugins) {
      result = JSON.parse(await this.call('ADD', plugin, netns, result)) as CniResult;
    }
    if (!result) throw new Error('the config has no plugins');
    return new AttachedPod(netns, result);
  }

  /** Detaches the pod, plugins in reverse order, and removes its network namespace. */
  async removePod(pod: AttachedPod): Promise<void> {
    for (const plugin of [...this.config().plugins].reverse()) await this.call('DEL', plugin, pod.netns, pod.result);
    await runCommand(['ip', 'netns', 'delete', pod.netns]);
  }

  private config(): ConfigList {
    const { configDirectory } = this.options;
    const [first] = readdirSync(configDirectory)
      .filter((file) => file.endsWith('.conflist'))
      .sort();
    if (first === undefined) throw new Error('cni plugin not initialized: no config');
    return JSON.parse(readFileSync(join(configDirectory, first), 'utf8')) as ConfigList;
  }

  private async call(command: 'ADD' | 'DEL', plugin: Plugin, netns: string, prevResult?: CniResult): Promise<string> {
    const { name, cniVersion } = this.config();
    const { host, pluginPath } = this.options;
    const input = JSON.stringify({ ...plugin, name, cniVersion, ...(prevResult && { prevResult }) });
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: netns,
      CNI_NETNS: `/run/netns/${netns}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: pluginPath.join(':'),
    };
    const program = `for d in $(echo "$CNI_PATH" | tr : ' '); do [ -x "$d/$0" ] && exec "$d/$0"; done; exit 127`;
    return (await host.runAsMachine(['sh', '-c', program, plugin.type], { input, env })).stdout;
  }
}

/** A pod that a runtime attached. */
export class AttachedPod {
  constructor(
    readonly netns: string,
    readonly result: CniResult,
  ) {}

  /** Without length, IPv4 first. */
  get addresses(): readonly string[] {
    return this.result.ips.map(({ address }) => address.replace(/\/.*/, ''));
  }

  /** True when one echo request, as large as the MTU allows if `bytes` says so, is answered within a second. */
  async reaches(address: string, bytes = 56): Promise<boolean> {
    const ping = ['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', String(bytes), address];
    const enter = ['nsenter', `--net=/run/netns/${this.netns}`];
    return (await runCommand([...enter, ...ping], { allowFailure: true })).exitCode === 0;
  }
}
