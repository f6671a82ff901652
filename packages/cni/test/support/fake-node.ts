import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The original's own example (flannel-compat 9.3). */
export const subnetEnv = `FLANNEL_NETWORK=10.1.0.0/16
FLANNEL_SUBNET=10.1.17.1/24
FLANNEL_MTU=1472
FLANNEL_IPMASQ=true
`;

export const dualStackEnv = `FLANNEL_NETWORK=10.42.0.0/16
FLANNEL_SUBNET=10.42.3.1/24
FLANNEL_IPV6_NETWORK=2001:cafe:42::/56
FLANNEL_IPV6_SUBNET=2001:cafe:42:3::1/64
FLANNEL_MTU=1450
FLANNEL_IPMASQ=false
`;

/** Records every call and answers as `fake/COMMAND.answer` and `fake/COMMAND.code` say. */
const fakeDelegate = `#!/bin/sh
call="$CNI_COMMAND.$CNI_CONTAINERID.$CNI_IFNAME"
cat >"$FAKE/$call.stdin"
env >"$FAKE/$call.env"
echo "\${0##*/} $call" >>"$FAKE/calls"
[ ! -f "$FAKE/$CNI_COMMAND.stderr" ] || cat "$FAKE/$CNI_COMMAND.stderr" >&2
[ ! -f "$FAKE/$CNI_COMMAND.answer" ] || cat "$FAKE/$CNI_COMMAND.answer"
[ ! -f "$FAKE/$CNI_COMMAND.code" ] || exit "$(cat "$FAKE/$CNI_COMMAND.code")"
`;

export const someResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', sandbox: '/run/netns/x' }],
  ips: [{ address: '10.1.17.2/24', gateway: '10.1.17.1', interface: 0 }],
};

export interface Call {
  readonly command: string;
  /** `c1` and `eth0` unless told; null for a variable that is not set. */
  readonly containerId?: string | null;
  readonly ifname?: string | null;
  readonly netns?: string | null;
  readonly path?: string | null;
  /** Text, or members that are added to the usual config. */
  readonly config?: string | Record<string, unknown>;
  readonly env?: Record<string, string>;
}

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node without a kernel: folders, a subnet.env, and delegates that only write down what they are asked. */
export class FakeNode {
  readonly root = mkdtempSync(join(tmpdir(), 'tartan-cni-'));
  readonly bin = join(this.root, 'bin');
  readonly dataDir = join(this.root, 'var', 'flannel');
  readonly subnetFile = join(this.root, 'run', 'subnet.env');
  private readonly fake = join(this.root, 'fake');

  constructor(private readonly program: string) {
    for (const directory of [this.bin, this.fake, join(this.root, 'run')]) mkdirSync(directory);
    this.addDelegate('bridge');
    this.answer('ADD', JSON.stringify(someResult));
    this.writeSubnetEnv(subnetEnv);
  }

  addDelegate(type: string, script = fakeDelegate): void {
    writeFileSync(join(this.bin, type), script);
    chmodSync(join(this.bin, type), 0o755);
  }

  writeSubnetEnv(text: string | null): void {
    if (text === null) rmSync(this.subnetFile, { force: true });
    else writeFileSync(this.subnetFile, text);
  }

  writeStatus(status: object | string): void {
    writeFileSync(`${this.subnetFile}.status`, typeof status === 'string' ? status : JSON.stringify(status));
  }

  /** What delegates say from now on, and how they end. */
  answer(command: string, text: string, exitCode = 0): void {
    writeFileSync(join(this.fake, `${command}.answer`), text);
    writeFileSync(join(this.fake, `${command}.code`), String(exitCode));
  }

  complain(command: string, text: string): void {
    writeFileSync(join(this.fake, `${command}.stderr`), text);
  }

  /** `bridge ADD.c1.eth0`, in the order of the calls since the last look. */
  calls(): string[] {
    const path = join(this.fake, 'calls');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    rmSync(path);
    return lines;
  }

  /** What a delegate read on standard input; `call` as `ADD.c1.eth0`. */
  asked(call: string): Record<string, unknown> {
    return JSON.parse(readFileSync(join(this.fake, `${call}.stdin`), 'utf8')) as Record<string, unknown>;
  }

  environmentOf(call: string): string[] {
    return readFileSync(join(this.fake, `${call}.env`), 'utf8').split('\n');
  }

  config(members: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      cniVersion: '1.0.0',
      name: 'cni-flannel',
      type: 'flannel',
      subnetFile: this.subnetFile,
      dataDir: this.dataDir,
      ...members,
    };
  }

  async call({ command, config = {}, env = {}, ...given }: Call): Promise<Outcome> {
    const variables = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: given.containerId === undefined ? 'c1' : given.containerId,
      CNI_IFNAME: given.ifname === undefined ? 'eth0' : given.ifname,
      CNI_NETNS: given.netns === undefined ? '/run/netns/x' : given.netns,
      CNI_PATH: given.path === undefined ? `${join(this.root, 'nowhere')}:${this.bin}` : given.path,
      CNI_ARGS: 'IgnoreUnknown=1',
    };
    const set = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== null)) as Record<
      string,
      string
    >;
    const input = typeof config === 'string' ? config : JSON.stringify(this.config(config));
    return run(this.program, [], { ...set, FAKE: this.fake, PATH: process.env['PATH'] ?? '', ...env }, input);
  }

  /** Names in the data directory; temporary files too. */
  state(): string[] {
    return existsSync(this.dataDir) ? readdirSync(this.dataDir).sort() : [];
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  input: string | Buffer,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A program that does not read its input is no failure of the test.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** The error object that a failed call printed: the specification's members and no others. */
export function errorOf(outcome: Outcome): { cniVersion: string; code: number; msg: string; details?: string } {
  expect(outcome).toMatchObject({ exitCode: 1, stderr: '' });
  const error = JSON.parse(outcome.stdout) as { cniVersion: string; code: number; msg: string; details?: string };
  expect(Object.keys(error).filter((key) => !['cniVersion', 'code', 'msg', 'details'].includes(key))).toEqual([]);
  expect(error.msg).not.toBe('');
  return error;
}

export const success: Outcome = { exitCode: 0, stdout: '', stderr: '' };
