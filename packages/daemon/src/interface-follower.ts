import {
  type Clock,
  type ExternalInterface,
  type InterfaceChangeReason,
  type InterfaceWatch,
  type KernelSubscription,
  type Logger,
  type ReadinessCheck,
  type RtNetlink,
  watchExternalInterface,
} from '@tartan/core';

export interface InterfaceFollowerOptions {
  readonly netlink: RtNetlink;
  readonly check: ReadinessCheck;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The choice must be made again: the interface is another one, or has other addresses or another MTU. */
  readonly onOutdated: () => void;
}

/** Keeps an eye on the chosen interface, and the readiness check `interface` honest. */
export class InterfaceFollower {
  private watch: InterfaceWatch | undefined;
  private current: ExternalInterface | null = null;

  constructor(private readonly options: InterfaceFollowerOptions) {}

  /** From now on it is this one. */
  follow(current: ExternalInterface): void {
    this.current = current;
    this.pass();
    if (this.watch) this.watch.update(current);
    else this.watch = this.startWatch(current);
  }

  /** Idempotent. */
  close(): void {
    this.watch?.close();
  }

  private startWatch(current: ExternalInterface): InterfaceWatch {
    const { netlink, clock, logger } = this.options;
    const onChange = ({ reasons }: { reasons: readonly InterfaceChangeReason[] }): void => this.changed(reasons);
    const watch = watchExternalInterface({ netlink, clock, logger, current, onChange });
    watch.ready.catch((error: unknown) => logger.warn('external interface cannot be watched', { error }));
    return watch;
  }

  /** An interface that is only down or away keeps its plan: the reconciler puts routes back as soon as it returns. */
  private changed(reasons: readonly InterfaceChangeReason[]): void {
    const { check, onOutdated } = this.options;
    const name = this.current?.ifname ?? '';
    if (reasons.includes('gone')) check.fail(`${name} is gone`);
    else if (reasons.includes('down')) check.fail(`${name} is down`);
    else if (reasons.includes('up')) this.pass();
    if (!reasons.every((reason) => reason === 'gone' || reason === 'down' || reason === 'up')) onOutdated();
  }

  private pass(): void {
    const { current } = this;
    if (current) this.options.check.pass(`${current.ifname} (${current.pickedBy})`);
  }
}

/** An interface comes up in a burst of events; what counts is how it stands afterwards. */
const QUIET_MS = 200;

/** Calls `onChange` soon after links, addresses or routes have changed, until it is closed. */
export function watchInterfaces({
  netlink,
  clock,
  onChange,
}: {
  readonly netlink: RtNetlink;
  readonly clock: Clock;
  readonly onChange: () => void;
}): KernelSubscription {
  let pending: { cancel(): void } | undefined;
  const subscription = netlink.subscribe(['link', 'address', 'route'], () => {
    pending ??= clock.setTimer(QUIET_MS, () => {
      pending = undefined;
      onChange();
    });
  });
  // Without notifications the caller's own retries go on.
  subscription.ready.catch(() => undefined);
  return {
    ready: subscription.ready,
    close: () => {
      pending?.cancel();
      subscription.close();
    },
  };
}
