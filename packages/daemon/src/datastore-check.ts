import type { Clock, Datastore, ReadinessCheck } from '@tartan/core';

/** A datastore tells its state when asked, and asking costs nothing; it is asked more often while its return is waited for. */
const ASK_EVERY_MS = { reachable: 1_000, away: 200 } as const;

/** Keeps the datastore's check in step; it is informational, since forwarding goes on without the datastore. */
export async function followDatastore(
  { datastore, check, clock }: { datastore: Pick<Datastore, 'status'>; check: ReadinessCheck; clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { reachable, lastError } = datastore.status();
    if (reachable) check.pass('reachable');
    else if (lastError !== null) check.fail(lastError);
    await clock.sleep(reachable ? ASK_EVERY_MS.reachable : ASK_EVERY_MS.away, signal).catch(() => undefined);
  }
}
