import { Capture, type CaptureOptions } from './capture';
import { runCommand, type CommandOptions, type CommandResult } from './command';
import { httpGet, type HttpAnswer } from './http-get';
import { LabError } from './lab-error';
import { LabProcess, type ProcessOptions } from './lab-process';
import type { LabScope } from './lab-scope';
import { ping, type PingOptions, type PingResult } from './ping';
import { forwardTcp, type TcpForward } from './tcp-forward';

/** A named network namespace (`ip netns`) and everything one does inside it. Hosts, pods and switches are such. */
export class NetworkNamespace {
  /** As `ip netns` lists it. */
  readonly netns: string;

  protected constructor(
    protected readonly scope: LabScope,
    /** Within the lab. */
    readonly name: string,
  ) {
    this.netns = scope.prefix + name;
  }

  /** A namespace with lo up. `sysctls` are set before any interface exists, so that each new one inherits them. */
  protected static async make(netns: string, sysctls: Readonly<Record<string, string | number>> = {}): Promise<void> {
    await runCommand(['ip', 'netns', 'add', netns]);
    await runCommand(['ip', '-n', netns, 'link', 'set', 'lo', 'up']);
    await setSysctls(enter(netns), sysctls);
  }

  /** Stands before a command to run it in this network namespace; file systems and process ids stay those of the lab. */
  get commandPrefix(): readonly string[] {
    return enter(this.netns);
  }

  /** Runs a command in here to its end. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return runCommand([...this.commandPrefix, ...argv], options);
  }

  /** `ip ARGUMENTS` in here; gives what it printed. Arguments may also be one text with spaces. */
  async ip(...argv: string[]): Promise<string> {
    const words = argv.flatMap((argument) => argument.trim().split(/\s+/));
    return (await runCommand(['ip', '-n', this.netns, ...words])).stdout;
  }

  /** `ip -json ARGUMENTS` in here, parsed. The caller names the type of what iproute2 prints. */
  async ipJson<T>(...argv: string[]): Promise<T> {
    const text = (await this.ip('-json', ...argv)).trim();
    return JSON.parse(text === '' ? '[]' : text) as T;
  }

  /** Several `ip` commands, one per line, in one go; stops at the first that fails. */
  async ipBatch(lines: readonly string[]): Promise<void> {
    await runCommand(['ip', '-n', this.netns, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Names with dots or slashes: `net.ipv4.ip_forward`, `net/ipv4/conf/eth0.1/rp_filter`. */
  sysctl(values: Readonly<Record<string, string | number>>): Promise<void> {
    return setSysctls(this.commandPrefix, values);
  }

  /** Runs an nft script in here; gives what it printed. */
  async nft(script: string): Promise<string> {
    return (await this.run(['nft', '-f', '-'], { input: script })).stdout;
  }

  /** Starts a process in here. */
  start(options: ProcessOptions): Promise<LabProcess> {
    return LabProcess.start(this.scope, {
      ...options,
      name: `${this.name}-${options.name}`,
      argv: [...this.commandPrefix, ...options.argv],
    });
  }

  /** Resolves with counts, also when nothing came back. */
  ping(target: string, options?: PingOptions): Promise<PingResult> {
    return ping(this, target, options);
  }

  /** True when one echo request to `target` is answered within a second. */
  async reaches(target: string, options: PingOptions = {}): Promise<boolean> {
    return (await this.ping(target, { ...options, count: 1 })).received === 1;
  }

  /** Captures packets to a file from the moment this resolves. */
  capture(options?: CaptureOptions): Promise<Capture> {
    return Capture.start(this, this.scope, options);
  }

  /** HTTP GET to a port of 127.0.0.1 in here (or another address). Rejects when nobody answers within a second. */
  httpGet(port: number, path: string, address?: string): Promise<HttpAnswer> {
    return httpGet(this, port, path, address);
  }

  /** Makes a TCP port in here reachable for this very process, on a port of 127.0.0.1 that it tells. */
  forwardTcp(port: number, address?: string): Promise<TcpForward> {
    return forwardTcp(this, this.scope, port, address);
  }

  /** Removes the name; the kernel frees the rest when the last process in here has ended. Idempotent. */
  async delete(): Promise<void> {
    const { exitCode, stderr } = await runCommand(['ip', 'netns', 'del', this.netns], { allowFailure: true });
    if (exitCode !== 0 && !stderr.includes('No such file')) throw new LabError(`ip netns del ${this.netns}: ${stderr}`);
  }
}

function enter(netns: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${netns}`];
}

async function setSysctls(prefix: readonly string[], values: Readonly<Record<string, string | number>>): Promise<void> {
  const lines = Object.entries(values).map(([name, value]) => {
    const path = name.includes('/') ? name : name.replaceAll('.', '/');
    return `printf '%s' '${value}' > '/proc/sys/${path}'`;
  });
  if (lines.length > 0) await runCommand([...prefix, 'sh', '-e'], { input: `${lines.join('\n')}\n` });
}
