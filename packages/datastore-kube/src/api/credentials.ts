import { readFile, stat } from 'node:fs/promises';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '@tartan/core';

/** What one call needs beside its path. */
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  /** For https: CA, client certificate. The same object as long as nothing changed. */
  readonly tls: SecureContextOptions & { readonly rejectUnauthorized?: boolean; readonly servername?: string };
}

/** Where tokens and certificates come from. Everything may change while we run: tokens live an hour, certificates a year. */
export interface Credentials {
  /** URLs without trailing slash, in order of preference. */
  servers(): Promise<readonly string[]>;
  access(): Promise<Access>;
  /** The server refused what access() gave: read anew before the next call. */
  refused(): void;
}

export interface FileCredentialsOptions {
  readonly servers: readonly string[];
  readonly tokenFile: string | null;
  readonly caFile: string | null;
  readonly clock: Clock;
}

/** kubelet replaces a token at four fifths of its life and keeps the old one valid meanwhile; client-go looks as often. */
const LOOK_AGAIN_MS = 60_000;

/** Bearer token and CA from files, as a pod has them. Files that are missing are left out: the server then says what it wants. */
export class FileCredentials implements Credentials {
  private current: { readonly access: Access; readonly stamp: string; readonly readAt: number } | null = null;
  private stale = false;

  constructor(private readonly options: FileCredentialsOptions) {}

  servers(): Promise<readonly string[]> {
    return Promise.resolve(this.options.servers);
  }

  async access(): Promise<Access> {
    const now = this.options.clock.monotonic();
    const { current } = this;
    if (current && !this.stale && now - current.readAt < LOOK_AGAIN_MS) return current.access;
    const stamp = await this.stamp();
    this.stale = false;
    const access = current?.stamp === stamp ? current.access : await this.read(current?.access);
    this.current = { access, stamp, readAt: now };
    return access;
  }

  refused(): void {
    this.stale = true;
  }

  private async stamp(): Promise<string> {
    const { tokenFile, caFile } = this.options;
    return (await Promise.all([stampOf(tokenFile), stampOf(caFile)])).join(' ');
  }

  private async read(before: Access | undefined): Promise<Access> {
    const { tokenFile, caFile } = this.options;
    const [token, ca] = await Promise.all([readIfThere(tokenFile), readIfThere(caFile)]);
    const headers = token ? { authorization: `Bearer ${token.trim()}` } : {};
    // Sockets are kept per set of TLS options: a new token alone must not close them.
    const tls = before && (before.tls.ca ?? null) === (ca ?? null) ? before.tls : ca ? { ca } : {};
    return { headers, tls };
  }
}

async function stampOf(path: string | null): Promise<string> {
  if (path === null) return '';
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return 'none';
  }
}

async function readIfThere(path: string | null): Promise<string | null> {
  if (path === null) return null;
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}
