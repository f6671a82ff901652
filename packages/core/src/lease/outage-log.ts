import { isTartanError } from '../errors';
import type { Clock, Logger } from '../runtime';

/** One line when something starts to fail and one when it works again, none for the tries between. */
export class OutageLog {
  private since: number | null = null;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
    private readonly messages: { readonly failing: string; readonly recovered: string },
  ) {}

  failed(error: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.since !== null) return;
    this.since = this.clock.monotonic();
    this.logger.warn(this.messages.failing, { ...fields, ...errorFields(error) });
  }

  succeeded(fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.since === null) return;
    const outageMs = Math.round(this.clock.monotonic() - this.since);
    this.since = null;
    this.logger.info(this.messages.recovered, { ...fields, outageMs });
  }
}

/** Code and text of an error as log fields. */
export function errorFields(error: unknown): { readonly error: string; readonly code?: string } {
  const text = error instanceof Error ? error.message : String(error);
  return isTartanError(error) ? { code: error.code, error: text } : { error: text };
}
