/**
 * etcd leases (times to live): granted, extended, and never left behind.
 *
 * The original grants a new 24 h lease for every renewal and every lost race and lets the old ones run out (flannel-compat 13
 * E13). Here a lease lives exactly as long as a key is attached to it. The ids are chosen by us, so that a grant whose answer
 * got lost can be asked for again, and the id in a key proves that an unanswered write was ours. Ids that may have been left
 * over (the way to etcd broke in the middle) are remembered and revoked once etcd answers again, but only when no key
 * hangs on them: the write may have arrived after all.
 */
import { randomBytes } from 'node:crypto';
import type {
  ILeaseGrantResponse,
  ILeaseKeepAliveResponse,
  ILeaseRevokeResponse,
  ILeaseTimeToLiveResponse,
} from 'etcd3';
import { isTartanError } from '../../errors';
import type { Clock, Logger } from '../../runtime';
import type { EtcdTransport } from './etcd-transport';
import { GrpcCode, isGrpcFailure } from './grpc-failure';

/** How kv.lease says "none". */
export const NO_LEASE = '0';
const MAX_LEFTOVERS = 1_000;
/** A request that was given up may still be carried out; how long a lease that is not there yet is looked for. */
const LATE_GRANT_MS = 60_000;
const SWEEP_INTERVAL_MS = 1_000;

export interface EtcdLease {
  /** Decimal int64. */
  readonly id: string;
  /** Clock.now() at which it ends at the earliest. */
  readonly expiresAt: number;
}

export interface EtcdLeasesOptions {
  readonly transport: EtcdTransport;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class EtcdLeases {
  /** Ids that may be without a key, and since when. */
  private readonly leftovers = new Map<string, number>();
  private sweeping: Promise<void> | null = null;
  private sweptAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: EtcdLeasesOptions) {}

  async grant(operation: string, ttlSeconds: number, signal: AbortSignal): Promise<EtcdLease> {
    const id = newLeaseId();
    const askedAt = this.options.clock.now();
    try {
      const message = { TTL: ttlSeconds, ID: id };
      const request = { service: 'Lease', method: 'leaseGrant', message } as const;
      const { response } = await this.options.transport.call<ILeaseGrantResponse>(operation, request, signal);
      return { id, expiresAt: askedAt + Number(response.TTL) * 1000 };
    } catch (error) {
      // The first of several attempts had been carried out.
      const ours = isGrpcFailure(error, GrpcCode.FAILED_PRECONDITION) && error.attempts > 1;
      if (ours) return { id, expiresAt: askedAt + ttlSeconds * 1000 };
      this.abandon(id);
      throw error;
    }
  }

  /** Starts the time to live of `id` anew. Null when the lease is gone, or too short for `ttlSeconds`. */
  async extend(
    operation: string,
    id: string,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<EtcdLease | 'gone' | 'short'> {
    const askedAt = this.options.clock.now();
    const request = { service: 'Lease', method: 'leaseKeepAlive', message: { ID: id }, exchange: true } as const;
    const { response } = await this.options.transport.call<ILeaseKeepAliveResponse>(operation, request, signal);
    const granted = Number(response.TTL);
    if (granted <= 0) return 'gone';
    return granted < ttlSeconds ? 'short' : { id, expiresAt: askedAt + granted * 1000 };
  }

  /** The lease is not needed any more, unless a key turns out to hang on it. Returns at once. */
  abandon(id: string): void {
    if (id === NO_LEASE || this.leftovers.size >= MAX_LEFTOVERS) return;
    this.leftovers.set(id, this.options.clock.monotonic());
    this.sweptAt = Number.NEGATIVE_INFINITY;
    this.sweep();
  }

  /** Revokes what was left over; called whenever etcd has answered. Never rejects, never waits. */
  sweep(): void {
    const now = this.options.clock.monotonic();
    if (this.leftovers.size === 0 || this.sweeping || now - this.sweptAt < SWEEP_INTERVAL_MS) return;
    this.sweptAt = now;
    this.sweeping = this.revokeLeftovers().finally(() => (this.sweeping = null));
  }

  /** Resolves when the present sweep is through. */
  async settled(): Promise<void> {
    await this.sweeping;
  }

  private async revokeLeftovers(): Promise<void> {
    const { transport, logger, clock } = this.options;
    for (const [id, since] of this.leftovers) {
      try {
        const state = await this.look(id);
        if (state === 'unused') await this.revoke(id);
        if (state !== 'absent' || clock.monotonic() - since >= LATE_GRANT_MS) this.leftovers.delete(id);
      } catch (error) {
        if (transport.closed.aborted || isTartanError(error, 'DATASTORE_UNAVAILABLE')) return;
        // It runs out by itself.
        this.leftovers.delete(id);
        logger.debug('an etcd lease without key could not be revoked', { error: (error as Error).message });
      }
    }
  }

  private async look(id: string): Promise<'absent' | 'unused' | 'used'> {
    const request = { service: 'Lease', method: 'leaseTimeToLive', message: { ID: id, keys: true } } as const;
    const { transport } = this.options;
    const { response } = await transport.call<ILeaseTimeToLiveResponse>('revoke', request, transport.closed);
    if (Number(response.TTL) <= 0) return 'absent';
    return response.keys.length === 0 ? 'unused' : 'used';
  }

  private async revoke(id: string): Promise<void> {
    const request = { service: 'Lease', method: 'leaseRevoke', message: { ID: id } } as const;
    const { transport } = this.options;
    try {
      await transport.call<ILeaseRevokeResponse>('revoke', request, transport.closed);
    } catch (error) {
      if (!isGrpcFailure(error, GrpcCode.NOT_FOUND)) throw error;
    }
  }
}

/** A random positive int64; etcd chooses its own the same way. */
function newLeaseId(): string {
  const bytes = randomBytes(8);
  bytes[0] = (bytes[0] as number) & 0x7f;
  return (bytes.readBigInt64BE() | 1n).toString();
}
