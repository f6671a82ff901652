import {
  type Clock,
  type IpPrefix,
  type LastLease,
  type LastLeaseStore,
  type Logger,
  type OwnerIdentity,
  type ParsedSubnetEnv,
  type ReadinessCheck,
  BackOff,
  isStillGood,
  subnetEnvOf,
  writeSubnetEnv,
} from '@tartan/core';
import { sameSubnets } from './describe-lease';
import { messageOf } from './node-checks';
import { WakeUp } from './wake-up';

/*
 * The daemon's dealings with subnet.env and with its own memory of the lease.
 *
 * The container runtime cannot start a pod without subnet.env, and /run is empty after a boot. So the file is written twice: right
 * at the start from the last good lease, before any datastore has answered, and again when the lease is confirmed. From then on it
 * is looked at now and then, and written again when somebody removed or changed it. A write that fails (a full or read-only disk)
 * keeps the node unready, is repeated with back-off, and never stops routing.
 */

/** How often the file is compared with what it must say. */
const LOOK_AGAIN_MS = 10_000;

export interface SubnetFileOptions {
  readonly path: string;
  readonly memory: Pick<LastLeaseStore, 'path' | 'read' | 'write'>;
  readonly identity: OwnerIdentity;
  /** The subnet goes with the name of the node: what a node of another name left is not ours. */
  readonly assigned?: boolean;
  readonly ipMasq: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly check: ReadinessCheck;
}

/** What of a lease goes into the file; whether to masquerade is an option of the daemon. */
export type SubnetFileContent = Omit<LastLease, 'ipMasq'>;

export class SubnetFile {
  private wanted: LastLease | null = null;
  private remembered: LastLease | null = null;
  private memoryFails = false;
  private readonly changed: WakeUp;

  constructor(private readonly options: SubnetFileOptions) {
    this.changed = new WakeUp(options.clock);
  }

  /**
   * Writes the file from the last good lease, if there is one that is still ours, and returns that. A file that is there and tells of
   * another subnet is newer than our memory (flanneld ran here meanwhile): it stays, and the memory does not count. Never rejects.
   */
  async restore(present: ParsedSubnetEnv | null): Promise<LastLease | null> {
    const { memory, identity, assigned = false, clock, logger, path, ipMasq } = this.options;
    const { machine, node } = identity;
    const last = await memory.read();
    if (!last || !isStillGood(last, { now: clock.now(), machine, ...(assigned && { node }) })) return null;
    if (present && tellsOfAnother(present, last)) return null;
    try {
      const outcome = await writeSubnetEnv(path, subnetEnvOf({ ...last, ipMasq }));
      if (outcome === 'written') logger.info('subnet file restored from the last lease', { path, ...subnetsOf(last) });
    } catch (error) {
      logger.warn('subnet file cannot be restored', { path, error });
    }
    return last;
  }

  /** States what the file must say from now on. Returns at once; the check tells when it does. */
  set(content: SubnetFileContent): void {
    const { check, ipMasq } = this.options;
    const next = { ...content, ipMasq };
    // Pods must not get addresses of a subnet that is not ours any more.
    if (this.wanted && !sameSubnets(this.wanted.lease, next.lease)) check.fail('out of date, being written');
    this.wanted = next;
    this.changed.wake();
  }

  /** Keeps the file as it must be until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff({ initialMs: 200, maxMs: LOOK_AGAIN_MS });
    let failed = false;
    while (!signal.aborted) {
      const { wanted } = this;
      if (!wanted) {
        await this.changed.wait(signal);
        continue;
      }
      const error = await this.write(wanted);
      if (error !== null && !failed) {
        this.options.logger.error('subnet file cannot be written, trying on', { path: this.options.path, error });
      }
      failed = error !== null;
      if (!failed) {
        backOff.reset();
        await this.remember(wanted);
      }
      await this.changed.wait(signal, failed ? backOff.next() : LOOK_AGAIN_MS);
    }
  }

  /** What prevented it, null when the file says what it must. */
  private async write(last: LastLease): Promise<unknown> {
    const { logger, path, check } = this.options;
    try {
      const outcome = await writeSubnetEnv(path, subnetEnvOf(last));
      if (outcome === 'written') {
        logger.info('subnet file written', { path, ...subnetsOf(last), mtuBytes: last.mtuBytes });
      }
      if (this.wanted === last) check.pass(path);
      return null;
    } catch (error) {
      check.fail(messageOf(error));
      return error;
    }
  }

  /** The memory is a convenience: losing it costs one warning. */
  private async remember(last: LastLease): Promise<void> {
    if (this.remembered === last) return;
    const { memory, logger } = this.options;
    try {
      await memory.write(last);
      this.remembered = last;
      this.memoryFails = false;
    } catch (error) {
      if (!this.memoryFails) logger.warn('lease cannot be remembered', { path: memory.path, error });
      this.memoryFails = true;
    }
  }
}

function tellsOfAnother({ subnet, ipv6Subnet }: ParsedSubnetEnv, { lease }: LastLease): boolean {
  const differs = (found: IpPrefix | null, ours: IpPrefix | null): boolean =>
    found !== null && found.toString() !== ours?.toString();
  return differs(subnet, lease.subnet) || differs(ipv6Subnet, lease.ipv6Subnet);
}

function subnetsOf({ lease }: LastLease): Record<string, string> {
  return {
    ...(lease.subnet && { subnet: lease.subnet.toString() }),
    ...(lease.ipv6Subnet && { ipv6Subnet: lease.ipv6Subnet.toString() }),
  };
}
