import {
  type Clock,
  type Logger,
  type NotifyEnvironment,
  type NotifySender,
  type ReadinessRegistry,
  SystemdNotifier,
  datagramNotifySender,
  programNotifySender,
} from '@tartan/core';
import { unixDatagramSender } from '@tartan/netlink';

export interface ServiceManagerOptions {
  readonly environment: NotifyEnvironment;
  readonly readiness: ReadinessRegistry;
  /**
   * Asked before each WATCHDOG=1. That it is asked at all proves that the event loop turns; what remains is work that never comes back.
   */
  readonly healthy: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the daemon is told to stop. */
  readonly signal: AbortSignal;
}

/** Keeps systemd informed: ready when the node is, alive, and stopping from the moment that it was asked to. */
export function informServiceManager(options: ServiceManagerOptions): SystemdNotifier {
  const { environment, readiness, healthy, clock, logger, signal } = options;
  const sender = notifySender(environment.socket);
  const notifier = new SystemdNotifier({ sender, watchdogMs: environment.watchdogMs, healthy, clock, logger });
  notifier.follow(readiness);
  signal.addEventListener('abort', () => void notifier.stop(), { once: true });
  return notifier;
}

function notifySender(path: string | null): NotifySender | null {
  if (path === null) return null;
  const sendDatagram = unixDatagramSender();
  return sendDatagram ? datagramNotifySender(path, sendDatagram) : programNotifySender({ path });
}
