import type { IpAddress } from '../ip';
import type { KernelEvent, RtNetlink } from '../netlink';
import { BackOff, type Clock, type Logger, type Timer } from '../runtime';
import type { ExternalInterface } from './external-interface';
import { findByName, readInventory, whyUnusable, type InterfaceCandidate } from './interface-inventory';

/*
 * Tells when the chosen interface is not what it was: gone, back under another index, another MTU, an address lost. Events
 * only say that it is worth looking; what counts is the kernel's state after they have calmed down, compared with the choice.
 * A DHCP client that replaces an address, or a driver that re-creates its device, thus makes one change and not four, and an
 * event lost in an overrun costs nothing but the look that the resync brings.
 */

/**
 * What differs. `addresses`: a chosen address was lost or came back, or others came or went while one is missing. Addresses
 * beside the chosen ones are of no interest: a better-looking newcomer is no reason to renumber.
 */
export type InterfaceChangeReason = 'gone' | 'recreated' | 'mtu' | 'addresses' | 'down' | 'up';

export interface InterfaceChange {
  /** At least one, in a fixed order. */
  readonly reasons: readonly InterfaceChangeReason[];
  /** As it is now; undefined when there is no interface of that name. */
  readonly ifindex: number | undefined;
  readonly mtuBytes: number | undefined;
}

export interface WatchInterfaceOptions {
  readonly netlink: RtNetlink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The choice to compare with. */
  readonly current: ExternalInterface;
  /** Called once per new state, one call at a time in order, never after close. It must not throw. */
  readonly onChange: (change: InterfaceChange) => void;
  /** How long events must be quiet before the kernel is looked at, milliseconds; 200 unless told. */
  readonly quietMs?: number;
  /** The longest that a stream of events can put the look off, milliseconds; 2000 unless told. */
  readonly maxDelayMs?: number;
}

export interface InterfaceWatch {
  /** Resolves once events flow and a first look was made: nothing since the choice is missed. */
  readonly ready: Promise<void>;
  /** From now on compare with this choice. Call it after choosing again; the next look is made at once. */
  update(current: ExternalInterface): void;
  /** No call follows. Idempotent. */
  close(): void;
}

interface Facts {
  readonly ifindex: number | undefined;
  readonly mtuBytes: number | undefined;
  readonly up: boolean;
  /** Every chosen address is there. */
  readonly complete: boolean;
  /** All usable addresses, as one text to compare. */
  readonly addresses: string;
}

/** Starts watching. The caller closes it. */
export function watchExternalInterface(options: WatchInterfaceOptions): InterfaceWatch {
  return new ExternalInterfaceWatch(options);
}

class ExternalInterfaceWatch implements InterfaceWatch {
  readonly ready: Promise<void>;
  private current: ExternalInterface;
  private known: Facts;
  private readonly subscription;
  private readonly backOff = new BackOff({ initialMs: 100, maxMs: 5_000 });
  private timer: Timer | undefined;
  /** Clock.monotonic() of the first event that has not been looked at. */
  private pendingSince: number | undefined;
  private looking: Promise<void> = Promise.resolve();
  private failing = false;
  private closed = false;

  constructor(private readonly options: WatchInterfaceOptions) {
    this.current = options.current;
    this.known = chosenFacts(options.current);
    this.subscription = options.netlink.subscribe(['link', 'address'], (event) => this.onEvent(event));
    this.ready = this.subscription.ready.then(() => this.look());
  }

  update(current: ExternalInterface): void {
    this.current = current;
    this.known = chosenFacts(current);
    void this.look();
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.subscription.close();
  }

  private onEvent(event: KernelEvent): void {
    if (this.closed || !this.concerns(event)) return;
    const { clock, quietMs = 200, maxDelayMs = 2_000 } = this.options;
    this.pendingSince ??= clock.monotonic();
    const left = this.pendingSince + maxDelayMs - clock.monotonic();
    this.schedule(Math.max(0, Math.min(quietMs, left)));
  }

  private concerns(event: KernelEvent): boolean {
    const { ifname, ifindex } = this.current;
    if (event.type === 'link') return event.link.name === ifname || event.link.index === ifindex;
    if (event.type === 'address') return [ifindex, this.known.ifindex].includes(event.address.ifindex);
    return event.type === 'resync';
  }

  private schedule(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.options.clock.setTimer(delayMs, () => void this.look());
  }

  /** Looks are queued, so that an older answer never comes after a newer one. */
  private look(): Promise<void> {
    this.pendingSince = undefined;
    this.looking = this.looking.then(() => this.lookOnce());
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    if (this.closed) return;
    try {
      const chosen = this.current;
      const facts = observedFacts(findByName(await readInventory(this.options.netlink), chosen.ifname), chosen);
      this.recovered();
      if (chosen === this.current) this.compare(facts);
    } catch (error) {
      this.retryLater(error);
    }
  }

  private compare(facts: Facts): void {
    const reasons = differences(this.known, facts);
    this.known = facts;
    if (this.isClosed() || reasons.length === 0) return;
    this.options.logger.warn('external interface changed', { ifname: this.current.ifname, reasons });
    this.options.onChange({ reasons, ifindex: facts.ifindex, mtuBytes: facts.mtuBytes });
  }

  private recovered(): void {
    this.backOff.reset();
    if (this.failing) this.options.logger.info('external interface can be watched again', {});
    this.failing = false;
  }

  private retryLater(error: unknown): void {
    if (this.isClosed()) return;
    if (!this.failing) this.options.logger.warn('external interface cannot be read, trying again', { error });
    this.failing = true;
    this.schedule(this.backOff.next());
  }

  /** A method, since the field may change across an await. */
  private isClosed(): boolean {
    return this.closed;
  }
}

function chosenFacts({ ifindex, mtuBytes }: ExternalInterface): Facts {
  return { ifindex, mtuBytes, up: true, complete: true, addresses: '' };
}

function observedFacts(found: InterfaceCandidate | undefined, chosen: ExternalInterface): Facts {
  return {
    ifindex: found?.link.index,
    mtuBytes: found?.link.mtuBytes,
    up: found?.link.up ?? false,
    complete: carries(found, chosen.address) && carries(found, chosen.ipv6Address),
    addresses: [...(found?.ipv4 ?? []), ...(found?.ipv6 ?? [])].map(String).sort().join(' '),
  };
}

/** A deprecated address still carries what runs over it (RFC 4862, section 5.5.4): no reason to renumber. */
function carries(found: InterfaceCandidate | undefined, address: IpAddress | null): boolean {
  if (address === null) return true;
  const entry = found?.addresses.find((candidate) => candidate.address.equals(address));
  return entry !== undefined && (whyUnusable({ ...entry, deprecated: false }) === undefined || address.isLoopback);
}

function differences(before: Facts, now: Facts): InterfaceChangeReason[] {
  if (now.ifindex === undefined) return before.ifindex === undefined ? [] : ['gone'];
  return [
    ...when(before.ifindex !== now.ifindex, 'recreated'),
    ...when(before.mtuBytes !== now.mtuBytes, 'mtu'),
    ...when(before.complete !== now.complete || (!now.complete && before.addresses !== now.addresses), 'addresses'),
    ...when(before.up && !now.up, 'down'),
    ...when(!before.up && now.up, 'up'),
  ];
}

function when(condition: boolean, reason: InterfaceChangeReason): InterfaceChangeReason[] {
  return condition ? [reason] : [];
}
