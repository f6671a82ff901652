import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of this package, e.g. `0.1.0`. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}
