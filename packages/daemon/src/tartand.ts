import {
  EXIT_CODE,
  type ExitCode,
  Shutdown,
  TartanError,
  daemonHelp,
  isTartanError,
  parseDaemonOptions,
} from '@tartan/core';
import { createLogger } from '@tartan/core/runtime/winston';
import { readFileSync } from 'node:fs';
import { runDaemon } from './run-daemon';
import { version } from './version';

/** The program `tartand`. Ends the process itself: nothing that is still open may keep it. */
export function main(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  void start(argv, env).then((code) => process.exit(code));
}

async function start(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<ExitCode> {
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
  const logger = createLogger({ level: options.logLevel, format: options.logFormat });
  const shutdown = new Shutdown({ signals: process, exit: (code) => process.exit(code), logger });
  process.on('unhandledRejection', (error) => shutdown.fail(error instanceof Error ? error : new Error(String(error))));
  try {
    await runDaemon({ options, env, logger, signal: shutdown.signal });
    logger.info('stopped');
    return EXIT_CODE.ok;
  } catch (error) {
    logger.error('tartand ends', { error });
    return isTartanError(error, 'LEASE_TAKEN') ? EXIT_CODE.leaseLost : EXIT_CODE.failure;
  } finally {
    await logger.close();
  }
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
