import type { Clock, Timer } from './clock';
import type { Logger } from './logger';
import type { NotifySender } from './notify-sender';
import type { ReadinessRegistry } from './readiness';

/*
 * What systemd is told (sd_notify(3)): READY=1 once, when the node is really ready; STATUS= whenever it changes; WATCHDOG=1 at
 * half of the interval it asked for, only while the daemon finds itself healthy, so that a daemon that hangs is restarted;
 * STOPPING=1 at the end. Messages go out one after the other; of several waiting states only the last is sent. A failure is
 * logged once and never stops the daemon.
 */

const READY_RETRY_MS = 1_000;

export interface NotifyEnvironment {
  /** NOTIFY_SOCKET; null when nobody listens. */
  readonly socket: string | null;
  /** Interval within which systemd wants WATCHDOG=1, milliseconds; null without watchdog. */
  readonly watchdogMs: number | null;
}

/**
 * Reads what systemd left in the environment, and removes it there, so that programs we start do not speak in our name.
 * WATCHDOG_PID of another process means that the watchdog is not for us (sd_watchdog_enabled(3)).
 */
export function takeNotifyEnvironment(env: NodeJS.ProcessEnv, pid: number): NotifyEnvironment {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: usec = '', WATCHDOG_PID: watchdogPid } = env;
  delete env['NOTIFY_SOCKET'];
  delete env['WATCHDOG_USEC'];
  delete env['WATCHDOG_PID'];
  const forUs = watchdogPid === undefined || watchdogPid === String(pid);
  const watchdogMs = forUs && /^[1-9]\d*$/.test(usec) ? Number(usec) / 1000 : null;
  const addressed = /^[/@]./.test(socket);
  return { socket: addressed ? socket : null, watchdogMs: addressed ? watchdogMs : null };
}

export interface SystemdNotifierOptions {
  /** null when no service manager listens: every call is then a no-op. */
  readonly sender: NotifySender | null;
  readonly watchdogMs: number | null;
  /** Asked before each WATCHDOG=1; false withholds it. */
  readonly healthy: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SystemdNotifier {
  private sending: Promise<void> = Promise.resolve();
  private saidReady = false;
  private status = '';
  private statusPending = false;
  private failing = false;
  private withheld = false;
  private closed = false;
  private watchdog: Timer | undefined;
  private retry: Timer | undefined;
  private unfollow: () => void = () => undefined;

  constructor(private readonly options: SystemdNotifierOptions) {
    if (options.sender && options.watchdogMs !== null) this.watch(options.watchdogMs / 2);
  }

  /** Says READY=1 the first time that the registry is ready, and keeps STATUS= in step from then on. */
  follow(registry: ReadinessRegistry): void {
    const tell = (): void => {
      if (registry.ready) this.ready();
      this.setStatus(registry.ready ? 'ready' : `not ready: ${registry.missing}`);
    };
    this.unfollow = registry.onChange(tell);
    tell();
  }

  /** READY=1, once; it is the one message that must arrive, so a failure is tried again. */
  ready(): void {
    if (this.saidReady) return;
    this.saidReady = true;
    this.enqueue(
      () => 'READY=1',
      () => {
        this.retry = this.options.clock.setTimer(READY_RETRY_MS, () => {
          this.saidReady = false;
          this.ready();
        });
      },
    );
  }

  /** One line for `systemctl status`; the same line twice is sent once. */
  setStatus(text: string): void {
    const line = text.replaceAll(/\s+/g, ' ').trim();
    if (line === this.status) return;
    this.status = line;
    if (this.statusPending) return;
    this.statusPending = true;
    this.enqueue(() => {
      this.statusPending = false;
      return `STATUS=${this.status}`;
    });
  }

  /** STOPPING=1 with a last status, then silence. Resolves when all has been sent. Never rejects. Idempotent. */
  async stop(status = 'stopping'): Promise<void> {
    if (!this.closed) {
      this.unfollow();
      this.watchdog?.cancel();
      this.retry?.cancel();
      this.enqueue(() => `STOPPING=1\nSTATUS=${status}`);
      this.closed = true;
    }
    await this.sending;
  }

  private watch(everyMs: number): void {
    this.beat();
    this.watchdog = this.options.clock.setTimer(everyMs, () => this.watch(everyMs));
  }

  private beat(): void {
    const healthy = this.options.healthy();
    if (!healthy && !this.withheld) this.options.logger.error('watchdog message withheld, the daemon is not healthy');
    this.withheld = !healthy;
    if (healthy) this.enqueue(() => 'WATCHDOG=1');
  }

  /** The text is made when its turn comes. */
  private enqueue(state: () => string, onFailure: () => void = () => undefined): void {
    const { sender } = this.options;
    if (!sender || this.closed) return;
    this.sending = this.sending
      .then(() => sender.send(state()))
      .then(
        () => this.reportOutcome(undefined),
        (error: unknown) => {
          this.reportOutcome(error);
          if (!this.isClosed()) onFailure();
        },
      );
  }

  private isClosed(): boolean {
    return this.closed;
  }

  private reportOutcome(error: unknown): void {
    const failed = error !== undefined;
    if (failed && !this.failing) this.options.logger.warn('service manager cannot be told', { error });
    if (!failed && this.failing) this.options.logger.info('service manager can be told again');
    this.failing = failed;
  }
}
