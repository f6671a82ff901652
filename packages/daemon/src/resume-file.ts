import { type LastLeaseKey, type Logger, fingerprint } from '@tartan/core';
import { join } from 'node:path';
import type { EarlyResume } from './early-resume';

/** Where this daemon's backend keeps what the next process goes on with; early-resume.ts finds it by its name. */
export function resumeFile(stateDirectory: string, key: LastLeaseKey): string {
  return join(stateDirectory, `resume-${fingerprint(key)}`);
}

/** One line about what came of it, none where there was nothing. */
export function logResumption({ outcome }: EarlyResume, logger: Logger): void {
  if (outcome.kind === 'resumed') {
    const { path, routes } = outcome;
    logger.info('packets flow as before the restart', { path, routes });
  } else if (outcome.kind === 'refused') {
    const { path, reason } = outcome;
    logger.info('packets do not flow before the first peers are known', { path, reason });
  }
}
