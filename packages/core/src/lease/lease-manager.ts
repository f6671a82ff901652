import type { NetworkConfig } from '../config';
import type { Ipv4Prefix, Ipv6Prefix } from '../ip';
import type { Lease, LeaseAttrs, LeaseSnapshot } from './lease';

/** What the node asks for. */
export interface LeaseRequest {
  readonly config: NetworkConfig;
  readonly attrs: LeaseAttrs;
  /** Subnets of the last run (subnet.env), taken again when free and still inside the config. */
  readonly previousSubnet?: Ipv4Prefix | null;
  readonly previousIpv6Subnet?: Ipv6Prefix | null;
  /** Called while there is nothing to do but wait, with what is waited for and its remedy; again when that changes. */
  readonly onWaiting?: (reason: string) => void;
  /** Called each time that the datastore did not answer; nothing is known then of whose the lease is. */
  readonly onUnavailable?: () => void;
}

/** What to do when a stranger holds our subnet: `keep` stays unready and tries on, `reacquire` takes another, `exit` ends. */
export type OnLeaseLoss = 'keep' | 'reacquire' | 'exit';

/** Why a lease is not ours any more. */
export type LeaseLoss =
  { readonly reason: 'expired' } | { readonly reason: 'deleted' } | { readonly reason: 'taken'; readonly by: Lease };

/** Called by `maintain`, one at a time, never after it has settled. */
export interface LeaseListener {
  onRenewed(lease: Lease): void;
  /** Renewal failed and will be tried again; the lease is still ours until `expiresAt`. */
  onRenewalFailed(error: Error, lease: Lease): void;
  /** The datastore says that the lease is not ours. Forwarding must go on. */
  onLost(loss: LeaseLoss, lease: Lease): void;
  /** The same subnet is ours again, or, with `reacquire`, another one. */
  onReacquired(lease: Lease): void;
}

/** A lease that is left out of the snapshots because an older one holds addresses of it. */
export interface LeaseOverlap {
  readonly lease: Lease;
  /** The older lease, or our own. */
  readonly holder: Lease;
}

export interface WatchStatus {
  /** True from the first complete snapshot on, and false while the list is known to be outdated. */
  readonly synced: boolean;
  /** Clock.now() of the last answer of any kind, null before the first. */
  readonly lastContactAt: number | null;
  /** Entries that do not parse, by key. */
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
  readonly resyncs: number;
  /** Leases that nothing is programmed for, each with the one that it clashes with. Empty in good health. */
  readonly overlaps: readonly LeaseOverlap[];
  /** Keys of peers that vanished all at once and are kept until that is confirmed. Empty in good health. */
  readonly unconfirmed: readonly string[];
}

/** The node's dealings with leases. Implemented over any Datastore, and by Kubernetes where the API server allocates. */
export interface LeaseManager {
  /**
   * The node's lease: reused, re-created or newly allocated. Idempotent: a second call returns the same lease. Waits out an
   * unavailable datastore, and where an administrator assigns subnets, the assignment; rejects when the signal aborts, with
   * LEASE_OUT_OF_SUBNETS, LEASE_DUPLICATE_PUBLIC_IP, DATASTORE_DENIED, or DATASTORE_READ_ONLY where what an administrator
   * entered for this node differs from what it would publish.
   */
  acquire(request: LeaseRequest, signal: AbortSignal): Promise<Lease>;
  /**
   * Publishes changed attributes in place; the subnet stays. Call after `acquire`. Waits out an unavailable datastore. Rejects
   * with LEASE_NOT_HELD while the lease is lost: the attributes are kept and published when it is ours again.
   */
  updateAttrs(attrs: LeaseAttrs, signal: AbortSignal): Promise<Lease>;
  /**
   * Keeps the acquired lease alive until the signal aborts (then resolves) or `exit` policy ends it (then rejects with
   * LEASE_TAKEN).
   */
  maintain(listener: LeaseListener, signal: AbortSignal): Promise<void>;
  /**
   * Calls `onSnapshot` with all peers, first when complete and then after each change, until the signal aborts; then
   * resolves. Survives every outage by itself.
   */
  watchPeers(onSnapshot: (snapshot: LeaseSnapshot) => void, signal: AbortSignal): Promise<void>;
  watchStatus(): WatchStatus;
}
