import {
  EXIT_CODE,
  type DaemonOptions,
  type ExitCode,
  type Logger,
  Shutdown,
  TartanError,
  daemonHelp,
  parseDaemonOptions,
  systemClock,
} from '@tartan/core';
import type * as WinstonModule from '@tartan/core/runtime/winston';
import { readFileSync } from 'node:fs';
import type { EarlyResume } from './early-resume';
import { exitCodeFor } from './exit-code-for';
import type * as RunCleanUpModule from './run-clean-up';
import type * as RunDaemonModule from './run-daemon';
import { version } from './version';

/** A daemon that was told to stop and is still there after this long has a fault, and ends all the same. */
const STOP_DEADLINE_MS = 5_000;

export interface TartandStart {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly earlyResume: EarlyResume;
}

/** Runs the daemon, or what the options ask for instead. Resolves with the exit status of the process. */
export async function runTartand({ argv, env, earlyResume }: TartandStart): Promise<ExitCode> {
  const options = readOptions(argv, env);
  if (options === null) return EXIT_CODE.usage;
  if (options.help) {
    process.stdout.write(daemonHelp());
    return EXIT_CODE.ok;
  }
  if (options.version) {
    process.stderr.write(`${version()}\n`);
    return EXIT_CODE.ok;
  }
  const { createLogger, runDaemon } = loadDaemon();
  const logger = createLogger({ level: options.logLevel, format: options.logFormat });
  if (options.cleanup) return cleanUpAndLeave(options, logger);
  const shutdown = takeCharge(logger);
  try {
    await runDaemon({ options, env, logger, signal: shutdown.signal, earlyResume });
    logger.info('stopped');
    return EXIT_CODE.ok;
  } catch (error) {
    logger.error('tartand ends', { error });
    return exitCodeFor(error);
  } finally {
    await logger.close();
  }
}

/**
 * Most of the program: not needed for the short ways out above. By require(), since import() would take the way through Node's ESM
 * loader, which reads every file behind a re-export once more.
 */
function loadDaemon() {
  /* eslint-disable @typescript-eslint/no-require-imports */
  return {
    ...(require('@tartan/core/runtime/winston') as typeof WinstonModule),
    ...(require('./run-daemon') as typeof RunDaemonModule),
  };
  /* eslint-enable @typescript-eslint/no-require-imports */
}

/** --cleanup: no daemon, and no failure that a restart could cure. */
async function cleanUpAndLeave(options: DaemonOptions, logger: WinstonModule.RootLogger): Promise<ExitCode> {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { runCleanUp } = require('./run-clean-up') as typeof RunCleanUpModule;
    return (await runCleanUp(options, logger)) ? EXIT_CODE.ok : EXIT_CODE.failure;
  } catch (error) {
    process.stderr.write(`tartand: ${error instanceof Error ? error.message : String(error)}\n`);
    return exitCodeFor(error);
  } finally {
    await logger.close();
  }
}

/** Signals and stray errors become one orderly end, and that end comes. */
function takeCharge(logger: Logger): Shutdown {
  const shutdown = new Shutdown({ signals: process, exit: (code) => process.exit(code), logger });
  const fail = (error: unknown): void => shutdown.fail(error instanceof Error ? error : new Error(String(error)));
  process.on('unhandledRejection', fail);
  process.on('uncaughtException', fail);
  shutdown.signal.addEventListener('abort', () => {
    systemClock.setTimer(STOP_DEADLINE_MS, () => {
      logger.error('the daemon did not stop in time, ending at once');
      process.exit(EXIT_CODE.failure);
    });
  });
  return shutdown;
}

/** A mistake on the command line is one line, not a page of usage. */
function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ReturnType<typeof parseDaemonOptions> | null {
  try {
    return parseDaemonOptions({ argv, env, readFile: (path) => readFileSync(path, 'utf8') });
  } catch (error) {
    if (!(error instanceof TartanError)) throw error;
    process.stderr.write(`tartand: ${error.message}\n`);
    return null;
  }
}
