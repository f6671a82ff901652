import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ipv4Prefix, Ipv6Prefix } from '../ip';
import type { Lease } from '../lease';
import { errnoNameOf, writeFileAtomic } from './atomic-file';
import { decodeLastLease, encodeLastLease, LAST_LEASE_VERSION } from './last-lease-codec';
import type { Logger } from './logger';
import type { SubnetEnv } from './subnet-env';

/*
 * The last good lease, kept on disk over restarts and reboots (/run is empty after a boot, the state directory is not). With it
 * subnet.env is back within milliseconds of a start, before any datastore has answered, and pods need not wait for it. It is a
 * memory, never an authority: the lease manager has the last word, and a lease that is out of date, or that was written by
 * another host (a cloned disk), must not be used; `isStillGood` tells.
 */

/** What is remembered. */
export interface LastLease {
  readonly lease: Lease;
  /** Networks of the config at that time; null for a family that was off. */
  readonly network: Ipv4Prefix | null;
  readonly ipv6Network: Ipv6Prefix | null;
  /** MTU for pods. */
  readonly mtuBytes: number;
  readonly ipMasq: boolean;
}

/** What tells two daemons on one host apart. */
export interface LastLeaseKey {
  readonly subnetFile: string;
  /** Datastore and prefix, without credentials: `etcd:/coreos.com/network`, `file:/srv/nodes.json`. */
  readonly datastore: string;
}

export interface LastLeaseStoreOptions {
  /** Usually /var/lib/tartan; made when missing. */
  readonly directory: string;
  readonly key: LastLeaseKey;
  readonly logger: Logger;
}

/** One daemon's memory of its lease. */
export class LastLeaseStore {
  readonly path: string;

  constructor(private readonly options: LastLeaseStoreOptions) {
    this.path = join(options.directory, `lease-${fingerprint(options.key)}.json`);
  }

  /** null when there is none or when it cannot be used (then one line in the log). Never rejects. */
  async read(): Promise<LastLease | null> {
    try {
      return this.decode(await readFile(this.path, 'utf8'));
    } catch (error) {
      const reason = errnoNameOf(error);
      if (reason !== 'ENOENT') this.ignore(reason === 'EIO' ? String(error) : reason);
      return null;
    }
  }

  /** Durable once resolved. Rejects with FILE_WRITE_FAILED. Calls must not overlap. */
  async write(last: LastLease): Promise<void> {
    const data = encodeLastLease(this.options.key, last);
    await writeFileAtomic({ path: this.path, data, mode: 0o600, directoryMode: 0o755 });
  }

  private decode(text: string): LastLease {
    const decoded = decodeLastLease(text);
    const { version, key } = decoded;
    if (version !== LAST_LEASE_VERSION) throw new Error(`version ${version}, this build reads ${LAST_LEASE_VERSION}`);
    if (fingerprint(key) !== fingerprint(this.options.key)) throw new Error('written for another daemon');
    return decoded.last();
  }

  private ignore(reason: string): void {
    this.options.logger.warn('remembered lease cannot be used, going on without it', { path: this.path, reason });
  }
}

/** The networks of a remembered lease, of both families as far as they were on. */
export function networksOfLease({ network, ipv6Network }: LastLease): (Ipv4Prefix | Ipv6Prefix)[] {
  return [network, ipv6Network].flatMap((prefix) => prefix ?? []);
}

/** Another daemon's memory on the same host. */
export interface OtherLastLease {
  readonly path: string;
  readonly key: LastLeaseKey;
  readonly last: LastLease;
}

/** What other daemons remember in the same directory; what cannot be read is left out. `own` is the asking daemon's file. Never rejects. */
export async function readOtherLastLeases(directory: string, own: string): Promise<OtherLastLease[]> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => /^lease-[0-9a-f]+\.json$/.test(name)).map((name) => join(directory, name));
  const read = await Promise.all(files.filter((file) => file !== own).map(readLastLease));
  return read.flatMap((found) => found ?? []);
}

async function readLastLease(path: string): Promise<OtherLastLease | null> {
  try {
    const decoded = decodeLastLease(await readFile(path, 'utf8'));
    return { path, key: decoded.key, last: decoded.last() };
  } catch {
    return null;
  }
}

export function fingerprint({ subnetFile, datastore }: LastLeaseKey): string {
  return createHash('sha256').update(`${subnetFile}\0${datastore}`).digest('hex').slice(0, 16);
}

export interface LeaseUser {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly machine: string | undefined;
  /** Where the subnet goes with the name of the node, as in Kubernetes. */
  readonly node?: string | undefined;
}

/**
 * True while nobody else can hold the subnet: the lease has not run out by this host's time, and it was this host's. Owners
 * are compared only where both are known.
 */
export function isStillGood({ lease }: LastLease, { now, machine, node }: LeaseUser): boolean {
  const { owner } = lease.attrs;
  const same = (ours: string | undefined, theirs: string | undefined): boolean =>
    ours === undefined || theirs === undefined || ours === theirs;
  if (!same(machine, owner?.machine) || !same(node, owner?.node)) return false;
  return lease.expiresAt === null ? lease.reservation : lease.expiresAt > now;
}

/** The subnet.env that belongs to a remembered (or present) lease. */
export function subnetEnvOf({ lease, network, ipv6Network, mtuBytes, ipMasq }: LastLease): SubnetEnv {
  return {
    network: lease.subnet && network,
    subnet: lease.subnet,
    ipv6Network: lease.ipv6Subnet && ipv6Network,
    ipv6Subnet: lease.ipv6Subnet,
    mtuBytes,
    ipMasq,
  };
}
