import { type Clock, type Logger, ShutdownRequested, abortReason } from '@tartan/core';
import { setMaxListeners } from 'node:events';

/** Something that works until its signal aborts, and then resolves once everything that it started is released. */
export interface Part {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** What bounds the end; without it, parts that do not end are waited for. */
export interface Patience {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long parts may take to end once they are told to, milliseconds. Those that take longer are named and left behind. */
  readonly graceMs: number;
}

/** Waits that one part has open at a time; Node warns of a leak beyond that. */
const LISTENERS_PER_PART = 10;

/**
 * Runs parts side by side; the first that ends, in whatever way, ends the others. Settles after all have (or patience is over):
 * resolves after an orderly request to stop, else rejects with what ended the first part, or with the signal's reason. A part that
 * returns without having been told to has failed too.
 */
export async function runParts(parts: readonly Part[], signal: AbortSignal, patience?: Patience): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  setMaxListeners(LISTENERS_PER_PART * (parts.length + 1), both);
  const running = new Set(parts);
  let failure: { readonly error: unknown } | undefined;
  const settled = Promise.all(
    parts.map(async (part) => {
      try {
        await part.run(both);
        if (!both.aborted) failure = { error: new Error(`${part.name} ended by itself`) };
      } catch (error) {
        // What a part throws because it was told to stop is no news.
        if (!both.aborted) failure = { error };
      }
      running.delete(part);
      stop.abort(new ShutdownRequested('daemon'));
    }),
  );
  await (patience ? withPatience(settled, both, running, patience) : settled);
  if (failure) throw failure.error;
  if (signal.aborted && !(signal.reason instanceof ShutdownRequested)) throw abortReason(signal);
}

async function withPatience(
  settled: Promise<unknown>,
  signal: AbortSignal,
  running: ReadonlySet<Part>,
  { clock, logger, graceMs }: Patience,
): Promise<void> {
  const done = new AbortController();
  const over = untilAborted(signal)
    .then(() => clock.sleep(graceMs, done.signal))
    .then(() => {
      logger.warn('parts did not end in time, going on without them', { parts: [...running].map(({ name }) => name) });
    });
  // Rejects only when it lost the race.
  over.catch(() => undefined);
  await Promise.race([settled, over]);
  done.abort();
}

/** What `work` gives; null when the signal aborts first, and then `work` is left behind. */
export async function beforeAbort<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result | null> {
  // Rejects unheard when it lost the race.
  work.catch(() => undefined);
  return Promise.race([work, untilAborted(signal).then(() => null)]);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
