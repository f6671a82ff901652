import type { Clock } from './clock';
import type { Logger } from './logger';

/*
 * Ready means: pods of this node can reach pods elsewhere. Each condition of that is a named check which may turn false again
 * at any time, and then the node is not ready any more. Checks that only degrade service (the datastore is away, forwarding
 * goes on) are informational: shown, never counted. Readiness never depends on other nodes.
 */

/** One condition as others see it. */
export interface ReadinessStatus {
  readonly name: string;
  readonly ok: boolean;
  /** What is missing, or a fact worth knowing. */
  readonly message: string;
  /** Clock.now() of the last change of `ok`. */
  readonly since: number;
  /** False for checks that are shown but do not count. */
  readonly required: boolean;
}

/** The owner's handle on its check. Both calls are idempotent and may be made at any time. */
export interface ReadinessCheck {
  pass(message?: string): void;
  fail(message: string): void;
}

export interface ReadinessCheckOptions {
  /** Stable, lower case with hyphens: `lease`, `subnet-file`. */
  readonly name: string;
  /** What is waited for at first; checks begin as not ok. */
  readonly waitingFor: string;
  /** true unless told. */
  readonly required?: boolean;
}

export class ReadinessRegistry {
  private readonly statuses = new Map<string, ReadinessStatus>();
  private readonly listeners = new Set<() => void>();
  private wasReady = false;

  constructor(private readonly options: { readonly clock: Clock; readonly logger: Logger }) {}

  /** Adds a check. Throws when the name is taken: two owners would overwrite each other. */
  declare({ name, waitingFor, required = true }: ReadinessCheckOptions): ReadinessCheck {
    if (this.statuses.has(name)) throw new Error(`readiness check ${name} is declared twice`);
    this.statuses.set(name, { name, ok: false, message: waitingFor, since: this.options.clock.now(), required });
    this.changed();
    return {
      pass: (message = 'ok') => this.set(name, true, message),
      fail: (message) => this.set(name, false, message),
    };
  }

  /** True when there is at least one required check and all of them pass. */
  get ready(): boolean {
    const required = this.checks().filter((check) => check.required);
    return required.length > 0 && required.every(({ ok }) => ok);
  }

  /** All checks in the order of declaration. */
  checks(): readonly ReadinessStatus[] {
    return [...this.statuses.values()];
  }

  /** `listener` runs after each change of any check until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Required checks that do not pass, as one line; empty when ready. */
  get missing(): string {
    const failing = this.checks().filter(({ ok, required }) => required && !ok);
    return failing.map(({ name, message }) => `${name}: ${message}`).join('; ');
  }

  private set(name: string, ok: boolean, message: string): void {
    const before = this.statuses.get(name) as ReadinessStatus;
    if (before.ok === ok && before.message === message) return;
    const since = before.ok === ok ? before.since : this.options.clock.now();
    this.statuses.set(name, { ...before, ok, message, since });
    this.changed();
  }

  private changed(): void {
    const ready = this.ready;
    if (ready && !this.wasReady) this.options.logger.info('node is ready');
    if (!ready && this.wasReady) this.options.logger.warn('node is not ready any more', { missing: this.missing });
    this.wasReady = ready;
    for (const listener of [...this.listeners]) listener();
  }
}
