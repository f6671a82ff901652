import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { runCommand, type CommandResult } from '../command';
import { LabError } from '../lab-error';
import { repositoryRoot } from '../programs';
import { copyOf, cpioArchive } from './cpio';
import type { GuestKernel } from './guest-kernel';
import {
  COMMAND_FILE,
  commandScript,
  EXCHANGE_TAG,
  initScript,
  MEMORY,
  OUTPUT_FILES,
  ROOT_TAG,
  STATUS_FILE,
} from './init-script';
import { loadOrder } from './kernel-modules';

/*
 * Runs a command on another kernel. qemu boots it with an archive in memory that holds busybox, the modules and an init script, and nothing
 * else; always by emulation, since a machine's /dev/kvm may be there and no guest get anywhere with it, and so that all run the same. The command finds the host's files, read-only, over 9p: the checkout, Node and every
 * tool are where they are on the host. /tmp, /run, /proc, /sys, /dev and the network are the guest's own; it is root there, whoever runs
 * the test, and has no way to any network. Its output and its exit status come back as files in a folder that both can write.
 *
 * Emulation is some fifty times slower than the machine, and each file that is opened over 9p waits for the host's scheduler, too: do several
 * checks in one boot, start Node seldom, and name the folders that it loads many files from as `inMemory`.
 */

/** What it takes to reach the host's files. */
const TRANSPORT = ['virtio_pci', '9pnet_virtio', '9p'];
/** One without AVX, which Node and libc use where it is there, and which emulation is slow with; with RDRAND, so that random numbers do not wait. */
const CPU = 'Nehalem,+rdrand';

export interface GuestOptions {
  readonly kernel: GuestKernel;
  /** Run in the guest as root, by the same path as on the host. */
  readonly command: readonly string[];
  /** Modules to load first, as `modprobe` names them; what they depend on comes by itself. */
  readonly modules?: readonly string[];
  /** Files and folders whose contents as of now are in the guest's memory, at the same path, instead of being read over 9p. */
  readonly inMemory?: readonly string[];
  /** All the environment there is, beside PATH, HOME and LC_ALL. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the checkout. */
  readonly cwd?: string;
  /** From the start of qemu; the guest is killed then. Default two minutes. */
  readonly timeoutMs?: number;
  /** Default 1024. */
  readonly memoryMiB?: number;
}

/**
 * Resolves with what the command wrote and with its exit status, 128 + the signal's number if it was killed by one. Rejects with a LabError,
 * which shows the console, when the guest does not get as far, or not in time. The guest dies with this process.
 */
export async function runInGuest(options: GuestOptions): Promise<CommandResult> {
  const exchange = mkdtempSync(join(tmpdir(), 'guest-'));
  try {
    writeFileSync(join(exchange, COMMAND_FILE), commandOf(options));
    const archive = join(exchange, 'initramfs');
    writeFileSync(archive, archiveFor(options));
    const console = await boot(options, archive, exchange);
    return resultIn(exchange) ?? refuse(options, 'ended before its command', console);
  } finally {
    rmSync(exchange, { recursive: true, force: true });
  }
}

function commandOf({ command, cwd = repositoryRoot, env }: GuestOptions): string {
  const path = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(delimiter);
  return commandScript({ argv: command, cwd, env: { PATH: path, HOME: '/tmp', LC_ALL: 'C.UTF-8', ...env } });
}

function archiveFor({ kernel, modules = [], inMemory = [], cwd = repositoryRoot }: GuestOptions): Buffer {
  const list = (name: string): string => readFileSync(join(kernel.modules, name), 'utf8');
  const files = loadOrder({ dependencies: list('modules.dep'), builtin: list('modules.builtin') }, [
    ...TRANSPORT,
    ...modules,
  ]);
  const packed = files.map((file) => ({ from: file, path: file.replaceAll('/', '+') }));
  const visible = [repositoryRoot, dirname(dirname(realpathSync(process.execPath))), cwd];
  const init = initScript({ modules: packed.map(({ path }) => path), visible, inMemory });
  return cpioArchive([
    ...['bin', 'dev', 'proc', 'host', 'again', 'exchange', MEMORY].map((path) => ({ path })),
    ...inMemory.flatMap((path) => copyOf(path, MEMORY)),
    { path: 'bin/busybox', content: readFileSync(programOf('busybox')), permissions: 0o755 },
    { path: 'init', content: Buffer.from(init), permissions: 0o755 },
    ...packed.map(({ from, path }) => ({ path, content: readFileSync(join(kernel.modules, from)) })),
  ]);
}

async function boot(options: GuestOptions, archive: string, exchange: string): Promise<string> {
  const { timeoutMs = 120_000 } = options;
  const argv = ['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(options, archive, exchange)];
  try {
    const { stdout, stderr } = await runCommand(argv, { timeoutMs, allowFailure: true });
    return stderr + stdout;
  } catch (error) {
    const seen = Object.values(OUTPUT_FILES).map((name) => readIfThere(join(exchange, name)) ?? '');
    return refuse(
      options,
      `did not end within ${timeoutMs} ms`,
      `${seen.join('')}\n${(error as Error).message}`,
      error,
    );
  }
}

function qemuArguments({ kernel, memoryMiB = 1024 }: GuestOptions, archive: string, exchange: string): string[] {
  const share = (path: string, tag: string, more: string): string[] => [
    '-virtfs',
    // A comma in a value is written twice (qemu(1)).
    `local,path=${path.replaceAll(',', ',,')},mount_tag=${tag},security_model=none,multidevs=remap${more}`,
  ];
  return [
    ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', CPU],
    ...['-m', String(memoryMiB), '-smp', String(Math.min(2, cpus().length))],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', kernel.image, '-initrd', archive],
    ...['-append', 'console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on'],
    ...share('/', ROOT_TAG, ',readonly=on'),
    ...share(exchange, EXCHANGE_TAG, ''),
  ];
}

function resultIn(exchange: string): CommandResult | undefined {
  const status = readIfThere(join(exchange, STATUS_FILE))?.trim();
  if (status === undefined || status === '') return undefined;
  const output = (name: string): string => readIfThere(join(exchange, name)) ?? '';
  return { stdout: output(OUTPUT_FILES.stdout), stderr: output(OUTPUT_FILES.stderr), exitCode: Number(status) };
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function refuse({ kernel, command }: GuestOptions, what: string, console: string, cause?: unknown): never {
  const shown = console.trim().slice(-4000);
  throw new LabError(`the guest with Linux ${kernel.release} for ${command.join(' ')} ${what}:\n${shown}`, { cause });
}

function programOf(name: string): string {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  return found.find((path) => readIfThere(path) !== undefined) ?? name;
}
