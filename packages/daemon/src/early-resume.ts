import { dropResumed, resumePacketLoop, type Resumption } from '@tartan/backend-udp/resume';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startOptions } from './start-options';

/*
 * The first thing that a daemon does: going on with what carried packets before, where that needs none of the rest. Everything else of
 * the program is loaded after it, so nothing that imports more than Node's own modules may be imported here.
 */

/** Files of all daemons of this host: `resume-<fingerprint of LastLeaseKey>`. */
export const RESUME_FILE = /^resume-[0-9a-f]{16}$/;

export interface EarlyResume {
  /** Stands for the options of this process. */
  readonly startedWith: string;
  readonly outcome: Resumption;
  /** The backend that the outcome is about. */
  readonly backendType: string;
  /** Ends what was gone on with, unless the backend has taken it. Idempotent. */
  drop(): Promise<void>;
}

/** Never throws. */
export function resumeEarly(argv: readonly string[], env: NodeJS.ProcessEnv): EarlyResume {
  const { stateDirectory, fingerprint: startedWith } = startOptions(argv, env);
  const outcome = resumePacketLoop({ paths: resumeFiles(stateDirectory), startedWith });
  const drop = async (): Promise<void> => {
    await dropResumed();
    if (outcome.kind === 'resumed') rmSync(outcome.path, { force: true });
  };
  return { startedWith, outcome, backendType: 'udp', drop };
}

function resumeFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => RESUME_FILE.test(name))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}
