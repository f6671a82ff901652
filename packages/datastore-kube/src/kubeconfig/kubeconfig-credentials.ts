import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '@tartan/core';
import type { Access, Credentials } from '../api/credentials';

const run = promisify(execFile);
/** Exec plug-ins may ask a cloud. */
const READ_LIMIT_MS = 30_000;
/** Certificates of kubelets are replaced under an unchanged kubeconfig, long before they run out. */
const READ_AGAIN_MS = 30 * 60_000;

export interface KubeconfigCredentialsOptions {
  readonly path: string;
  /** Instead of the server in the file. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  /** The compiled read-kubeconfig; beside this file unless given. */
  readonly program?: string;
}

interface Read {
  readonly server: string;
  readonly access: Access;
  readonly stamp: string;
  readonly readAt: number;
}

/** Everything that a kubeconfig file can say. */
export class KubeconfigCredentials implements Credentials {
  private current: Read | null = null;
  private reading: Promise<Read> | null = null;
  private stale = false;

  constructor(private readonly options: KubeconfigCredentialsOptions) {}

  async servers(): Promise<readonly string[]> {
    const { servers } = this.options;
    return servers.length > 0 ? servers : [(await this.read()).server];
  }

  async access(): Promise<Access> {
    return (await this.read()).access;
  }

  refused(): void {
    this.stale = true;
  }

  private async read(): Promise<Read> {
    const { current, options } = this;
    const stamp = await stampOf(options.path);
    const fresh = current?.stamp === stamp && options.clock.monotonic() - current.readAt < READ_AGAIN_MS;
    if (current && fresh && !this.stale) return current;
    this.reading ??= this.start(stamp).finally(() => (this.reading = null));
    return this.reading;
  }

  private async start(stamp: string): Promise<Read> {
    const { path, clock, program = join(__dirname, 'read-kubeconfig.js') } = this.options;
    this.stale = false;
    try {
      const { stdout } = await run(process.execPath, [program, path], { timeout: READ_LIMIT_MS, maxBuffer: 4 << 20 });
      const { server, headers, tls } = JSON.parse(stdout) as { server: string } & Access;
      const before = this.current?.access;
      const same = before && JSON.stringify(before.tls) === JSON.stringify(tls);
      const access = { headers, tls: same ? before.tls : tls };
      this.current = { server: server.replace(/\/+$/, ''), access, stamp, readAt: clock.monotonic() };
      return this.current;
    } catch (error) {
      const { stderr = '', message } = error as Error & { stderr?: string };
      const reason = stderr === '' ? message : stderr;
      throw new Error(`${path} cannot be used: ${reason}`, { cause: error });
    }
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
