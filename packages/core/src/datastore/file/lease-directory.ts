/**
 * A directory of leases, one file per node, usually on a file system that all nodes mount.
 *
 *   config.json                 the network config
 *   10.5.1.0-24.json            a lease (see entry-file)
 *   .tartan/                    lock and temporary files
 *
 * Entries appear and change by link(2) and rename(2), so a reader sees whole files only. What cannot be read or does not parse is
 * reported and never counts as absent. An absent directory is an error; so is one whose config vanished while we looked on, because
 * that is what an unmounted share looks like: an empty mount point.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../runtime';
import { parseLeaseKey } from '../codec';
import { entryIdentity, readEntryFile } from './entry-file';
import { hasCode } from './exclusive-file';
import type { Scan, ScannedEntry, ScanSource } from './scan';
import { SettledCache } from './settled-cache';

const SUFFIX = '.json';
const CONFIG = 'config.json';
/** A directory that changes while it is read is read again, but not for ever. */
const RESCANS = 4;

export interface LeaseDirectoryOptions {
  readonly path: string;
  /** How long after its end a lease still counts, milliseconds: hosts' clocks differ. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** An entry with the time after which nobody heeds it any more; null for never. */
interface Timed {
  readonly entry: ScannedEntry;
  readonly deadAt: number | null;
}

export class LeaseDirectory implements ScanSource {
  private readonly entries: SettledCache<Timed>;
  private readonly configs: SettledCache<string>;
  private config: string | null = null;
  private doubtfulConfig: string | null = null;

  constructor(private readonly options: LeaseDirectoryOptions) {
    this.entries = new SettledCache(options.clock);
    this.configs = new SettledCache(options.clock);
  }

  get path(): string {
    return this.options.path;
  }

  /** The file of a key. */
  fileOf(key: string): string {
    return join(this.path, `${key}${SUFFIX}`);
  }

  async scan(): Promise<Scan> {
    for (let scans = 1; ; scans++) {
      const before = await stat(this.path, { bigint: true });
      const scan = await this.scanOnce();
      const after = await stat(this.path, { bigint: true });
      if (before.mtimeNs === after.mtimeNs || scans >= RESCANS) return scan;
    }
  }

  /** True when nothing live or unreadable has this key. */
  isDead(timed: { readonly deadAt: number | null }): boolean {
    return timed.deadAt !== null && timed.deadAt <= this.options.clock.now();
  }

  deadAt(expiresAt: number | null): number | null {
    return expiresAt === null ? null : expiresAt + this.options.graceMs;
  }

  private async scanOnce(): Promise<Scan> {
    const names = (await readdir(this.path)).filter((name) => name.endsWith(SUFFIX) && !name.startsWith('.'));
    const config = await this.readConfig(names.includes(CONFIG));
    const entries = new Map<string, ScannedEntry>();
    const paths = new Set<string>();
    for (const name of names) {
      if (name === CONFIG) continue;
      const path = join(this.path, name);
      paths.add(path);
      const timed = await this.readTimed(path, name.slice(0, -SUFFIX.length));
      if (timed && !this.isDead(timed)) entries.set(name.slice(0, -SUFFIX.length), timed.entry);
    }
    this.entries.retain(paths);
    return { config, entries };
  }

  private async readTimed(path: string, key: string): Promise<Timed | null> {
    try {
      const stats = await stat(path, { bigint: true });
      return await this.entries.get(path, stats, async () => this.parse(key, await readFile(path, 'utf8')));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      const reason = `cannot be read: ${(error as Error).message}`;
      return { entry: { kind: 'skipped', identity: reason, reason }, deadAt: null };
    }
  }

  private parse(key: string, text: string): Timed {
    const skipped = (reason: string): Timed => ({ entry: { kind: 'skipped', identity: text, reason }, deadAt: null });
    const subnets = parseLeaseKey(key);
    if (!subnets.ok) return skipped(subnets.reason);
    const entry = readEntryFile(text);
    if (!entry.ok) return skipped(entry.reason);
    const { attrs, created, expiresAt } = entry.value;
    const lease: ScannedEntry = {
      kind: 'lease',
      identity: entryIdentity(entry.value),
      ...subnets.value,
      attrs,
      createRevision: BigInt(created),
      reservation: expiresAt === null,
    };
    return { entry: lease, deadAt: this.deadAt(expiresAt) };
  }

  /** A config that does not parse may be half written: it counts once two scans in a row saw the same. */
  private async readConfig(present: boolean): Promise<string | null> {
    const path = join(this.path, CONFIG);
    if (!present) {
      if (this.config === null) return null;
      throw new Error(`${CONFIG} is gone: is the file system mounted?`);
    }
    const text = await this.configs.get(path, await stat(path, { bigint: true }), () => readFile(path, 'utf8'));
    const settled = isJson(text) || this.doubtfulConfig === text;
    this.doubtfulConfig = text;
    if (settled) this.config = text;
    return this.config;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
