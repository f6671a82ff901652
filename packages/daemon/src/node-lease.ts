import {
  type Clock,
  type Lease,
  type LeaseAttrs,
  type LeaseListener,
  type LeaseManager,
  type LeaseRequest,
  type LeaseSubnets,
  type Logger,
  type NetworkConfig,
  type ReadinessCheck,
  BackOff,
  diffNetworkConfig,
  isAborted,
  isTartanError,
  liesInNetworks,
} from '@tartan/core';
import { describeLease, describeLoss, sameSubnets } from './describe-lease';
import { messageOf } from './node-checks';
import { runParts } from './run-parts';
import { WakeUp } from './wake-up';

/*
 * The node's own lease as the daemon sees it: acquired once, kept for life, and the one thing that the readiness check `lease` tells of.
 *
 * What the node publishes may change while it runs (another address, a device with another MAC). That must not wait for the
 * datastore: the new plan goes into force with the lease in hand, and publishing follows as soon as the datastore takes it. Until then the
 * node is not ready, since its peers still send to where it was.
 *
 * A host that boots while the datastore is away has only what the last run remembers. That lease is good enough to bring the network
 * up with: it has not run out, and no other host can have it. It is confirmed, or replaced, as soon as the datastore answers.
 */

export interface NodeLeaseOptions {
  readonly leaseManager: Pick<LeaseManager, 'acquire' | 'updateAttrs' | 'maintain'>;
  /** Subnets of the last run. */
  readonly previous: LeaseSubnets;
  /** The lease of the last run that no other host can hold by now; null when there is none. */
  readonly remembered?: Lease | null;
  /** Called when the remembered lease is used, because the datastore does not answer or refuses to. */
  readonly onRemembered?: () => void;
  readonly check: ReadinessCheck;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface NodeLeaseListener {
  /** The same subnets, to be held for longer. */
  onRenewed(lease: Lease): void;
  /** Another subnet is ours from now on: the network must be brought up with it. */
  onMoved(lease: Lease): void;
}

export class NodeLease {
  private lease: Lease | null = null;
  /** The config that the lease was acquired for, or one that leaves it as it is. */
  private config: NetworkConfig | null = null;
  /** The lease that the network stands on. */
  private inForce: Lease | null = null;
  private attrs: LeaseAttrs | null = null;
  /** Why what is published is not what should be; null when it is. */
  private unpublished: string | null = null;
  /** True while the lease is the remembered one and nobody has confirmed it. */
  private unconfirmed = false;
  private loss: string | null = null;
  private note: string | null = null;
  private readonly acquired: WakeUp;
  private readonly changed: WakeUp;

  constructor(private readonly options: NodeLeaseOptions) {
    this.acquired = new WakeUp(options.clock);
    this.changed = new WakeUp(options.clock);
  }

  /** False while the lease is only remembered. */
  get confirmed(): boolean {
    return !this.unconfirmed;
  }

  /**
   * The lease to bring the network up with. The first call acquires it and waits out an unavailable datastore, or takes the remembered
   * one meanwhile, also where the datastore refuses access; later ones return what is held and see to it that changed attributes get published. Rejects like
   * LeaseManager.acquire.
   */
  async obtain(config: NetworkConfig, attrs: LeaseAttrs, signal: AbortSignal): Promise<Lease> {
    if (this.lease && this.fits(config, this.lease)) {
      this.config = config;
      this.publish(attrs);
      return this.lease;
    }
    const { check } = this.options;
    check.fail('waiting for a lease');
    const lease = await this.acquireOrRecall(config, attrs, signal);
    this.config = config;
    this.attrs = attrs;
    this.unpublished = null;
    this.lease = lease;
    this.show();
    this.acquired.wake();
    return lease;
  }

  /** The network stands on this lease now. */
  use(lease: Lease): void {
    this.inForce = lease;
    this.show();
  }

  /** Keeps the lease, from its acquisition until the signal aborts. Rejects with LEASE_TAKEN under the policy `exit`. */
  async run(listener: NodeLeaseListener, signal: AbortSignal): Promise<void> {
    while (!this.lease && !signal.aborted) await this.acquired.wait(signal);
    await this.confirm(listener, signal);
    if (signal.aborted) return;
    const { leaseManager } = this.options;
    const parts = [
      { name: 'lease', run: (inner: AbortSignal) => leaseManager.maintain(this.listen(listener), inner) },
      { name: 'lease attributes', run: (inner: AbortSignal) => this.keepPublished(inner) },
    ];
    await runParts(parts, signal);
  }

  private async acquireOrRecall(config: NetworkConfig, attrs: LeaseAttrs, signal: AbortSignal): Promise<Lease> {
    const { check, remembered, logger, onRemembered } = this.options;
    const unanswered = new AbortController();
    const onWaiting = (reason: string): void => check.fail(`waiting for a lease: ${reason}`);
    const usable = remembered && suits(config, remembered) ? { ...remembered, attrs } : null;
    const onUnavailable = (): void =>
      usable ? unanswered.abort(new Error('the datastore does not answer')) : undefined;
    try {
      return await this.acquire(
        { config, attrs, onWaiting, onUnavailable },
        AbortSignal.any([signal, unanswered.signal]),
      );
    } catch (error) {
      const refused = isTartanError(error, 'DATASTORE_DENIED');
      if (!usable || !(refused || unanswered.signal.aborted) || signal.aborted) throw error;
      logger.warn('the datastore gives no answer, starting with the lease of the last run', {
        lease: describeLease(usable),
        ...(refused && { error }),
      });
      this.unconfirmed = true;
      onRemembered?.();
      return usable;
    }
  }

  private acquire(
    request: Pick<LeaseRequest, 'config' | 'attrs' | 'onWaiting' | 'onUnavailable'>,
    signal: AbortSignal,
  ): Promise<Lease> {
    const { leaseManager, previous } = this.options;
    const { subnet: previousSubnet, ipv6Subnet: previousIpv6Subnet } = previous;
    return leaseManager.acquire({ ...request, previousSubnet, previousIpv6Subnet }, signal);
  }

  /** Acquires what is only remembered; whatever is in the way, the network goes on with it. */
  private async confirm(listener: NodeLeaseListener, signal: AbortSignal): Promise<void> {
    const backOff = new BackOff({ initialMs: 1_000, maxMs: 30_000 });
    while (this.unconfirmed && !signal.aborted) {
      try {
        await this.confirmOnce(listener, signal);
      } catch (error) {
        if (isAborted(signal)) return;
        const problem = messageOf(error);
        if (problem !== this.note) {
          this.options.logger.error('the lease of the last run is not confirmed, trying on', { error });
        }
        this.note = problem;
        this.show();
        await this.options.clock.sleep(backOff.next(), signal).catch(() => undefined);
      }
    }
  }

  private async confirmOnce(listener: NodeLeaseListener, signal: AbortSignal): Promise<void> {
    const { lease: before, config, attrs } = this;
    if (!before || !config || !attrs) return;
    const onWaiting = (reason: string): void => {
      this.note = reason;
      this.show();
    };
    const lease = await this.acquire({ config, attrs, onWaiting }, signal);
    this.unconfirmed = false;
    if (this.attrs === attrs) this.unpublished = null;
    this.options.logger.info('the lease is confirmed', { lease: describeLease(lease) });
    this.hold(lease);
    if (sameSubnets(before, lease)) listener.onRenewed(lease);
    else listener.onMoved(lease);
  }

  private fits(config: NetworkConfig, lease: Lease): boolean {
    if (!this.config || config === this.config) return true;
    return diffNetworkConfig(this.config, config, lease).every(({ live }) => live);
  }

  private publish(attrs: LeaseAttrs): void {
    if (JSON.stringify(attrs) === JSON.stringify(this.attrs)) return;
    this.attrs = attrs;
    this.unpublished = 'changed attributes are not published yet';
    this.show();
    this.changed.wake();
  }

  private async keepPublished(signal: AbortSignal): Promise<void> {
    const backOff = new BackOff({ initialMs: 1_000, maxMs: 30_000 });
    while (!signal.aborted) {
      const failed = await this.changed
        .interruptible(signal, (inner) => this.publishOnce(inner))
        .catch((error: unknown) => this.reportUnpublished(error, signal));
      if (!failed) backOff.reset();
      await this.changed.wait(signal, failed ? backOff.next() : undefined);
    }
  }

  /** False: there is nothing more to do for now. */
  private async publishOnce(signal: AbortSignal): Promise<boolean> {
    const { attrs, options } = this;
    if (this.unpublished === null || !attrs) return false;
    try {
      const lease = await options.leaseManager.updateAttrs(attrs, signal);
      if (this.lease && sameSubnets(this.lease, lease)) this.lease = lease;
    } catch (error) {
      // They are published with the lease as soon as it is ours again.
      if (!isTartanError(error, 'LEASE_NOT_HELD')) throw error;
    }
    if (this.attrs === attrs) this.unpublished = null;
    this.show();
    return false;
  }

  private reportUnpublished(error: unknown, signal: AbortSignal): boolean {
    if (signal.aborted || this.changed.pending) return false;
    const problem = `changed attributes cannot be published: ${messageOf(error)}`;
    if (problem !== this.unpublished) {
      this.options.logger.error('changed lease attributes cannot be published, trying on', { error });
    }
    this.unpublished = problem;
    this.show();
    return true;
  }

  private listen(listener: NodeLeaseListener): LeaseListener {
    return {
      onRenewed: (lease) => {
        this.hold(lease);
        listener.onRenewed(lease);
      },
      onRenewalFailed: (error) => {
        this.note = `renewal is failing: ${error.message}`;
        this.show();
      },
      onLost: (loss) => {
        this.loss = describeLoss(loss);
        this.show();
      },
      onReacquired: (lease) => {
        const moved = this.lease !== null && !sameSubnets(this.lease, lease);
        this.hold(lease);
        if (moved) listener.onMoved(lease);
        else listener.onRenewed(lease);
      },
    };
  }

  private hold(lease: Lease): void {
    this.lease = lease;
    this.loss = null;
    this.note = null;
    this.show();
  }

  private show(): void {
    const { check } = this.options;
    const { lease, inForce, loss, note, unpublished } = this;
    if (!lease) return;
    const name = describeLease(lease);
    const moving = inForce && !sameSubnets(inForce, lease) ? 'the network is being moved there' : null;
    const remembered = this.unconfirmed
      ? `of the last run, not confirmed yet${note === null ? '' : `: ${note}`}`
      : null;
    const trouble = loss ?? remembered ?? moving ?? unpublished;
    if (trouble !== null) check.fail(`${name}: ${trouble}`);
    else check.pass(note === null ? name : `${name}, ${note}`);
  }
}

function suits(config: NetworkConfig, lease: Lease): boolean {
  const { ipv4, ipv6 } = liesInNetworks(config, lease);
  return ipv4 && ipv6;
}
