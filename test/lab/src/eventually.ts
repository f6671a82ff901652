import { systemClock } from '@tartan/core';
import { LabError } from './lab-error';

export interface EventuallyOptions {
  /** Give up after this long; default 10 s. */
  readonly timeoutMs?: number;
  /** Pause between two tries; default 20 ms. */
  readonly intervalMs?: number;
  /** What is awaited, for the message: "host3 has a route to 10.42.1.0/24". */
  readonly what?: string;
  /** Asked before each try: a text says why this is the last one. */
  readonly giveUp?: () => string | undefined;
}

/**
 * Tries `condition` until it neither throws nor gives false, and resolves with what it gave. Rejects with the last error as
 * cause and in the message. One try that hangs is not cut off: conditions are made of bounded commands.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 10_000, intervalMs = 20, what = 'the condition' } = options;
  const deadline = performance.now() + timeoutMs;
  for (let tries = 1; ; tries += 1) {
    const hopeless = options.giveUp?.();
    const attempt = await attemptOnce(condition);
    if ('value' in attempt) return attempt.value;
    const late = performance.now() >= deadline ? `not within ${timeoutMs} ms (${tries} tries)` : undefined;
    const reason = hopeless ?? late;
    if (reason !== undefined) throw gaveUp(what, reason, attempt.error);
    await systemClock.sleep(intervalMs);
  }
}

function gaveUp(what: string, reason: string, cause: unknown): LabError {
  const last = cause instanceof Error ? cause.message : String(cause);
  return new LabError(`${what} did not come true: ${reason}; last: ${last}`, { cause });
}

async function attemptOnce<T>(
  condition: () => T | Promise<T>,
): Promise<{ value: Exclude<T, false> } | { error: unknown }> {
  try {
    const value = await condition();
    return value === false ? { error: new LabError('still false') } : { value: value as Exclude<T, false> };
  } catch (error) {
    return { error };
  }
}
