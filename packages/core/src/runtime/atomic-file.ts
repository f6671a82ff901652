import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { TartanError } from '../errors';

/*
 * Files that others read while we write them, and that must survive a power cut: a reader sees the old content or the new,
 * never half, and after the call the new one is on disk. Hence: temporary file in the same directory (rename(2) is atomic only
 * inside one file system), fsync of the file before the rename (else the name may reach the disk before the bytes do),
 * rename, fsync of the directory (the rename itself). The mode is set by fchmod, because the umask of a service is not known.
 */

export interface AtomicWriteOptions {
  readonly path: string;
  readonly data: string;
  /** For a file that is not there yet; an existing one keeps its own. 0644 unless told, whatever the umask. */
  readonly mode?: number;
  /** For directories that are missing; 0755 unless told, whatever the umask. */
  readonly directoryMode?: number;
}

/**
 * Puts `data` at `path`, durably and in one step. Content that is already there is not written again: 'unchanged'. Rejects
 * with FILE_WRITE_FAILED, leaving the old file as it was and nothing else behind. Calls for one path must not overlap.
 */
export async function writeFileAtomic(options: AtomicWriteOptions): Promise<'written' | 'unchanged'> {
  const { path, data, mode = 0o644, directoryMode = 0o755 } = options;
  if ((await readIfThere(path)) === data) return 'unchanged';
  const attempt = new Attempt(path);
  const directory = dirname(path);
  await attempt.step('mkdir', () => makeDirectory(directory, directoryMode));
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeDurably(attempt, temporary, data, (await modeOf(path)) ?? mode);
    await attempt.step('rename', () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await attempt.step('fsync of the directory', () => syncDirectory(directory));
  return 'written';
}

/** Names the step that failed. */
class Attempt {
  constructor(private readonly path: string) {}

  async step<Result>(operation: string, run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (cause) {
      throw new TartanError(
        'FILE_WRITE_FAILED',
        { path: this.path, operation, errnoName: errnoNameOf(cause) },
        { cause },
      );
    }
  }
}

async function writeDurably(attempt: Attempt, path: string, data: string, mode: number): Promise<void> {
  const file = await attempt.step('open', () => open(path, 'wx', mode));
  try {
    await attempt.step('write', () => file.writeFile(data));
    await attempt.step('chmod', () => file.chmod(mode));
    await attempt.step('fsync', () => file.sync());
  } finally {
    await file.close();
  }
}

/** Like `mkdir -p`, with the mode on every directory that was missing. */
async function makeDirectory(directory: string, mode: number): Promise<void> {
  const topmost = await mkdir(directory, { recursive: true, mode });
  if (topmost === undefined) return;
  const below = relative(topmost, directory).split(sep).filter(Boolean);
  const made = below.map((_, depth) => join(topmost, ...below.slice(0, depth + 1)));
  for (const path of [topmost, ...made]) await chmod(path, mode);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch {
    return undefined;
  }
}

/** The name of a system error (`ENOENT`), or EIO for anything that has none. */
export function errnoNameOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'EIO';
}
