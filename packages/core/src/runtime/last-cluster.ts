import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lease } from '../lease';
import { errnoNameOf, writeFileAtomic } from './atomic-file';
import { fingerprint, type LastLeaseKey } from './last-lease';
import { decodeLease, number, object, optional, string } from './last-lease-codec';
import type { Logger } from './logger';

/*
 * What the datastore said last: the network config and all peers. A host that boots while no datastore answers has nothing in its
 * kernel, and no other place to learn from where its pods' peers are. It is a memory, never an authority: what is programmed from it
 * is only added, and the first complete list decides what goes.
 */

export interface LastCluster {
  /** The config as its text was; null when it was never read. */
  readonly config: string | null;
  readonly peers: readonly Lease[];
}

export interface LastClusterStoreOptions {
  /** Usually /var/lib/tartan; made when missing. */
  readonly directory: string;
  readonly key: LastLeaseKey;
  /** OwnerIdentity.machine of this host: what a cloned disk brings along is another host's. */
  readonly machine: string | undefined;
  readonly logger: Logger;
}

/** Raised when an older build could misread the file. */
const VERSION = 1;
/** Ten times as many peers as a large cluster has. */
const MAX_PEERS = 50_000;
/** More than that many can take with both families and an owner, some 500 bytes each; what is larger is not ours. */
const MAX_BYTES = 64 * 2 ** 20;

/** One daemon's memory of its cluster. */
export class LastClusterStore {
  readonly path: string;

  constructor(private readonly options: LastClusterStoreOptions) {
    this.path = join(options.directory, `cluster-${fingerprint(options.key)}.json`);
  }

  /** null when there is none or when it cannot be used (then one line in the log). Never rejects. */
  async read(): Promise<LastCluster | null> {
    try {
      if ((await stat(this.path)).size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`);
      return this.decode(await readFile(this.path, 'utf8'));
    } catch (error) {
      const reason = errnoNameOf(error);
      if (reason !== 'ENOENT') {
        const fields = { path: this.path, reason: reason === 'EIO' ? String(error) : reason };
        this.options.logger.warn('remembered peers cannot be used, going on without them', fields);
      }
      return null;
    }
  }

  /** Durable once resolved. Rejects with FILE_WRITE_FAILED. Calls must not overlap. Of too many peers the first are kept. */
  async write({ config, peers }: LastCluster): Promise<void> {
    const { key, machine = null } = this.options;
    const file = { version: VERSION, ...key, machine, config, peers: peers.slice(0, MAX_PEERS) };
    await writeFileAtomic({ path: this.path, data: `${JSON.stringify(file)}\n`, mode: 0o600, directoryMode: 0o755 });
  }

  private decode(text: string): LastCluster {
    const file = object(JSON.parse(text), 'file');
    const version = number(file['version'], 'version');
    if (version !== VERSION) throw new Error(`version ${version}, this build reads ${VERSION}`);
    const machine = optional(file['machine'], (value) => string(value, 'machine')) ?? undefined;
    if (machine !== this.options.machine) throw new Error('written by another host');
    const { peers } = file;
    if (!Array.isArray(peers)) throw new Error('peers is no list');
    return {
      config: optional(file['config'], (value) => string(value, 'config')),
      peers: peers.map((peer) => decodeLease(object(peer, 'peer'))),
    };
  }
}
