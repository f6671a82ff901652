import {
  type Clock,
  type LastLease,
  type LastLeaseStore,
  type Logger,
  type OwnerIdentity,
  type ReadinessCheck,
  BackOff,
  isStillGood,
  subnetEnvOf,
  writeSubnetEnv,
} from '@tartan/core';

/*
 * The daemon's dealings with subnet.env and with its own memory of the lease.
 *
 * The container runtime cannot start a pod without subnet.env, and /run is empty after a boot. So the file is written twice: right
 * at the start from the last good lease, before any datastore has answered, and again when the lease is confirmed. A write that
 * fails (a full or read-only disk) keeps the node unready, is repeated with back-off, and never stops routing.
 */

export interface SubnetFileOptions {
  readonly path: string;
  readonly memory: LastLeaseStore;
  readonly identity: OwnerIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly check: ReadinessCheck;
}

export class SubnetFile {
  private wanted: LastLease | null = null;
  private writing: Promise<void> = Promise.resolve();
  private readonly closed = new AbortController();

  constructor(private readonly options: SubnetFileOptions) {}

  /** Writes the file from the last good lease, if there is one that is still ours. Never rejects. */
  async restore(): Promise<LastLease | null> {
    const { memory, identity, clock, logger, path } = this.options;
    const last = await memory.read();
    if (!last || !isStillGood(last, { now: clock.now(), machine: identity.machine })) return null;
    try {
      const outcome = await writeSubnetEnv(path, subnetEnvOf(last));
      if (outcome === 'written') logger.info('subnet file restored from the last lease', { path, ...subnetsOf(last) });
      return last;
    } catch (error) {
      logger.warn('subnet file cannot be restored', { path, error });
      return null;
    }
  }

  /** States what the file must say. Returns at once; the check tells when it does. The last call wins. */
  set(last: LastLease): void {
    this.wanted = last;
    this.writing = this.writing.then(() => this.writeUntilDone(last));
  }

  /** Ends retries. Idempotent. */
  async close(): Promise<void> {
    this.closed.abort();
    await this.writing;
  }

  private async writeUntilDone(last: LastLease): Promise<void> {
    const { clock, logger, path, check } = this.options;
    const backOff = new BackOff({ initialMs: 200, maxMs: 10_000 });
    let reported = false;
    while (this.wanted === last && !this.closed.signal.aborted) {
      try {
        const outcome = await writeSubnetEnv(path, subnetEnvOf(last));
        if (outcome === 'written')
          logger.info('subnet file written', { path, ...subnetsOf(last), mtuBytes: last.mtuBytes });
        check.pass(path);
        break;
      } catch (error) {
        if (!reported) logger.error('subnet file cannot be written', { path, error });
        reported = true;
        check.fail(error instanceof Error ? error.message : String(error));
        await clock.sleep(backOff.next(), this.closed.signal).catch(() => undefined);
      }
    }
    await this.remember(last);
  }

  /** The memory is a convenience: losing it costs one warning. */
  private async remember(last: LastLease): Promise<void> {
    if (this.wanted !== last) return;
    const { memory, logger } = this.options;
    await memory
      .write(last)
      .catch((error: unknown) => logger.warn('lease cannot be remembered', { path: memory.path, error }));
  }
}

function subnetsOf({ lease }: LastLease): Record<string, string> {
  return {
    ...(lease.subnet && { subnet: lease.subnet.toString() }),
    ...(lease.ipv6Subnet && { ipv6Subnet: lease.ipv6Subnet.toString() }),
  };
}
