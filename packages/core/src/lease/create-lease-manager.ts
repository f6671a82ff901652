import { Registry } from 'prom-client';
import type { Datastore } from '../datastore';
import { isTartanError, TartanError } from '../errors';
import { BackOff, silentLogger, systemClock, type Clock, type Logger, type Random } from '../runtime';
import { Acquisition } from './acquisition';
import type { Lease, LeaseAttrs, LeaseSnapshot, OwnerIdentity } from './lease';
import { toLease } from './lease-from-record';
import { LeaseKeeper } from './lease-keeper';
import type { LeaseListener, LeaseManager, LeaseRequest, OnLeaseLoss, WatchStatus } from './lease-manager';
import { LeaseMirror } from './lease-mirror';
import { createLeaseMetrics, type LeaseMetrics } from './metrics';
import { OutageLog } from './outage-log';
import { OwnLease } from './own-lease';
import { PeerPublisher } from './peer-publisher';

/** What flanneld uses; leases of mixed clusters live equally long (flannel-compat 2.4). */
export const DEFAULT_LEASE_TTL_SECONDS = 86_400;

export interface LeaseManagerOptions {
  readonly datastore: Datastore;
  readonly identity: OwnerIdentity;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Made by createLeaseMetrics(); not counted anywhere when absent. */
  readonly metrics?: LeaseMetrics;
  /** Life of a lease without renewal; 24 hours unless given. */
  readonly ttlSeconds?: number;
  /** `keep` unless given. */
  readonly onLeaseLoss?: OnLeaseLoss;
  /** Mean time between full listings that are compared with what the watch told; 5 minutes unless given. */
  readonly relistIntervalMs?: number;
  /** Changes within this time become one snapshot; 10 ms unless given. */
  readonly coalesceMs?: number;
  /** How long peers that vanished all at once are kept before a full listing decides; 5 s unless given. */
  readonly confirmMs?: number;
  /** The same after the datastore was rebuilt; 2 minutes unless given. */
  readonly rebuildGraceMs?: number;
}

/** A lease manager over any datastore. Contract: LeaseManager. */
export function createLeaseManager(options: LeaseManagerOptions): LeaseManager {
  return new DatastoreLeaseManager(options);
}

class DatastoreLeaseManager implements LeaseManager {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly metrics: LeaseMetrics;
  private readonly ttlSeconds: number;
  private readonly own: OwnLease;
  private readonly mirror: LeaseMirror;
  private request: LeaseRequest | null = null;
  private publisher: PeerPublisher | null = null;

  constructor(private readonly options: LeaseManagerOptions) {
    const { datastore, identity, relistIntervalMs = 300_000 } = options;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.logger = (options.logger ?? silentLogger).child({ datastore: datastore.name });
    this.metrics = options.metrics ?? createLeaseMetrics(new Registry());
    this.ttlSeconds = options.ttlSeconds ?? DEFAULT_LEASE_TTL_SECONDS;
    const { clock, random, logger, metrics, ttlSeconds } = this;
    this.own = new OwnLease({ datastore, identity, clock, random, logger, metrics, ttlSeconds });
    this.mirror = new LeaseMirror({ datastore, clock, random, logger, metrics, relistIntervalMs });
  }

  async acquire(request: LeaseRequest, signal: AbortSignal): Promise<Lease> {
    this.request = request;
    this.own.attrs = request.attrs;
    const { previousSubnet, previousIpv6Subnet } = request;
    const previous = { subnet: previousSubnet ?? null, ipv6Subnet: previousIpv6Subnet ?? null };
    return toLease(await new Acquisition(this.own, request, previous).run(signal));
  }

  async updateAttrs(attrs: LeaseAttrs, signal: AbortSignal): Promise<Lease> {
    const { clock, random, logger } = this;
    const backOff = new BackOff({ initialMs: 100, maxMs: 10_000, random });
    const outage = new OutageLog(logger, clock, {
      failing: 'cannot publish changed attributes, trying on',
      recovered: 'changed attributes are published',
    });
    let refused = false;
    for (;;) {
      try {
        if (refused) await this.own.refresh(signal);
        const lease = toLease(await this.own.update(attrs, signal));
        outage.succeeded();
        return lease;
      } catch (error) {
        refused = isTartanError(error, 'DATASTORE_CONFLICT', 'DATASTORE_LEASE_GONE');
        if (isTartanError(error, 'DATASTORE_UNAVAILABLE')) outage.failed(error);
        else if (!refused) throw error;
      }
      await clock.sleep(backOff.next(), signal);
    }
  }

  maintain(listener: LeaseListener, signal: AbortSignal): Promise<void> {
    const { own, mirror, clock, random, logger, metrics, ttlSeconds } = this;
    const { onLeaseLoss = 'keep' } = this.options;
    const another = (): Acquisition => this.acquireAnother();
    return new LeaseKeeper(
      { own, mirror, clock, random, logger, metrics, ttlSeconds, onLeaseLoss, another },
      listener,
    ).run(signal);
  }

  watchPeers(onSnapshot: (snapshot: LeaseSnapshot) => void, signal: AbortSignal): Promise<void> {
    const { own, mirror, clock, logger, metrics } = this;
    const { coalesceMs = 10, confirmMs = 5_000, rebuildGraceMs = 120_000 } = this.options;
    this.publisher = new PeerPublisher(
      { own, mirror, clock, logger, metrics, coalesceMs, confirmMs, rebuildGraceMs },
      onSnapshot,
    );
    return this.publisher.run(signal);
  }

  watchStatus(): WatchStatus {
    const { mirror, publisher } = this;
    return {
      synced: mirror.synced,
      lastContactAt: mirror.lastContactAt,
      skipped: [...mirror.skipped.values()].map(({ key, reason }) => ({ key, reason })),
      resyncs: mirror.resyncs,
      overlaps: publisher?.overlaps ?? [],
      unconfirmed: publisher?.unconfirmed ?? [],
    };
  }

  private acquireAnother(): Acquisition {
    const { request, own } = this;
    if (!request || !own.attrs || !own.last) throw new TartanError('LEASE_NOT_HELD', {});
    return new Acquisition(own, { ...request, attrs: own.attrs }, own.last, true);
  }
}
