import type { DesiredTraffic, TrafficManager } from '@tartan/core';

const PATIENCE_MS = 8_000;

/** Runs a manager while `body` works, with rules in force. */
export async function withRunning<T>(
  manager: TrafficManager,
  desired: DesiredTraffic,
  body: (manager: TrafficManager) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const running = manager.run(abort.signal);
  try {
    manager.setRules(desired);
    await synced(manager);
    return await body(manager);
  } finally {
    abort.abort(new Error('the test is over'));
    await running;
  }
}

export async function synced(manager: TrafficManager): Promise<void> {
  try {
    await manager.whenSynced(AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    throw new Error(`not in force: ${JSON.stringify(manager.status())}`, { cause: error });
  }
}
