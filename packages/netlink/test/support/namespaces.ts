import type { Socket } from 'node:net';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';

/** A network namespace that lives as long as a process that does nothing in it. */
export interface TestNamespace {
  /** For createRtNetlink({ netns }). */
  readonly pid: number;
  /** Runs a program inside and returns its output; throws when it fails. */
  run(program: string, ...args: string[]): string;
  close(): Promise<void>;
}

/** A namespace with nothing but lo in it. */
export async function createNamespace(): Promise<TestNamespace> {
  // `cat` ends with its standard input, so that even a killed test run leaves no process behind.
  const holder = spawn('unshare', ['--net', '--mount', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
  // A test that failed before close() must not keep the runner waiting.
  holder.unref();
  (holder.stdin as Socket | null)?.unref();
  const pid = await entered(holder);
  return {
    pid,
    run: (program, ...args) =>
      execFileSync('nsenter', ['-t', String(pid), '-n', '-m', program, ...args], { encoding: 'utf8', stdio: 'pipe' }),
    close: () => ended(holder),
  };
}

/** Resolves when unshare has become cat, which it does only inside of the new namespaces. */
async function entered(holder: ChildProcess): Promise<number> {
  const pid = holder.pid as number;
  const own = readlinkSync('/proc/self/ns/net');
  for (;;) {
    if (holder.exitCode !== null) throw new Error('unshare --net failed: this test needs root or a user namespace');
    const link = `/proc/${pid}/ns/net`;
    if (existsSync(link) && readlinkSync(link) !== own && readlinkSync(`/proc/${pid}/exe`).endsWith('cat')) return pid;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function ended(holder: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (holder.exitCode !== null) resolve();
    holder.once('exit', () => resolve());
    holder.stdin?.end();
  });
}
