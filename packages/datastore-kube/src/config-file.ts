import { stat, readFile } from 'node:fs/promises';
import { TartanError, type Clock, type ConfigRecord } from '@tartan/core';
import { unavailable } from './api/failure';

/*
 * The network config as a file: a ConfigMap, mounted. The kubelet replaces a mounted ConfigMap by renaming a symbolic link, so what
 * counts is what the path leads to now; it is looked at every few seconds, which also serves a file that somebody edits.
 */
export class ConfigFile {
  private last: { readonly record: ConfigRecord; readonly stamp: string } | null = null;
  private revision: bigint;

  constructor(
    readonly path: string,
    private readonly clock: Clock,
    private readonly pollIntervalMs: number,
  ) {
    this.revision = BigInt(Math.floor(clock.now() * 1000));
  }

  /** Rejects with DATASTORE_NOT_FOUND and DATASTORE_UNAVAILABLE. */
  async read(): Promise<ConfigRecord> {
    try {
      const { ino, mtimeMs, size } = await stat(this.path);
      const stamp = `${ino} ${mtimeMs} ${size}`;
      if (this.last?.stamp === stamp) return this.last.record;
      const text = (await readFile(this.path, 'utf8')).trimEnd();
      const record = this.last?.record.text === text ? this.last.record : { text, revision: ++this.revision };
      this.last = { record, stamp };
      return record;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') {
        throw new TartanError('DATASTORE_NOT_FOUND', { datastore: 'kubernetes', key: this.path }, { cause: error });
      }
      throw unavailable(`read ${this.path}`, (error as Error).message, error);
    }
  }

  /** Yields the config when it is there and after each change; ends with the abort reason, or with what keeps it from being read. */
  async *watch(signal: AbortSignal): AsyncGenerator<ConfigRecord> {
    let told: ConfigRecord | null = null;
    for (;;) {
      signal.throwIfAborted();
      const record = await this.readIfThere();
      if (record && record !== told) {
        told = record;
        yield record;
      }
      await this.clock.sleep(this.pollIntervalMs, signal);
    }
  }

  private async readIfThere(): Promise<ConfigRecord | null> {
    try {
      return await this.read();
    } catch (error) {
      if (error instanceof TartanError && error.code === 'DATASTORE_NOT_FOUND') return null;
      throw error;
    }
  }
}
