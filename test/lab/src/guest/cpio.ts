import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/*
 * The archive that the kernel unpacks into its first file system: Linux, Documentation/driver-api/early-userspace/buffer-format.rst,
 * "newc". Each entry is a header of 110 ASCII characters, the name and the content, the last two padded to four bytes:
 *
 *   070701 inode mode uid gid links mtime bytes  major minor rmajor rminor  nameBytes check    eight hexadecimal digits each
 */

export interface ArchiveEntry {
  /** From the root, without a leading slash. Folders come before what is in them. */
  readonly path: string;
  /** None: a folder. */
  readonly content?: Uint8Array;
  /** Of files; default 0o644. */
  readonly permissions?: number;
}

const FOLDER = 0o040755;
const FILE = 0o100000;
const TRAILER: ArchiveEntry = { path: 'TRAILER!!!', content: new Uint8Array(0), permissions: 0 };

export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  return Buffer.concat([...entries, TRAILER].flatMap((entry, index) => encode(entry, index + 1)));
}

/** A file or a folder with all that is in it, and the folders above, below `root` of the archive. Links become what they lead to. */
export function copyOf(path: string, root: string): ArchiveEntry[] {
  return [...foldersAbove(path), ...contentsOf(path)].map((entry) => ({ ...entry, path: join(root, entry.path) }));
}

function foldersAbove(path: string): ArchiveEntry[] {
  const above = dirname(path);
  return above === '/' ? [] : [...foldersAbove(above), { path: above }];
}

function contentsOf(path: string): ArchiveEntry[] {
  const status = statSync(path);
  if (!status.isDirectory()) return [{ path, content: readFileSync(path), permissions: status.mode & 0o777 }];
  return [{ path }, ...readdirSync(path).flatMap((name) => contentsOf(join(path, name)))];
}

function encode({ path, content, permissions = 0o644 }: ArchiveEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const mode = content === undefined ? FOLDER : FILE | permissions;
  const body = Buffer.from(content ?? []);
  const fields = [inode, mode, 0, 0, 1, 0, body.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), body, padding(body.length)];
}

function padding(bytes: number): Buffer {
  return Buffer.alloc(-bytes & 3);
}
