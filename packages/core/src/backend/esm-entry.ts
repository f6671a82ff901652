import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Conditions that hold for import() in Node; among several that hold, the package's own order of keys decides. */
const CONDITIONS: ReadonlySet<string> = new Set(['node', 'import', 'module-sync', 'default']);

/**
 * The entry of a package whose `exports` offer no way for require(), only for import (nodejs.org/api/packages.html, conditional
 * exports). Node has no function for this that works from a folder of our choice.
 */
export function esmEntry(require: NodeJS.Require, name: string): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    const root = join(folder, name);
    const manifest = join(root, 'package.json');
    if (!existsSync(manifest)) continue;
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: unknown };
    const target = mainTarget(exports);
    return target === undefined ? undefined : join(root, target);
  }
  return undefined;
}

function mainTarget(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return undefined;
  for (const [key, value] of Object.entries(exports)) {
    const target = key === '.' || CONDITIONS.has(key) ? mainTarget(value) : undefined;
    if (target !== undefined) return target;
  }
  return undefined;
}
