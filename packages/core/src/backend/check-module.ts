import { TartanError } from '../errors';
import type { BackendCapabilities, BackendModule } from './backend';

/*
 * A third party's export is data from outside: it is checked member by member before anything is called on it, so that a
 * mistake is told in the author's words and not as "undefined is not a function" an hour later.
 */

const CAPABILITIES: readonly (keyof BackendCapabilities)[] = [
  'ipv4',
  'ipv6',
  'needsSameL2',
  'needsOwnPublicIP',
  'hitlessRestart',
  'underlayFacts',
];

const OPTIONAL = ['checkConfig', 'isOwnDevice', 'leftovers'] as const satisfies readonly (keyof BackendModule)[];

/** The `backend` export of a loaded module. Throws BACKEND_MODULE_INVALID naming what is wrong with it. */
export function checkBackendModule(exports: unknown, module: string): BackendModule {
  const backend = findExport(exports);
  const problem = backend === undefined ? 'it has no export named "backend"' : problemOf(backend);
  if (problem !== undefined) throw new TartanError('BACKEND_MODULE_INVALID', { module, problem });
  return backend as BackendModule;
}

/** A CommonJS package that is loaded with import() has its exports under `default` as well; the names may be missing. */
function findExport(exports: unknown): unknown {
  if (!isObject(exports)) return undefined;
  return exports['backend'] ?? (isObject(exports['default']) ? exports['default']['backend'] : undefined);
}

function problemOf(backend: unknown): string | undefined {
  if (!isObject(backend)) return 'its export "backend" is not an object';
  const { type, contractVersion, create, capabilities } = backend;
  if (typeof type !== 'string' || !/^[a-z0-9][a-z0-9-]*$/.test(type)) {
    return 'backend.type must be a name in lower-case letters, digits and hyphens';
  }
  if (typeof contractVersion !== 'number') return 'backend.contractVersion must be a number';
  if (typeof create !== 'function') return 'backend.create must be a function';
  const noFunction = OPTIONAL.find((name) => !['undefined', 'function'].includes(typeof backend[name]));
  if (noFunction !== undefined) return `backend.${noFunction} must be a function where it is there`;
  if (!isObject(capabilities)) return 'backend.capabilities must be an object';
  const wrong = CAPABILITIES.find((name) => typeof capabilities[name] !== 'boolean');
  return wrong === undefined ? undefined : `backend.capabilities.${wrong} must be true or false`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
