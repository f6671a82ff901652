import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TartanError } from '../errors';
import type { BackendModule } from './backend';
import { checkBackendModule } from './check-module';
import { esmEntry } from './esm-entry';

/*
 * `--backend-module NAME_OR_PATH`: a backend that is not linked in. A path (absolute, or starting with a dot) is taken from the
 * working directory; a name is a package, looked for from the working directory first, so that an operator can install it
 * beside the unit file, and then beside the daemon. CommonJS and ES modules both work: both load through import().
 */

export interface LoadBackendModuleOptions {
  /** Where paths and package names start; the process's working directory unless told. */
  readonly cwd?: string;
  /** Loads a file: URL; import() unless told. */
  readonly importModule?: (url: string) => Promise<unknown>;
}

/**
 * Rejects with BACKEND_MODULE_NOT_FOUND, BACKEND_MODULE_FAILED (it threw while loading) or BACKEND_MODULE_INVALID. The contract
 * version and a clash of types are checked by BackendRegistry.register.
 */
export async function loadBackendModule(
  nameOrPath: string,
  { cwd = process.cwd(), importModule = importUrl }: LoadBackendModuleOptions = {},
): Promise<BackendModule> {
  const file = isPath(nameOrPath)
    ? resolveFrom(cwd, resolve(cwd, nameOrPath))
    : (resolveFrom(cwd, nameOrPath) ?? resolveFrom(__dirname, nameOrPath));
  if (file === undefined) throw new TartanError('BACKEND_MODULE_NOT_FOUND', { module: nameOrPath, cwd });
  let exports: unknown;
  try {
    exports = await importModule(pathToFileURL(file).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TartanError('BACKEND_MODULE_FAILED', { module: nameOrPath, file, reason }, { cause: error });
  }
  return checkBackendModule(exports, nameOrPath);
}

function importUrl(url: string): Promise<unknown> {
  return import(url);
}

function isPath(nameOrPath: string): boolean {
  return isAbsolute(nameOrPath) || /^\.\.?(?:\/|$)/.test(nameOrPath);
}

/** The file that Node would load for `request` from a file in `folder`; undefined when there is none. */
function resolveFrom(folder: string, request: string): string | undefined {
  const require = createRequire(join(folder, 'resolve-from-here.js'));
  try {
    return require.resolve(request);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' ? esmEntry(require, request) : undefined;
  }
}
