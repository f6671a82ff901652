import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where temporary files and the lock live: inside the directory, so that renaming stays within one file system. */
export const PRIVATE_FOLDER = '.tartan';

/** Writes `data` durably under a name of its own in the private folder of `directory`. */
export async function writeTemporary(directory: string, data: string): Promise<string> {
  const folder = join(directory, PRIVATE_FOLDER);
  await mkdir(folder, { recursive: false }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
  const path = join(folder, `new-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx', 0o644);
  try {
    await file.writeFile(data);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  return path;
}

/** Puts `data` at `path` in one step, replacing what is there. */
export async function replaceFile(directory: string, path: string, data: string): Promise<void> {
  const temporary = await writeTemporary(directory, data);
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Puts `data` at `path` in one step, only if nothing is there. False when something is. link(2) is atomic on every host of a
 * shared file system; where NFS loses the answer, the number of links tells whether it was carried out.
 */
export async function createFile(directory: string, path: string, data: string): Promise<boolean> {
  const temporary = await writeTemporary(directory, data);
  try {
    await link(temporary, path);
  } catch (error) {
    const carriedOut = (await stat(temporary)).nlink === 2;
    if (!carriedOut && hasCode(error, 'EEXIST')) return false;
    if (!carriedOut) throw error;
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Makes names durable; some network file systems cannot, and need not. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
  } finally {
    await directory.close();
  }
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as { code?: unknown } | null)?.code));
}
