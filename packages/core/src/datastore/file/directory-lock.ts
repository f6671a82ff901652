/**
 * One writer at a time in a lease directory, over all hosts that share it: the file `.tartan/lock`, made exclusively.
 *
 * A holder that dies leaves it behind. It counts as dead when somebody has watched the same lock for STALE_MS of his own time (no
 * host's clock is compared with another's). It is taken away by renaming, which only one can do, and put back if it turns out to
 * be a newer one. A holder that was merely slow (stopped, or cut off from the server) finds out: before each write it
 * checks that it has held the lock for less than half of STALE_MS and that the lock is still its own.
 */
import { randomBytes } from 'node:crypto';
import { link, readFile, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BackOff, type Clock, type Logger } from '../../runtime';
import { createFile, hasCode, PRIVATE_FOLDER } from './exclusive-file';

const STALE_MS = 15_000;

export interface DirectoryLockOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Proof that the lock is held. */
export interface HeldLock {
  /** Rejects when the lock may not be ours any more; call it right before each write. */
  confirm(): Promise<void>;
}

export class DirectoryLock {
  private readonly path: string;
  private watched: { readonly token: string; readonly since: number } | null = null;

  constructor(private readonly options: DirectoryLockOptions) {
    this.path = join(options.directory, PRIVATE_FOLDER, 'lock');
  }

  /** Runs `task` with the lock. Waits for it as long as `mayWait` says so. */
  async run<Result>(mayWait: () => boolean, task: (lock: HeldLock) => Promise<Result>): Promise<Result> {
    const { clock } = this.options;
    const token = `${hostname()} ${process.pid} ${randomBytes(8).toString('hex')}`;
    await this.acquire(token, mayWait);
    const since = clock.monotonic();
    const confirm = async (): Promise<void> => {
      const lost = clock.monotonic() - since > STALE_MS / 2 || (await this.holder()) !== token;
      if (lost) throw new Error('the lock was held for too long and may be lost');
    };
    try {
      return await task({ confirm });
    } finally {
      if ((await this.holder().catch(() => null)) === token) await unlink(this.path).catch(() => undefined);
    }
  }

  private async acquire(token: string, mayWait: () => boolean): Promise<void> {
    const pauses = new BackOff({ initialMs: 5, maxMs: 200 });
    while (!(await createFile(this.options.directory, this.path, token))) {
      const holder = await this.holder();
      if (this.isStale(holder)) await this.breakLock(holder as string);
      else if (!mayWait()) throw new Error(`locked by ${holder ?? 'nobody any more'}`);
      else await this.options.clock.sleep(pauses.next());
    }
    this.watched = null;
  }

  private async holder(): Promise<string | null> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }
  }

  private isStale(token: string | null): boolean {
    const now = this.options.clock.monotonic();
    if (token === null || this.watched?.token !== token) {
      this.watched = token === null ? null : { token, since: now };
      return false;
    }
    return now - this.watched.since >= STALE_MS;
  }

  private async breakLock(stale: string): Promise<void> {
    const aside = `${this.path}-${randomBytes(8).toString('hex')}`;
    try {
      await rename(this.path, aside);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    if ((await readFile(aside, 'utf8')) === stale) {
      const [host, pid] = stale.split(' ');
      this.options.logger.warn('removed the lock that a dead process left behind', { host, pid });
    } else {
      await link(aside, this.path).catch(() => undefined);
    }
    await unlink(aside);
  }
}
