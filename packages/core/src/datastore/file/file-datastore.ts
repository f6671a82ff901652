import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TartanError } from '../../errors';
import { silentLogger, systemClock, type Clock, type Logger } from '../../runtime';
import type { Datastore } from '../datastore';
import { DirectoryDatastore } from './directory-datastore';
import { DirectoryLock } from './directory-lock';
import { FileView } from './file-view';
import { LeaseDirectory } from './lease-directory';
import { NodesDatastore } from './nodes-datastore';
import { NodesFile } from './nodes-file';

const DEFAULT_POLL_INTERVAL_MS = 2_000;
const DEFAULT_PROGRESS_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_GRACE_MS = 60_000;

export interface FileDatastoreOptions {
  /**
   * A nodes file, or a directory of entries. What is not there yet is taken for a nodes file when it ends in `.json`, else for a
   * directory that will be mounted.
   */
  readonly path: string;
  /** How often changes are looked for that the kernel does not announce, milliseconds; 2000 unless given. */
  readonly pollIntervalMs?: number;
  /** Pause between the signs of life that an idle watch yields, milliseconds; 60 s unless given. */
  readonly progressIntervalMs?: number;
  /** Limit of one call, milliseconds; 5000 unless given. */
  readonly timeoutMs?: number;
  /** How long after its end a lease in a directory still counts, milliseconds; 60 s unless given. */
  readonly graceMs?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Throws DATASTORE_OPTION_INVALID for an empty path. Nothing is opened before the first call. */
export function createFileDatastore(options: FileDatastoreOptions): Datastore {
  const { clock = systemClock, logger = silentLogger, graceMs = DEFAULT_GRACE_MS } = options;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, pollIntervalMs = DEFAULT_POLL_INTERVAL_MS } = options;
  const { progressIntervalMs = DEFAULT_PROGRESS_INTERVAL_MS } = options;
  if (options.path === '') {
    const expected = 'the path of a nodes file or of a directory';
    throw new TartanError('DATASTORE_OPTION_INVALID', { option: 'datastore path', value: 'empty', expected });
  }
  const path = resolve(options.path);
  const common = { pollIntervalMs, progressIntervalMs, timeoutMs, clock, logger };
  if (!isDirectory(options.path)) {
    const source = new NodesFile(path, clock);
    return new NodesDatastore(path, new FileView({ ...common, source, isDirectory: false }));
  }
  const directory = new LeaseDirectory({ path, graceMs, clock });
  const view = new FileView({ ...common, source: directory, isDirectory: true });
  const lock = new DirectoryLock({ directory: path, clock, logger });
  return new DirectoryDatastore({ directory, lock, view, clock, timeoutMs });
}

function isDirectory(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? stats.isDirectory() : !path.endsWith('.json');
}
