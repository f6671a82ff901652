import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/*
 *   pod a ── host a ══ 192.168.7.0/24 ══ host b ── pod b
 *   10.5.1.2   .1                          .2      10.5.2.2
 *
 * Four network namespaces. The hosts run packet loops, each in a process of its own.
 */

const here = __dirname;
let labs = 0;

/** A program in a namespace that answers every line with a line, both JSON. */
export class Agent {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly child: ChildProcessWithoutNullStreams) {
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.pipe(process.stderr);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  async line(): Promise<string> {
    const next = await this.lines.next();
    if (next.done === true) throw new Error(`the program of pid ${this.pid} has ended`);
    return next.value;
  }

  write(text: string): void {
    this.child.stdin.write(text);
  }

  end(): void {
    this.child.stdin.end();
  }

  async ask(question: object): Promise<never> {
    this.write(`${JSON.stringify(question)}\n`);
    const { result, error } = JSON.parse(await this.line()) as {
      result: never;
      error?: { code?: string; message: string };
    };
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    return ended;
  }
}

export class Site {
  host!: Agent;
  pod!: Agent;

  constructor(
    readonly number: 1 | 2,
    readonly netns: string,
    readonly podNetns: string,
  ) {}

  get peer(): number {
    return 3 - this.number;
  }

  get underlay(): string {
    return `192.168.7.${this.number}`;
  }

  get podAddress(): string {
    return `10.5.${this.number}.2`;
  }

  get podAddress6(): string {
    return `fd00:5:${this.number}::2`;
  }

  get options(): object {
    return { listen: { ipv4: this.underlay } };
  }

  get routes(): object[] {
    const endpoint = `192.168.7.${this.peer}`;
    return [`10.5.${this.peer}.0/24`, `fd00:5:${this.peer}::/64`].map((prefix) => ({ prefix, endpoint }));
  }

  /** Runs a program on the host; throws with its output when it fails. */
  run(...command: string[]): string {
    return inNetns(this.netns, command);
  }

  /** The output in any case: ping fails when it shows what is wanted. */
  runInPod(...command: string[]): string {
    try {
      return inNetns(this.podNetns, command);
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    }
  }

  spawn(...command: string[]): Agent {
    return spawnIn(this.netns, command);
  }

  spawnInPod(...command: string[]): Agent {
    return spawnIn(this.podNetns, command);
  }

  async startHost(): Promise<void> {
    this.host = this.spawn(process.execPath, '--expose-gc', join(here, 'loop-host.mjs'));
    await this.host.line();
  }

  /** Starts the loop and gives the TUN what the backend's reconciler would. */
  async start(options: object = {}): Promise<{ name: string; on: boolean; reason?: string }[]> {
    const features = await this.host.ask({
      command: 'start',
      options: { ...this.options, ...options },
      routes: this.routes,
    });
    this.equipTun();
    return features;
  }

  equipTun(): void {
    this.run('ip', 'addr', 'replace', `10.5.${this.number}.0/32`, 'dev', 'flannel0');
    this.run('ip', 'link', 'set', 'flannel0', 'up');
    this.run('ip', 'route', 'replace', `10.5.${this.peer}.0/24`, 'dev', 'flannel0', 'src', `10.5.${this.number}.0`);
    this.run('ip', '-6', 'route', 'replace', `fd00:5:${this.peer}::/64`, 'dev', 'flannel0');
  }

  /** True when so many bytes arrived in the other pod as they were sent. */
  send(to: string, bytes: number): Promise<boolean> {
    return this.pod.ask({ to, bytes });
  }
}

export interface Lab {
  readonly a: Site;
  readonly b: Site;
  close(): Promise<void>;
}

function inNetns(netns: string, command: readonly string[]): string {
  return execFileSync('ip', ['netns', 'exec', netns, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

function spawnIn(netns: string, command: readonly string[]): Agent {
  return new Agent(spawn('ip', ['netns', 'exec', netns, ...command], { stdio: 'pipe' }));
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' });
}

function buildSite(site: Site): void {
  const { netns, podNetns, number } = site;
  ip('-n', netns, 'addr', 'add', `${site.underlay}/24`, 'dev', 'eth0');
  ip('-n', netns, 'link', 'set', 'eth0', 'up');
  ip(
    '-n',
    netns,
    'link',
    'add',
    'pod0',
    'mtu',
    '1472',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'mtu',
    '1472',
    'netns',
    podNetns,
  );
  for (const [place, device, host] of [
    [netns, 'pod0', 1],
    [podNetns, 'eth0', 2],
  ] as const) {
    ip('-n', place, 'addr', 'add', `10.5.${number}.${host}/24`, 'dev', device);
    ip('-n', place, 'addr', 'add', `fd00:5:${number}::${host}/64`, 'dev', device, 'nodad');
    ip('-n', place, 'link', 'set', device, 'up');
  }
  ip('-n', podNetns, 'route', 'add', 'default', 'via', `10.5.${number}.1`);
  ip('-n', podNetns, 'route', 'add', 'default', 'via', `fd00:5:${number}::1`);
  site.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
}

/** Builds the lab and starts all programs, but no loop. */
export async function createLab(): Promise<Lab> {
  const name = `udp${process.pid}x${labs++}`;
  const names = ['a', 'pa', 'b', 'pb'].map((part) => `${name}${part}`) as [string, string, string, string];
  for (const netns of names) {
    ip('netns', 'add', netns);
    ip('-n', netns, 'link', 'set', 'lo', 'up');
  }
  const [a, b] = [new Site(1, names[0], names[1]), new Site(2, names[2], names[3])];
  ip('link', 'add', 'eth0', 'netns', a.netns, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b.netns);
  for (const site of [a, b]) {
    buildSite(site);
    await site.startHost();
    site.pod = site.spawnInPod(process.execPath, join(here, 'pod.mjs'));
    await site.pod.line();
  }
  return {
    a,
    b,
    close: async () => {
      for (const site of [a, b]) await Promise.all([site.host.kill(), site.pod.kill()]);
      for (const netns of names) ip('netns', 'delete', netns);
    },
  };
}
